"""The simulated world as a running program: its history into the log, then its live stream; its feeds look alive.

What an article says lies in sources/simulate.py; here is only when it is handed over.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from ingest.log import AT_ONCE, Publish
from ingest.schedule import after_success
from ingest.simulator.world import publishers
from ingest.sources.simulate import Simulation
from ingest.states import FeedStates
from monitor.types import Feed, RawArticle

WORKER = "simulation"
CADENCE = timedelta(seconds=30)
LEASE = timedelta(seconds=5)
TICK_S = 0.25


def simulated_feeds() -> list[Feed]:
    """The simulated publishers as feeds; named as their articles' source."""
    return [
        Feed(
            name=one.source,
            url=f"https://{one.slug}.example/rss",
            kind=one.kind,
            publisher=one.name,
            family=one.family,
            cadence=CADENCE,
        )
        for one in publishers()
    ]


@dataclass
class SimulatedNews:
    """Hands the simulation's articles to the log, and keeps its feeds' health as a poller would."""

    simulation: Simulation
    publish: Publish
    states: FeedStates
    rng: random.Random = field(default_factory=random.Random)
    _newest: datetime | None = None
    _times: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def fill(self, start: datetime, end: datetime) -> int:
        """Publish what happened after `start` until `end` as back-fill; returns how many articles."""
        self.states.register(simulated_feeds())
        count = 0
        for batch in _batches(self.simulation.history(start, end)):
            self._hand_over(batch)
            count += len(batch)
        self._note(end)
        return count

    def run(self, since: datetime, stop: threading.Event, clock: Callable[[], datetime]) -> None:
        """Publish what falls due after `since`, as it falls due, until `stop` is set."""
        while not stop.is_set():
            since = self.tick(since, clock())
            stop.wait(TICK_S)

    def tick(self, previous: datetime, now: datetime) -> datetime:
        """Publish what fell due after `previous` until `now`; returns `now`, the next tick's `previous`."""
        self._newest = now
        if articles := self.simulation.due(previous, now):
            self._hand_over(articles)
        self._note(now)
        return now

    def start_crisis(self, ticker: str, at: datetime) -> datetime:
        """Script a crisis at that company, from `at` or a second after the newest tick, whichever is later; returns
        when. Also while `run` is running. KeyError for an unknown ticker."""
        if self._newest is not None:
            at = max(at, self._newest + timedelta(seconds=1))  # what is due at a moment gone by is never handed over
        self.simulation = self.simulation.with_crisis(ticker, at)
        return at

    def _hand_over(self, articles: list[RawArticle]) -> None:
        self.publish(articles)
        for article in articles:
            self._times[article.source].append(article.published or article.seen)

    def _note(self, now: datetime) -> None:
        names = [feed.name for feed in simulated_feeds()]
        for state in self.states.take(names, len(names), WORKER, now, LEASE):
            self.states.save(after_success(state, now, CADENCE, self._times.pop(state.name, []), self.rng), WORKER)


def _batches(articles: Iterable[RawArticle]) -> Iterator[list[RawArticle]]:
    rest = iter(articles)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch
