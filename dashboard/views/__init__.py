"""One module per page, each with `page()`: a page reads like the page."""
