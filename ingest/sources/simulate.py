"""The simulated news stream: the demo's source. Pure and deterministic; every time is an argument.

One process makes history and live stream alike, so that the live stream is neither a surge nor a lull against its own
past: some 100 original articles a working day (18 in the busiest hour), a fifth of that at the weekend, and the copies
that other publishers make of a wire's reports within the hour; about 3,000 articles in 30 days. What looks alive on
the screen at the start is the history's newest and, soon, the crisis.

The rhythm hangs on an *anchor*: the instant that is Tuesday, 10:00 in the simulated world. Take the instant at which
the first demo starts, keep it with the data and pass it again in later runs: another anchor on the same data would
move the nights and ring on the difference. Article times themselves are real.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ingest.simulator.crisis import crisis_items
from ingest.simulator.newsroom import Item, day_of
from ingest.simulator.rhythm import arrivals
from monitor.types import RawArticle

DAY = timedelta(days=1)
HISTORY = timedelta(days=30)


@dataclass(frozen=True)
class Simulation:
    """The whole stream of one simulated world; equal arguments give equal articles, however often it is asked."""

    anchor: datetime
    seed: int = 7
    crises: tuple[tuple[str, datetime], ...] = ()
    _days: dict[int, list[Item]] = field(default_factory=dict, repr=False, compare=False)

    def with_crisis(self, ticker: str, at: datetime) -> Simulation:
        """The same world with a crisis at that company; KeyError where the world knows no such ticker."""
        crisis_items(ticker, at, self.seed)
        return replace(self, crises=(*self.crises, (ticker, at)))

    def history(self, start: datetime, end: datetime) -> Iterator[RawArticle]:
        """What was published after `start` until `end`, as back-fill seen at `end`; crises are left out."""
        for item in self._regular(start, end):
            yield _raw(item, seen=end, counted_at=item.published, is_backfill=True)

    def due(self, previous: datetime, now: datetime) -> list[RawArticle]:
        """What was published after `previous` until `now`, seen now: live news, crises included."""
        items = self._regular(previous, now)
        for ticker, at in self.crises:
            items += [item for item in crisis_items(ticker, at, self.seed) if previous < item.at <= now]
        return [_raw(item, seen=now, counted_at=now, is_backfill=False) for item in _in_order(items)]

    def _regular(self, start: datetime, end: datetime) -> list[Item]:
        # Copies run over the end of their day, hence the day before the first.
        days = range((start - self.anchor) // DAY - 1, (end - self.anchor) // DAY + 1)
        return _in_order(item for day in days for item in self._day(day) if start < item.at <= end)

    def _day(self, number: int) -> list[Item]:
        if number not in self._days:
            rng = random.Random(f"{self.seed}/day/{number}")
            self._days[number] = day_of(rng, arrivals(rng, self.anchor + number * DAY, DAY, self.anchor))
        return self._days[number]


def history(start: datetime, end: datetime, seed: int = 7, anchor: datetime | None = None) -> Iterator[RawArticle]:
    """The articles between two instants as back-fill; without an anchor, `end` is Tuesday, 10:00."""
    return Simulation(anchor or end, seed).history(start, end)


def crisis(ticker: str, at: datetime, seed: int = 7) -> list[tuple[datetime, RawArticle]]:
    """The scripted crisis: when each article falls due, with the article as seen at that moment."""
    return [
        (item.at, _raw(item, seen=item.at, counted_at=item.at, is_backfill=False))
        for item in crisis_items(ticker, at, seed)
    ]


def _in_order(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.at, item.number))


def _raw(item: Item, *, seen: datetime, counted_at: datetime, is_backfill: bool) -> RawArticle:
    return RawArticle(
        source=item.publisher.source,
        kind=item.publisher.kind,
        publisher=item.publisher.name,
        family=item.publisher.family,
        title=item.title,
        body=item.body,
        url=item.url,
        source_id=f"{item.number:08x}",
        author=item.author,
        published=item.published,
        seen=seen,
        counted_at=counted_at,
        is_backfill=is_backfill,
    )
