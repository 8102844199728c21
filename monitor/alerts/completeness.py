"""How complete the data are: silent feeds, workers that lag, and up to when buckets are final. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar
from monitor.alerts.backlog import Backlog
from monitor.alerts.calendar import EVERYWHERE, Market
from monitor.alerts.watch import LATE
from monitor.types import BUCKET, bucket_of

GRACE = timedelta(seconds=60)
"""From a feed's answer to its rows where nothing lags."""
GAPS_NEEDED = 5
LEAST_SILENCE = timedelta(hours=1)
UNKNOWN_SILENCE = timedelta(days=1)
"""For a feed whose own gaps are not known yet."""
A_NIGHT = timedelta(hours=14)
FRIDAY = 4
KNOWN_AFTER = timedelta(days=14)
BEYOND = 1.5
LEAST_WORTH = 5.0
"""A feed that would have brought fewer articles meanwhile may be silent by chance."""
FAILURES = 3
NEVER_ANSWERED = 6
"""Failures of a feed that has never answered. The wait doubles with each: 2.5 hours at a cadence of 5 min."""
GIVEN_UP = timedelta(days=3)
"""A feed that is silent for longer is no longer waited for: its absence has become normal."""


class Rhythm(NamedTuple):
    """When a feed speaks, as weeks of it show."""

    expected: NDArray[np.float64]
    """(168,) articles per hour of the week."""
    longest: float
    """Its longest ordinary silence, in articles that its hours would usually have brought: a night is worth few."""


class FeedFacts(NamedTuple):
    """What is remembered of a feed."""

    name: str
    cadence: timedelta
    failures: int
    error: str | None
    ok_at: datetime | None
    article_at: datetime | None
    gaps: tuple[timedelta, ...]
    rhythm: Rhythm | None = None
    """None while it is known for less than two weeks: then its latest gaps must do."""


class SilentFeed(NamedTuple):
    """A feed that has been silent for longer than it ever is."""

    name: str
    since: datetime | None
    """None where it has never answered since it was added."""
    usual: timedelta
    error: str | None


def silent_feeds(feeds: Sequence[FeedFacts], now: datetime, market: Market = EVERYWHERE) -> list[SilentFeed]:
    """Those without news for longer than their own normal gap, or that cannot be reached, or never could."""
    out = []
    for feed in feeds:
        last = feed.article_at or feed.ok_at
        if last is None or feed.ok_at is None:
            if feed.failures >= NEVER_ANSWERED:
                out.append(SilentFeed(feed.name, None, UNKNOWN_SILENCE, feed.error))
            continue
        usual, is_long = _by_rhythm(feed, feed.rhythm, last, now, market) if feed.rhythm else _by_gaps(feed, last, now)
        unreachable = feed.failures >= FAILURES and now - feed.ok_at > 3 * feed.cadence
        if is_long or unreachable:
            out.append(SilentFeed(feed.name, last, usual, feed.error if feed.failures else None))
    return out


