"""Whatever a source answers, the answer is entries or a reason; whatever a file holds, a row or a reason."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.dates import parse_date
from ingest.entries import raw_article
from ingest.fetch import Fetched, SourceUnavailable
from ingest.sources.json_api import JsonApi, parse_items
from ingest.sources.replay import replay
from ingest.sources.rss import parse_feed
from monitor.codec import decode, encode
from monitor.errors import TocsinError
from monitor.types import Feed

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = Feed(name="F", url="https://a.example/", kind="news", publisher="P", family="P", cadence=timedelta(minutes=5))
API = JsonApi(fields={"title": "title", "url": "url", "published": "at", "body": "body"}, items="items")
HEAD, TAIL = b"<rss version='2.0'><channel><item><title>", b"</title><pubDate>x</pubDate></item></channel></rss>"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_feed_or_a_reason(noise: bytes) -> None:
    for body in (noise, HEAD + noise + TAIL, HEAD + noise):
        with contextlib.suppress(SourceUnavailable):
            entries, _ = parse_feed(Fetched("https://a.example/", body, "text/xml", None, None))
            for entry in entries:
                article = raw_article(FEED, entry, FEED.url, NOW, True)
                assert decode(encode(article).value) == article
                assert article.counted_at <= NOW


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["title", "url", "at", "body"]), values, max_size=4))
def test_any_json_is_items_or_a_reason(item: dict[str, object]) -> None:
    import json

    body = json.dumps({"items": [item, {"title": "fine"}]}).encode()
    with contextlib.suppress(SourceUnavailable):
        entries, _ = parse_items(Fetched("https://a.example/", body, "application/json", None, None), API)
        for entry in entries:
            article = raw_article(FEED, entry, FEED.url, NOW, False)
            assert decode(encode(article).value) == article


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_value_is_a_date_nothing_or_a_reason(value: object) -> None:
    with contextlib.suppress(ValueError):
        parsed = parse_date(value)
        assert parsed is None or parsed.tzinfo is not None


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.csv.gz", "a"])
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120))
def test_any_file_is_replayed_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str, noise: bytes) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / name
    for start in (b"", b"title,at\nFed,2024-01-01\n", b'{"title": "Fed"}\n', b"\x1f\x8b"):
        path.write_bytes(start + noise)
        with contextlib.suppress(TocsinError):
            replay(path, lambda articles: [encode(one) for one in articles] and None, now=lambda: NOW)
