"""One source, one question: the request its description asks for, its answer read. Keeps and publishes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import httpx2

from ingest.entries import Entry
from ingest.feeds import Source, key_of
from ingest.fetch import Fetched, Fetcher, SourceUnavailable
from ingest.sources.json_api import JsonApi, parse_items
from ingest.sources.rss import parse_feed
from monitor.types import FeedState


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source said, and what to send along next time."""

    entries: list[Entry]
    base: str
    """What relative links are relative to."""
    etag: str | None
    modified: str | None


def ask(source: Source, state: FeedState, fetcher: Fetcher) -> Reading:
    """SourceUnavailable says what went wrong, UsageError that its key is missing; neither shows the key."""
    key = key_of(source.api)
    try:
        return _read(source, state, fetcher, key)
    except SourceUnavailable as error:
        if key is None:
            raise
        masked = SourceUnavailable(mask(str(error), key), error.retry_after)
    raise masked  # out here, so that no traceback shows the one before it


def _read(source: Source, state: FeedState, fetcher: Fetcher, key: str | None) -> Reading:
    url = _url(source.feed.url, source.api, key)
    secrets = _headers(source.api, key)
    answer = fetcher.get(url, etag=state.etag, modified=state.modified, secret_headers=secrets)
    if not isinstance(answer, Fetched):
        return Reading([], source.feed.url, state.etag, state.modified)
    if source.api:
        entries, is_whole = parse_items(answer, source.api)
    else:
        entries, is_whole = parse_feed(answer, is_aggregator=source.is_aggregator)
    # A feed that broke off is read again from the start: its rest must not hide behind a 304.
    return Reading(entries, answer.url, answer.etag if is_whole else None, answer.modified if is_whole else None)


def mask(text: str, key: str | None) -> str:
    """The text without the key, however it is spelled there."""
    if key:
        for spelling in {key, quote(key), quote(key, safe=""), quote_plus(key), repr(key)[1:-1], json.dumps(key)[1:-1]}:
            text = text.replace(spelling, "***")
    return text


def _url(url: str, api: JsonApi | None, key: str | None) -> str:
    if not (api and api.key_query and key):
        return url
    try:
        return str(httpx2.URL(url).copy_merge_params({api.key_query: key}))
    except httpx2.InvalidURL as error:
        raise SourceUnavailable(f"no valid URL: {error}") from error


def _headers(api: JsonApi | None, key: str | None) -> dict[str, str]:
    return {api.key_header: f"{api.key_prefix}{key}"} if api and api.key_header and key else {}