def rhythm_of(hours: Sequence[tuple[datetime, int]], until: datetime, market: Market = EVERYWHERE) -> Rhythm | None:
    """What a feed's articles per hour teach, oldest first; None for less than two weeks of them.

    Articles of one hour count as what nine in ten of its busy hours bring at most: a first fetch is no rhythm. Of its
    weeks' longest silences the second longest is ordinary: one outage is not.
    """
    if not hours or until - hours[0][0] < KNOWN_AFTER:
        return None
    first, counts = hours[0][0].timestamp() // 3600, np.array([count for _, count in hours], dtype=np.float64)
    place = np.array([hour.timestamp() // 3600 - first for hour, _ in hours], dtype=np.intp)
    size = int(until.timestamp() // 3600 - first)
    known = place < size
    table = np.zeros(size)
    table[place[known]] = np.minimum(counts, np.quantile(counts, 0.9))[known]
    slots = calendar.slots(3600.0 * (first + np.arange(size, dtype=np.float64)), market)
    expected = _per_slot(table, slots)
    clock = np.cumsum(expected[slots])
    busy = np.append(np.flatnonzero(table), size - 1)
    longest = np.zeros(size // 168 + 1)
    np.maximum.at(longest, busy[1:] // 168, np.diff(clock[busy]))
    return Rhythm(expected, float(np.sort(longest)[-2]))


def _per_slot(table: NDArray[np.float64], slots: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean per hour of the week, each leaning on the same hour of its working days or its weekends."""
    kind = np.where(np.arange(168) // 24 > FRIDAY, 24, 0) + np.arange(168) % 24
    alike = np.bincount(kind[slots], table, 48) / np.maximum(np.bincount(kind[slots], minlength=48), 1)
    seen, visits = np.bincount(slots, table, 168), np.bincount(slots, minlength=168)
    return np.asarray((seen + alike[kind]) / (visits + 1.0))


def _by_rhythm(
    feed: FeedFacts, rhythm: Rhythm, last: datetime, now: datetime, market: Market
) -> tuple[timedelta, bool]:
    """(the silence that is usual from its last article on, is this one longer?)."""
    allowed = max(BEYOND * rhythm.longest, LEAST_WORTH)
    at = last.timestamp() + 900.0 * np.arange(1, 4 * 24 * 14, dtype=np.float64)
    worth = np.cumsum(rhythm.expected[calendar.slots(at, market)]) / 4
    usual = timedelta(seconds=900.0 * (1 + int(np.searchsorted(worth, allowed))))
    usual = max(usual, 3 * feed.cadence, LEAST_SILENCE)
    return usual, now - last > usual


def _by_gaps(feed: FeedFacts, last: datetime, now: datetime) -> tuple[timedelta, bool]:
    usual = usual_gap(feed)
    return usual, _silence(feed, last, now) > usual


def usual_gap(feed: FeedFacts) -> timedelta:
    """Half as long again as the longest of its latest gaps, at least three of its cadences and an hour.

    Gaps that do not reach a week back know no weekend, and few of them no night: then a night passes for normal.
    """
    if len(feed.gaps) < GAPS_NEEDED:
        return max(UNKNOWN_SILENCE, 3 * feed.cadence)
    least = LEAST_SILENCE if _knows_a_week(feed) else A_NIGHT
    return max(1.5 * max(feed.gaps), 3 * feed.cadence, least)


def _knows_a_week(feed: FeedFacts) -> bool:
    return sum(feed.gaps, timedelta(0)) >= timedelta(days=7)


def _silence(feed: FeedFacts, last: datetime, now: datetime) -> timedelta:
    """How long it has been silent; weekends pass unnoticed where its gaps know none."""
    if _knows_a_week(feed):
        return now - last
    hours = int((now - last).total_seconds() // 3600)
    working = sum((last + timedelta(hours=hour)).weekday() <= FRIDAY for hour in range(min(hours, 24 * 14)))
    return timedelta(hours=working)


def missing(silent: Sequence[SilentFeed], backlog: Backlog, now: datetime) -> tuple[str, ...]:
    """What holds back all-clears, alarms on the share alone, and learning; in words."""
    # What never was there is no part of what is normal.
    lasted = {one.name: now - one.since for one in silent if one.since is not None}
    out = [f"{name} is silent since {_ago(length)}" for name, length in lasted.items() if length < GIVEN_UP]
    if len(out) > 3:
        out = [*out[:3], f"{len(out) - 3} more feeds are silent"]
    if backlog.behind is not None:
        out.append(f"workers are {_ago(backlog.behind)} behind, {backlog.messages:,} messages wait")
    return tuple(out)


def _ago(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    if hours < 2:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def last_final(backlog: Backlog, now: datetime) -> datetime:
    """The start of the newest bucket that is final: every partition with lag has passed it, or it is six hours old."""
    reached = [one.reached.counted_at if one.reached else now - LATE for one in backlog.waiting.values()]
    return bucket_of(max(min([now - GRACE, *reached]), now - LATE)) - BUCKET
