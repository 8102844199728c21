"""One module per way of asking: rss, json_api, replay, simulate. Each turns what a source says into RawArticles."""
