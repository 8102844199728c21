"""Asks every source when it is due and appends what is new to the log. Decides nothing: schedule.py says when.

One thread asks one source; a source that fails, hangs or lies costs its own thread only. What is appended is appended
before it is remembered: killed in between, the next round appends it again, under the same ids.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog

from ingest.ask import Reading, ask
from ingest.entries import Entry, raw_article
from ingest.feeds import Source
from ingest.fetch import Fetcher, SourceUnavailable
from ingest.log import Publish, readable
from ingest.schedule import LONGEST_WISH, after_failure, after_success, is_catch_up
from ingest.states import FeedStates
from monitor.errors import Unavailable, UsageError
from monitor.logs import mask_credentials
from monitor.metrics import FETCHES, PUBLISHED
from monitor.types import SKEW, Feed, FeedState, Kind, RawArticle

VISITS = 16
PER_HOST = 2
"""At once: polite, and a host that hangs holds no more threads than these."""

LEASE = timedelta(minutes=5)
"""Longer than one visit takes: a fetch's minute, and a while of waiting for the log."""

TICK_S = 0.5
STATES_AWAY_S = 5.0
LAST_WORDS_S = 8.0
"""How long visits under way may take to end once we are told to stop; cut short, they are made again."""

REMEMBERED_KEYS = 2000
"""Per source, of entries already appended; feeds show their latest 10 to 500."""

log = structlog.get_logger(__name__)


@dataclass
class Seen:
    """The entries of one source that were appended lately. A feed shows them again and again."""

    keys: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def new(self, entries: Iterable[Entry], kind: Kind) -> list[Entry]:
        by_key = {entry.key(kind): entry for entry in entries}
        return [entry for key, entry in by_key.items() if key not in self.keys]

    def add(self, entries: Iterable[Entry], kind: Kind) -> None:
        self.keys |= dict.fromkeys(entry.key(kind) for entry in entries)
        while len(self.keys) > REMEMBERED_KEYS:
            self.keys.popitem(last=False)


