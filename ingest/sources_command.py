"""`tocsin sources`: list, check a URL, add. Says what a source would bring before it is trusted with the log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from urllib.parse import urlsplit

from ingest.ask import ask
from ingest.entries import raw_article
from ingest.feeds import Source, names_in, parse_sources, read_sources, to_toml
from ingest.fetch import Fetcher, SourceUnavailable
from monitor.errors import TocsinError, UsageError
from monitor.logs import mask_credentials
from monitor.settings import Settings
from monitor.types import FeedState, RawArticle

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What a source brings right now."""

    articles: list[RawArticle]

    @property
    def dated(self) -> list[datetime]:
        return sorted(article.published for article in self.articles if article.published)

    @property
    def gap(self) -> timedelta | None:
        """The usual time between two of its articles."""
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(self.dated)]
        return timedelta(seconds=median(gaps)) if gaps else None


def list_sources(settings: Settings, states: Sequence[FeedState] = ()) -> int:
    """`tocsin sources list`: one line a source; its health where the database was asked."""
    known = {state.name: state for state in states}
    sources = read_sources(settings.feeds, settings.data_dir)
    print(f"{'NAME':<34} {'KIND':<8} EVERY  {'HEALTH':<28} URL")
    for feed in (source.feed for source in sources):
        url, health = mask_credentials(feed.url), _health(known.get(feed.name))
        print(f"{feed.name:<34} {feed.kind:<8} {_span(feed.cadence):>5}  {health:<28} {url}")
    return 0


def check_source(settings: Settings, url: str) -> int:
    """`tocsin sources check URL|NAME`: ask it once and show what it would bring. TocsinError says what is wrong."""
    named = next((one for one in read_sources(settings.feeds, settings.data_dir) if one.feed.name == url), None)
    found = look(named or _guessed(url, url), settings)
    dated = found.dated
    print(
        f"{len(found.articles)} articles, {len(dated)} with a date"
        + (f", newest {dated[-1]:%Y-%m-%d %H:%M} UTC" if dated else "")
    )
    if found.gap is not None:
        print(f'one every {_span(found.gap)}: cadence = "{_cadence(found.gap)}" would do')
    for article in found.articles[:SHOWN]:
        print(f"  {article.title[:100] or '(no title)'}")
        print(f"    {article.url or article.source_id}")
    return 0


def add_source(
    settings: Settings,
    url: str,
    *,
    name: str = "",
    kind: str = "news",
    publisher: str = "",
    family: str = "",
    cadence: str = "",
) -> int:
    """`tocsin sources add URL`: check it, then append it to one's own feeds.toml."""
    path = settings.feeds or settings.data_dir / "feeds.toml"
    try:
        host = (urlsplit(url).hostname or url).removeprefix("www.")
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL ({error}); give a feed's address with https://") from error
    entry = {"name": name or host, "url": url, "kind": kind, "publisher": publisher or host, "family": family}
    entry |= {"cadence": cadence}
    block = to_toml({key: value for key, value in entry.items() if value})
    (source,) = parse_sources(block, "the new entry")
    if source.feed.name in names_in(path):
        raise UsageError(f"{path} has a feed named {source.feed.name!r} already; give this one another --name")
    found = look(source, settings)
    if not cadence and found.gap is not None:
        block = to_toml({key: value for key, value in (entry | {"cadence": _cadence(found.gap)}).items() if value})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if path.stat().st_size else "") + block)
    print(f"{source.feed.name}: {len(found.articles)} articles now; added to {path}")
    print("running ingest programs take it up at their next start", file=sys.stderr)
    return 0


def look(source: Source, settings: Settings) -> Found:
    """Ask once. TocsinError names the URL and what is wrong with it."""
    try:
        reading = ask(
            source, FeedState(name=source.feed.name), Fetcher(settings.user_agent, settings.allow_private_urls)
        )
    except SourceUnavailable as error:
        raise TocsinError(f"{mask_credentials(source.feed.url)}: {error}") from error
    now = datetime.now(UTC)
    return Found([raw_article(source.feed, entry, reading.base, now, True) for entry in reading.entries])


def _guessed(name: str, url: str) -> Source:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is neither a source's name (see `tocsin sources list`) nor a URL with https://")
    return parse_sources(to_toml({"name": name, "url": url, "kind": "news", "publisher": name}), url)[0]


def _cadence(gap: timedelta) -> str:
    """Twice as often as articles come, between two minutes and an hour."""
    return f"{min(60, max(2, round(gap.total_seconds() / 120)))}m"


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 2:
        return f"{span.total_seconds():.0f}s"
    return (
        f"{minutes:.0f}m" if minutes < 120 else f"{minutes / 60:.0f}h" if minutes < 2880 else f"{minutes / 1440:.0f}d"
    )


def _health(state: FeedState | None) -> str:
    if state is None or state.asked_at is None:
        return "never asked"
    if state.failures:
        return f"failed {state.failures}x: {state.error}"
    return f"ok {state.ok_at:%m-%d %H:%M}, {state.articles:,} articles"
