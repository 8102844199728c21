"""Counts -> Readings: how rare is what each scope shows, against its own past. Pure, incremental, all scopes at once.

    baseline   what this hour of the week usually brings        (level x season, robust, shrunk)
    windows    how far 15 minutes ... 2 days lie above it       (evidence in nats, count and share)
    tail       how often this scope shows such evidence anyway  (severity: log10 of "once in N weeks")
    onset      since when                                       (cumulative sums)

`advance` takes a bank of scopes and the next buckets, and returns the bank after them and what it saw; it changes
nothing in place, so buckets that are not final yet can be evaluated from the last final bank as often as one likes.
What it knows is refreshed when a block of twelve buckets is full, so any cutting of the stream gives the same readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import baseline as base
from monitor.alerts import learning, onset, tail, verdict, windows
from monitor.alerts.bank import BLOCK, refresh
from monitor.alerts.bank import Bank as Bank
from monitor.alerts.bank import new_bank as new_bank
from monitor.alerts.readings import Reading
from monitor.alerts.verdict import Surface as Surface

Array = NDArray[np.float64]

LEARNING_S = 2 * 86400.0
LEARNING_BUCKETS = 14
"""Two days and nights, or two weeks of days: before that nothing can be called unusual."""
WIDE_CLIP_SPREADS = 8.0
"""In windows of hours and days a single bucket counts at most so many spreads: they are there for what lasts."""


@dataclass(frozen=True, slots=True)
class Block:
    """The next buckets of all scopes of a bank: (S, T) arrays, `at` (T,) their starts. NaN in `total`: unknown."""

    at: Array
    slots: NDArray[np.intp]
    """(T,) hour of the week as monitor.alerts.calendar gives it, or (S, T), each scope by its own market."""
    negative: Array
    total: Array
    learn: bool = True
    """False while data are incomplete: such buckets are judged, but nothing is learned from them."""


def advance(bank: Bank, block: Block) -> tuple[Bank, Surface]:
    """Judge the next buckets, in order, none twice. The readings depend on nothing later than themselves."""
    index = np.floor(block.at / (BLOCK * bank.bucket_s)).astype(np.int64)
    cuts = np.flatnonzero(np.diff(index)) + 1
    slots = np.broadcast_to(block.slots, block.total.shape)
    surfaces = []
    for part in np.split(np.arange(len(block.at)), cuts):
        if index[part[0]] != np.floor(bank.at / (BLOCK * bank.bucket_s)):
            bank = refresh(bank, float(block.at[part[0]]))
        piece = Block(block.at[part], slots[:, part], block.negative[:, part], block.total[:, part], block.learn)
        bank, surface = _take_in(bank, piece)
        surfaces.append(surface)
    if len(surfaces) == 1:
        return bank, surfaces[0]
    columns = (np.concatenate([getattr(s, name) for s in surfaces], axis=1) for name in Surface.__slots__)
    return bank, Surface(*columns)


def _take_in(bank: Bank, block: Block) -> tuple[Bank, Surface]:
    there = np.isfinite(block.total) & np.isfinite(block.negative)
    total, negative = (np.where(there, counts, 0.0) for counts in (block.total, block.negative))
    mean = base.expected(bank.known.normal, block.slots) * there
    usual = bank.known.normal.share[:, None] * total
    sums, rolled = windows.roll(
        bank.sums,
        np.stack([negative, mean, negative, usual, total]),
        np.stack([_capped(bank, negative, mean), mean, _capped(bank, negative, usual), usual, total]),
        bank.bucket_s,
    )
    teaches: Array = (there & block.learn).astype(np.float64)
    age_s = learning.seen_before(bank, teaches) * bank.bucket_s
    stretch, trail = onset.follow(bank.onset, block.at, negative, mean, usual, bank.known.normal.share)
    hour, hour_seen = windows.last_hour(bank.hour, negative)
    evidence = verdict.weigh(bank, rolled)
    surface = verdict.judge(bank, evidence, trail, block.at, hour_seen, _learning_days(age_s, bank.bucket_s))
    awake = age_s >= LEARNING_S / 2
    after = replace(
        bank,
        at=float(block.at[-1]),
        sums=sums,
        hour=hour,
        onset=stretch,
        tail=tail.count(bank.tail, evidence.nats.max(axis=(0, 1)) * awake, teaches * awake, bank.bucket_s),
        quiet_s=_quiet(bank.quiet_s, surface.elevated, bank.bucket_s),
        spread=learning.spread(
            bank, rolled, verdict.typical(bank, rolled), teaches * (surface.severity < learning.UNUSUAL_SEVERITY)
        ),
        baseline=learning.learn(bank, block.slots, surface.severity, (negative, mean, total, usual), teaches),
    )
    return after, surface


def _capped(bank: Bank, negative: Array, mean: Array) -> Array:
    return np.minimum(negative, learning.ceiling(bank, mean, WIDE_CLIP_SPREADS))


def _learning_days(age_s: Array, bucket_s: float) -> Array:
    needed = max(LEARNING_S, LEARNING_BUCKETS * bucket_s)
    return np.maximum(0.0, needed - age_s) / 86400.0


def _quiet(quiet_s: Array, elevated: NDArray[np.bool_], bucket_s: float) -> Array:
    since_last = np.argmax(elevated[:, ::-1], axis=1) * bucket_s
    return np.asarray(np.where(elevated.any(axis=1), since_last, quiet_s + elevated.shape[1] * bucket_s))


def readings(
    bank: Bank, block: Block, surface: Surface, column: int, rows: Sequence[int], *, complete: bool = True
) -> list[Reading]:
    """The readings of some scopes at one bucket of the block; ask only for those that matter."""
    return [_reading(bank, block, surface, row, column, complete) for row in rows]


def _reading(bank: Bank, block: Block, surface: Surface, row: int, column: int, complete: bool) -> Reading:
    here = (row, column)
    return Reading(
        scope=bank.scopes[row],
        at=datetime.fromtimestamp(float(block.at[column]), UTC),
        since=datetime.fromtimestamp(float(surface.since[here]), UTC),
        expected=float(surface.expected[here]),
        seen=round(float(surface.seen[here])),
        severity=float(surface.severity[here]),
        count_severity=float(surface.count_severity[here]),
        reason="share" if surface.by_share[here] else "count",
        volume_only=bool(surface.volume_only[here]),
        elevated=bool(surface.elevated[here]),
        recent_expected=float(surface.recent_expected[here]),
        recent_usual=float(surface.recent_usual[here]),
        recent_seen=float(surface.recent_seen[here]),
        hour_seen=round(float(surface.hour_seen[here])),
        learning_days=float(surface.learning_days[here]),
        complete=complete,
    )