@dataclass
class Poller:
    """Asks its sources until told to stop. Several pollers share the sources through `states`."""

    sources: Sequence[Source]
    publish: Publish
    states: FeedStates
    fetcher: Fetcher
    worker: str
    clock: Callable[[], datetime]
    rng: random.Random = field(default_factory=random.Random)
    seen: dict[str, Seen] = field(default_factory=lambda: defaultdict(Seen))
    appending: threading.Lock = field(default_factory=threading.Lock)
    host_spacing: timedelta = timedelta(seconds=1)
    """Between two questions to one host."""
    host_free_at: dict[str, datetime] = field(default_factory=dict)
    looked_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises what a visit couldn't deal with: the log's or our own fault, never a source's."""
        visits: list[Visit] = []
        registered = False
        while not stop.is_set():
            visits = _still_under_way(visits)
            try:
                if not registered:
                    self.states.register([_without_password(source.feed) for source in self.sources])
                    registered = True
                while len(visits) < VISITS and (found := self._next(visits)):
                    visits.append(Visit(self, *found))
                    visits[-1].start()
            except Unavailable as error:
                log.warning("feed states unavailable, waiting", error=str(error))
                stop.wait(STATES_AWAY_S)
            stop.wait(TICK_S)
        _finish(visits)

    def visit(self, source: Source, state: FeedState) -> None:
        """Ask one source once, append what is new, then remember."""
        feed, now = source.feed, self.clock()
        try:
            reading = ask(source, state, self.fetcher)
        except (SourceUnavailable, UsageError) as error:
            self._failed(source, state, error, now)
            return
        fresh = self.seen[feed.name].new(reading.entries, feed.kind)
        late = is_catch_up(state, now, feed.cadence)
        articles = [raw_article(feed, entry, reading.base, now, late) for entry in fresh]
        if articles:
            with self.appending:
                self.publish(articles)
        self.seen[feed.name].add(fresh, feed.kind)
        self._remember(source, state, reading, articles, now)

    def _remember(
        self, source: Source, state: FeedState, reading: Reading, articles: Sequence[RawArticle], now: datetime
    ) -> None:
        FETCHES.labels(source.feed.name, "new" if articles else "unchanged").inc()
        PUBLISHED.labels(source.feed.name).inc(len(articles))
        if state.failures:
            log.info("source is back", source=source.feed.name, after_failures=state.failures)
        # Only now: had parsing or appending failed, a 304 next time would lose the articles.
        state = replace(state, etag=reading.etag, modified=reading.modified)
        times = [article.published or article.seen for article in articles]
        self._save(after_success(state, now, source.feed.cadence, times, self.rng))

    def _failed(self, source: Source, state: FeedState, error: Exception, now: datetime) -> None:
        FETCHES.labels(source.feed.name, "failed").inc()
        wish = error.retry_after if isinstance(error, SourceUnavailable) else None
        if wish:  # a host that asks for quiet means all of its feeds
            self._leave_alone(host_of(source), now + min(wish, LONGEST_WISH))
        reason = readable(str(error)).replace("\0", "")  # it may quote the source, and must be storable
        next_state = after_failure(state, now, source.feed.cadence, reason, wish, self.rng)
        if state.error != next_state.error:
            log.warning("source failed", source=source.feed.name, reason=reason, next_at=str(next_state.next_at))
        self._save(next_state)

    def _save(self, state: FeedState) -> None:
        try:
            self.states.save(state, self.worker)
        except Unavailable as error:
            # The source is asked again when the lease ends; what it repeats has ids that are known.
            log.warning("feed state not saved", source=state.name, error=str(error))

    def _next(self, visits: Sequence[Visit]) -> tuple[Source, FeedState] | None:
        """The longest overdue source at a host that isn't busy with us already; it is ours then."""
        now, busy = self.clock(), Counter(visit.host for visit in visits)
        if self.looked_at and now < self.looked_at - SKEW:
            self.host_free_at.clear()  # the clock was set back: even a second's rest would last till it has caught up
        self.looked_at = now
        blocked = {host for host, free_at in self.host_free_at.items() if free_at > now}
        blocked |= {host for host, count in busy.items() if count >= PER_HOST}
        known = {source.feed.name: source for source in self.sources if host_of(source) not in blocked}
        taken = self.states.take(known, 1, self.worker, now, LEASE)
        if not taken:
            return None
        source = known[taken[0].name]
        self._leave_alone(host_of(source), now + self.host_spacing)
        return source, taken[0]

    def _leave_alone(self, host: str, until: datetime) -> None:
        self.host_free_at[host] = max(until, self.host_free_at.get(host, until))


class Visit(threading.Thread):
    """One visit under way. A daemon: a source that answers a byte a minute doesn't keep a stopped program alive."""

    def __init__(self, poller: Poller, source: Source, state: FeedState) -> None:
        super().__init__(name=f"ask {source.feed.name}", daemon=True)
        self.poller, self.source, self.state = poller, source, state
        self.host = host_of(source)
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            self.poller.visit(self.source, self.state)
        except BaseException as fault:  # noqa: BLE001  raised again by the loop that started us
            self.fault = fault


def host_of(source: Source) -> str:
    try:
        return urlsplit(source.feed.url).hostname or ""
    except ValueError:  # no valid URL, as the visit will find out
        return ""


def _without_password(feed: Feed) -> Feed:
    return replace(feed, url=mask_credentials(feed.url))


def _still_under_way(visits: Sequence[Visit]) -> list[Visit]:
    """Those not done yet; the fault of one that is done is raised here."""
    for visit in visits:
        if visit.fault is not None:
            raise visit.fault
    return [visit for visit in visits if visit.is_alive()]


def _finish(visits: Sequence[Visit]) -> None:
    give_up_at = time.monotonic() + LAST_WORDS_S
    for visit in visits:
        visit.join(max(0.0, give_up_at - time.monotonic()))
        if visit.is_alive() or visit.fault is not None:
            log.info("left unfinished, asked again at the next start", source=visit.source.feed.name)
