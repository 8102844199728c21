"""What rules would have done over a stored past: counts -> readings -> episodes, by production's own machine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector
from monitor.alerts.readings import Reading
from monitor.alerts.state import REARM, EpisodeState, Levels, step
from monitor.types import Count, bucket_of

Track = Sequence[Reading]
"""The readings of one scope that could matter to an episode, in order of time."""
CHUNK = 288
"""Buckets judged at once: a day of five-minute buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEpisode:
    """An episode that a rule would have had. `end` is None where it still runs at the end of the past."""

    scope: str
    start: datetime
    detected: datetime
    end: datetime | None
    severity: float
    peak: float
    expected: float
    seen: int
    reason: str
    volume_only: bool
    worse: int
    """How often it would have been told again because it grew or came back."""


def backtest_counts(
    counts: Mapping[str, Iterable[Count]],
    levels: Levels,
    *,
    since: datetime,
    until: datetime,
    bucket: timedelta = timedelta(minutes=5),
    parent: Mapping[str, str] | None = None,
    is_backed: Callable[[Reading], bool] = lambda _: True,
) -> list[PastEpisode]:
    """Every episode of every scope between `since` and `until`, in order of detection.

    `counts` holds each scope's buckets, in any order, kinds to be added up; a bucket without a Count had no story.
    `parent` names the scope that a young or sparse one is shrunk to. `is_backed` says of the reading that would open
    an episode whether the stories suffice (their number, their publishers).
    """
    bank, blocks = blocks_of(counts, since=since, until=until, bucket=bucket, parent=parent or {})
    tracks = replay(bank, blocks, levels.open)
    found = [one for track in tracks.values() for one in episodes(track, levels, is_backed)]
    return sorted(found, key=lambda one: (one.detected, one.scope))


def blocks_of(
    counts: Mapping[str, Iterable[Count]],
    *,
    since: datetime,
    until: datetime,
    bucket: timedelta,
    parent: Mapping[str, str],
) -> tuple[detector.Bank, Iterator[detector.Block]]:
    """A bank that knows nothing, and the past as blocks of a day."""
    row = {scope: number for number, scope in enumerate(counts)}
    bucket_s = bucket.total_seconds()
    over = [row.get(parent.get(scope, ""), -1) for scope in counts]
    size = max(0, round((until - since) / bucket))
    at = bucket_of(since, bucket).timestamp() + bucket_s * np.arange(size, dtype=np.float64)
    entries = _entries(counts, row, float(at[0]) if size else 0.0, bucket_s)
    return detector.new_bank(tuple(counts), bucket_s, over), _cut(entries, at, len(row))


def _entries(
    counts: Mapping[str, Iterable[Count]], row: Mapping[str, int], first: float, bucket_s: float
) -> NDArray[np.int64]:
    """(N, 4): column, row, negative, total, in order of time."""
    table = [
        (int((one.at.timestamp() - first) // bucket_s), row[scope], one.negative, one.total)
        for scope, ones in counts.items()
        for one in ones
    ]
    entries = np.array(table, dtype=np.int64).reshape(-1, 4)
    return entries[np.argsort(entries[:, 0], kind="stable")]


def _cut(entries: NDArray[np.int64], at: NDArray[np.float64], scopes: int) -> Iterator[detector.Block]:
    for begin in range(0, len(at), CHUNK):
        moments = at[begin : begin + CHUNK]
        low, high = np.searchsorted(entries[:, 0], (begin, begin + len(moments)))
        part = entries[low:high]
        negative, total = np.zeros((scopes, len(moments))), np.zeros((scopes, len(moments)))
        np.add.at(negative, (part[:, 1], part[:, 0] - begin), part[:, 2])
        np.add.at(total, (part[:, 1], part[:, 0] - begin), part[:, 3])
        yield detector.Block(moments, calendar.slots(moments), negative, total)


def replay(bank: detector.Bank, blocks: Iterable[detector.Block], floor: float) -> dict[str, list[Reading]]:
    """Per scope, the readings from each one at `floor` severity or above until the episode it may open is forgotten."""
    tracks: dict[str, list[Reading]] = {scope: [] for scope in bank.scopes}
    watched_until = np.full(len(bank.scopes), -np.inf)
    tail_s = (REARM + 2 * timedelta(hours=2)).total_seconds()
    for block in blocks:
        bank, surface = detector.advance(bank, block)
        candidates = (surface.severity >= floor) & surface.elevated & (surface.learning_days <= 0)
        for row in np.flatnonzero(candidates.any(axis=1) | (watched_until >= block.at[0])):
            for column, at in enumerate(block.at.tolist()):
                if candidates[row, column]:
                    watched_until[row] = at + tail_s
                if at <= watched_until[row]:
                    tracks[bank.scopes[row]] += detector.readings(bank, block, surface, column, [int(row)])
    return {scope: track for scope, track in tracks.items() if track}


def episodes(
    track: Track, levels: Levels, is_backed: Callable[[Reading], bool] = lambda _: True
) -> Iterator[PastEpisode]:
    """The episodes of one scope's track; one that its stories do not back never opens."""
    state = EpisodeState(scope=track[0].scope) if track else EpisodeState(scope="")
    worse = 0
    for reading in track:
        after, change = step(state, reading, levels)
        opens = change is not None and change.change in ("opened", "reopened")
        if opens and not is_backed(reading):
            continue
        if change and change.change == "opened":
            if state.start:
                yield _past(state, worse)
            worse = 0
        elif change and change.change in ("grew", "reopened"):
            worse += 1
        if change and change.change == "forgotten" and state.start:
            yield _past(state, worse)
        state = after
    if state.start:
        yield _past(state, worse)


def _past(state: EpisodeState, worse: int) -> PastEpisode:
    unknown = datetime.fromtimestamp(0, UTC)
    return PastEpisode(
        scope=state.scope,
        start=state.start or unknown,
        detected=state.detected or unknown,
        end=None if state.is_running else state.last_elevated,
        severity=state.severity,
        peak=state.peak,
        expected=state.expected,
        seen=state.seen,
        reason=state.reason,
        volume_only=state.volume_only,
        worse=worse,
    )
