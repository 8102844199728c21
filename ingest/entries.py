"""What a feed's entry says -> RawArticle with its three times. Pure; shared by every way of asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urljoin

from ingest.log import readable
from monitor.text import canonical_url
from monitor.types import Feed, Kind, RawArticle

LONGEST_BODY = 200_000
"""Characters: a message must stay under Kafka's usual 1 MB, and no news story is longer."""

LONGEST_TITLE = 2_000
SHARED = 3
"""Entries of one link that make it no entry's own. Two are an article and its correction."""

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Before it, a date is a programming language's zero (1970-01-01, 0001-01-01), not news."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the source wrote it."""

    title: str
    url: str | None = None
    source_id: str | None = None
    body: str = ""
    author: str | None = None
    published: datetime | None = None
    publisher: str | None = None
    """Named by an aggregator's entry; None for the feed's own."""

    def key(self, kind: Kind) -> str:
        """What tells it from the feed's other entries. A comment's link is often its whole thread's."""
        names = (self.source_id, self.url) if kind == "comment" else (self.url, self.source_id)
        return names[0] or names[1] or f"{self.title}\0{self.body}"


def own_links(entries: Sequence[Entry], home: str | None = None) -> list[Entry]:
    """The entries without links that are not their own: the feed's page, or one page for many entries. An article
    is known by its link, so that all but one of them would be taken for copies. What is left out of a link's canonical
    form, a fragment say, tells entries apart all the same."""
    pages = [_page(one.url) for one in entries]
    itself = [one.url if one.url != page else None for one, page in zip(entries, pages, strict=True)]
    told = {
        (page, one.source_id or link or one.title)
        for one, page, link in zip(entries, pages, itself, strict=True)
        if page
    }
    counts, front = Counter(page for page, _ in told), _page(home)
    shared = {page for page, count in counts.items() if count >= SHARED or page == front}
    return [
        replace(one, url=None, source_id=one.source_id or link) if page in shared else one
        for one, page, link in zip(entries, pages, itself, strict=True)
    ]


def _page(url: str | None) -> str | None:
    """What an article with this link would be known by."""
    return url and (canonical_url(url) or url)


def raw_article(feed: Feed, entry: Entry, base: str, now: datetime, is_catch_up: bool) -> RawArticle:
    """Live news counts when seen; a catch-up when it was published, where that is known."""
    published = min(entry.published, now) if entry.published and entry.published >= EARLIEST else None
    url = _absolute(base, entry.url)
    is_known = url is not None and feed.kind != "comment"
    return RawArticle(
        source=feed.name,
        kind=feed.kind,
        publisher=entry.publisher or feed.publisher,
        family=entry.publisher or feed.family,
        title=readable(entry.title)[:LONGEST_TITLE],
        body=readable(entry.body)[:LONGEST_BODY],
        url=url,
        source_id=readable(entry.source_id or ("" if is_known else entry.key(feed.kind)[:500])) or None,
        author=readable(entry.author) if entry.author else None,
        published=published,
        seen=now,
        counted_at=(published or now) if is_catch_up else now,
        is_backfill=is_catch_up,
    )


def _absolute(base: str, url: str | None) -> str | None:
    """The entry's web address; None for what is none ("mailto:", "tag:"). Of the base its query stays out: an API's
    holds the key."""
    if not url:
        return None
    try:
        absolute = urljoin(base.partition("#")[0].partition("?")[0], url.strip())
    except ValueError:
        return None
    return readable(absolute) if absolute.lower().startswith(("http://", "https://")) else None
