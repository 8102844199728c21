"""One source, one question: the request its description asks for, its answer read. Keeps and publishes nothing."""

from __future__ import annotations

from dataclasses import dataclass

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
        answer = fetcher.get(
            _url(source.feed.url, source.api, key),
            etag=state.etag,
            modified=state.modified,
            secret_headers=_headers(source.api, key),
        )
        if not isinstance(answer, Fetched):
            return Reading([], source.feed.url, state.etag, state.modified)
        entries, is_whole = (
            parse_items(answer, source.api) if source.api else parse_feed(answer, is_aggregator=source.is_aggregator)
        )
    except SourceUnavailable as error:
        raise SourceUnavailable(mask(str(error), key), error.retry_after) from None if key else error
    # A feed that broke off is read again from the start: its rest must not hide behind a 304.
    return Reading(entries, answer.url, answer.etag if is_whole else None, answer.modified if is_whole else None)


def mask(text: str, key: str | None) -> str:
    return text.replace(key, "***") if key else text


def _url(url: str, api: JsonApi | None, key: str | None) -> str:
    return str(httpx2.URL(url).copy_merge_params({api.key_query: key})) if api and api.key_query and key else url


def _headers(api: JsonApi | None, key: str | None) -> dict[str, str]:
    return {api.key_header: f"{api.key_prefix}{key}"} if api and api.key_header and key else {}
