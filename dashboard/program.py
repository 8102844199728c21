"""Streamlit's own process: its command line, with an end that comes with its owner's. Shows nothing itself."""

from __future__ import annotations

from streamlit.web.cli import main

from monitor.processes import die_with_owner

if __name__ == "__main__":
    die_with_owner()
    main(prog_name="streamlit")
