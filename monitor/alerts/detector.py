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
from monitor.alerts import onset, tail, windows
from monitor.alerts.readings import Reading

Array = NDArray[np.float64]

BLOCK = 12
"""Buckets between refreshes of what is known: an hour of five-minute buckets."""
LEARNING_S = 2 * 86400.0
LEARNING_BUCKETS = 14
"""Two days and nights, or two weeks of days: before that nothing can be called unusual."""
ALWAYS_NEGATIVE = 0.95
"""Where the usual share is at least this, a share cannot rise: only the count is tested."""
DISPERSION_PRIOR = 0.1
DISPERSION_PRIOR_PRECISION = 4.0
CLIP_SPREADS = 6.0
CLIP_SPREADS_ALARMED = 1.0
"""Learning clips a bucket at so many spreads above normal; while the scope is alarmed, at fewer."""
ALARMED_SEVERITY = 0.5
DISPERSION_CLIP = 100.0
CLIP_SHORT = 1e9
UNUSUAL_SEVERITY = 4.0
CLIP_WIDE = 8.0
FORGET_EXCURSION_S = 2 * 3600.0
ELEVATED_STORIES = 4.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the statistics say, refreshed per block."""

    normal: base.Normal
    dispersion: Array
    """(2, W, S): of counts, of shares."""
    log_rate: Array
    """(S, K)"""


@dataclass(frozen=True, slots=True)
class Bank:
    """The state of many scopes: plain arrays, one row (or column) per scope."""

    scopes: tuple[str, ...]
    bucket_s: float
    parent: NDArray[np.intp]
    """(S,) row of the scope this one is shrunk to; -1 for none."""
    at: float
    """Start of the last bucket taken in, seconds since 1970."""
    baseline: base.Baseline
    sums: windows.Sums
    spread: Array
    """(2, 2, W, S) sums for the dispersion: (count | share, numerator | denominator)."""
    tail: tail.Tail
    onset: onset.Onset
    quiet_s: Array
    """(S,) seconds since a bucket was last elevated."""
    known: Known

    def row(self, scope: str) -> int:
        return self.scopes.index(scope)


@dataclass(frozen=True, slots=True)
class Block:
    """The next buckets of all scopes of a bank: (S, T) arrays, `at` (T,) their starts. NaN in `total`: unknown."""

    at: Array
    slots: NDArray[np.intp]
    """(T,) hour of the week, as monitor.alerts.calendar gives it."""
    negative: Array
    total: Array
    learn: bool = True
    """False while data are incomplete: such buckets are judged, but nothing is learned from them."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What `advance` saw, (S, T) each."""

    severity: Array
    by_share: NDArray[np.bool_]
    volume_only: NDArray[np.bool_]
    elevated: NDArray[np.bool_]
    expected: Array
    seen: Array
    since: Array
    recent_expected: Array
    recent_seen: Array
    learning_days: Array


def advance(bank: Bank, block: Block) -> tuple[Bank, Surface]:
    """Judge the next buckets, in order, none twice. The readings depend on nothing later than themselves."""
    index = np.floor(block.at / (BLOCK * bank.bucket_s)).astype(np.int64)
    cuts = np.flatnonzero(np.diff(index)) + 1
    surfaces = []
    for part in np.split(np.arange(len(block.at)), cuts):
        if index[part[0]] != np.floor(bank.at / (BLOCK * bank.bucket_s)):
            bank = refresh(bank)
        piece = Block(block.at[part], block.slots[part], block.negative[:, part], block.total[:, part], block.learn)
        bank, surface = _take_in(bank, piece)
        surfaces.append(surface)
    if len(surfaces) == 1:
        return bank, surfaces[0]
    columns = (np.concatenate([getattr(s, name) for s in surfaces], axis=1) for name in Surface.__slots__)
    return bank, Surface(*columns)


def new_bank(scopes: Sequence[str], bucket_s: float, parent: Sequence[int] | None = None) -> Bank:
    """A bank that knows nothing yet. `parent`: per scope the row it is shrunk to, -1 for none."""
    count = len(scopes)
    over = np.full(count, -1, np.intp) if parent is None else np.asarray(parent, np.intp)
    width = len(windows.lengths(bucket_s))
    learned = base.unlearned(count)
    watched = tail.unwatched(count)
    spread = np.zeros((2, 2, width, count))
    return Bank(
        scopes=tuple(scopes),
        bucket_s=bucket_s,
        parent=over,
        at=-np.inf,
        baseline=learned,
        sums=windows.empty(count, bucket_s),
        spread=spread,
        tail=watched,
        onset=onset.nothing(count),
        quiet_s=np.zeros(count),
        known=_know(learned, spread, watched, over, bucket_s),
    )


def refresh(bank: Bank) -> Bank:
    """Turn statistics into knowledge, and let windows forget excursions that are over."""
    known = _know(bank.baseline, bank.spread, bank.tail, bank.parent, bank.bucket_s)
    over = bank.quiet_s >= max(FORGET_EXCURSION_S, bank.bucket_s)
    sums = windows.forget(bank.sums, known.dispersion, over)
    return replace(bank, known=known, sums=sums, onset=onset.restart(bank.onset, over))


def _know(
    baseline: base.Baseline, spread: Array, watched: tail.Tail, parent: NDArray[np.intp], bucket_s: float
) -> Known:
    lengths = windows.lengths(bucket_s)[None, :, None]
    trust = DISPERSION_PRIOR_PRECISION * lengths
    dispersion = np.clip((spread[:, 0] + DISPERSION_PRIOR * trust) / (spread[:, 1] + trust), 0.003, 25.0)
    hour = min(1, dispersion.shape[1] - 1)
    normal = base.normal(
        baseline, dispersion[0, hour], max(1.0, 3600.0 / bucket_s), parent if (parent >= 0).any() else None
    )
    return Known(normal, dispersion, tail.log_rates(watched))


def _take_in(bank: Bank, block: Block) -> tuple[Bank, Surface]:
    normal, known = bank.known.normal, np.isfinite(block.total) & np.isfinite(block.negative)
    total = np.where(known, block.total, 0.0)
    negative = np.where(known, block.negative, 0.0)
    mean = base.expected(normal, block.slots) * known
    usual = normal.share[:, None] * total
    sums, rolled = windows.roll(
        bank.sums,
        np.stack(
            [
                _clipped(bank, negative, mean, CLIP_SHORT),
                mean,
                _clipped(bank, negative, usual, CLIP_SHORT),
                usual,
                total,
            ]
        ),
        np.stack(
            [_clipped(bank, negative, mean, CLIP_WIDE), mean, _clipped(bank, negative, usual, CLIP_WIDE), usual, total]
        ),
        bank.bucket_s,
    )
    evidence = _evidence(bank, rolled)
    surface, trail = _surface(bank, block, rolled, evidence, (negative, mean, usual))
    strongest = evidence.max(axis=(0, 1))
    awake = bank.baseline.buckets * bank.bucket_s >= LEARNING_S / 2
    learn: Array = (known & block.learn).astype(np.float64)
    after = replace(
        bank,
        at=float(block.at[-1]),
        sums=sums,
        onset=trail,
        tail=tail.count(bank.tail, np.where(awake[:, None], strongest, 0.0), learn * awake[:, None], bank.bucket_s),
        quiet_s=_quiet(bank.quiet_s, surface.elevated, bank.bucket_s),
        spread=_spread(bank, rolled, learn * (surface.severity < UNUSUAL_SEVERITY)),
        baseline=_learn(bank, block, surface.severity, (negative, mean, total, usual), learn),
    )
    return after, surface


def _evidence(bank: Bank, rolled: Array) -> Array:
    """(2, W, S, T) nats: by count, by share."""
    doubt = bank.known.normal.doubt
    mean = np.maximum(rolled[:, 1], 1e-9)
    spread = bank.known.dispersion[0][..., None] * _typical(bank, rolled) / mean + doubt[:, None]
    by_count = windows.count_evidence(rolled[:, 0], mean, spread)
    by_share = windows.share_evidence(
        rolled[:, 2], rolled[:, 3], rolled[:, 4], (bank.known.dispersion[1] + doubt)[..., None]
    )
    testable = (bank.known.normal.share < ALWAYS_NEGATIVE) & (bank.baseline.share_total > 0)
    return np.stack([by_count, by_share * testable[None, :, None]])


def _typical(bank: Bank, rolled: Array) -> Array:
    """(W, S, T) what a window would hold in an average hour. Extra variance grows with the mean, not its square: real
    streams are as bursty by night as by day only in absolute terms.
    """
    average = bank.known.normal.level[:, None] * windows.full(bank.bucket_s)[:, None, None]
    return np.asarray(np.clip(average, rolled[:, 1] / 8.0, rolled[:, 1] * 8.0 + 1e-9))


def _clipped(bank: Bank, negative: Array, mean: Array, spreads: float) -> Array:
    relative = (bank.known.dispersion[0, 0] + bank.known.normal.doubt)[:, None]
    return np.asarray(np.minimum(negative, mean + spreads * np.sqrt(mean + relative * mean**2) + 2.0))


def _quiet(quiet_s: Array, elevated: NDArray[np.bool_], bucket_s: float) -> Array:
    since_last = np.argmax(elevated[:, ::-1], axis=1) * bucket_s
    return np.asarray(np.where(elevated.any(axis=1), since_last, quiet_s + elevated.shape[1] * bucket_s))


def _spread(bank: Bank, rolled: Array, learn: Array) -> Array:
    """Add a block to the sums from which the extra variance is estimated, each look weighted by what it can tell."""
    normal = bank.known.normal
    kept = (0.5 ** (bank.bucket_s * learn.sum(1) / base.LEVEL_HALF_LIFE_S))[None, None, None]
    after: Array = bank.spread * kept
    counts = (rolled[:, 0], rolled[:, 1], rolled[:, 1], _typical(bank, rolled))
    shares = (rolled[:, 2], rolled[:, 3], _binomial(rolled, normal), rolled[:, 3])
    for channel, (seen, mean, variance, typical) in enumerate((counts, shares)):
        mean = np.maximum(mean, 1e-9)
        phi = np.maximum(DISPERSION_PRIOR, bank.spread[channel, 0] / np.maximum(bank.spread[channel, 1], 1e-9))
        extra = np.minimum(phi, 25.0)[..., None] * mean * typical
        off = np.minimum((seen - mean) ** 2, DISPERSION_CLIP * (variance + extra))
        weight = mean / (1.0 + 2.0 * mean) * learn
        after[channel, 0] += (weight * (off - variance)).sum(-1)
        after[channel, 1] += (weight * mean * typical).sum(-1)
    return after


def _binomial(rolled: Array, normal: base.Normal) -> Array:
    return np.asarray(rolled[:, 3] * (1.0 - np.minimum(normal.share, 0.999))[None, :, None])


def _learn(
    bank: Bank, block: Block, severity: Array, counts: tuple[Array, Array, Array, Array], learn: Array
) -> base.Baseline:
    negative, mean, total, usual = counts
    young = (bank.baseline.buckets * bank.bucket_s < LEARNING_S / 2)[:, None]
    spreads = np.where((severity >= ALARMED_SEVERITY) & ~young, CLIP_SPREADS_ALARMED, CLIP_SPREADS)
    relative = (bank.known.dispersion[0, 0] + bank.known.normal.doubt)[:, None]
    cap = mean + spreads * np.sqrt(mean + relative * mean**2) + 1.0
    first = (bank.baseline.buckets == 0)[:, None]
    cap = np.where(first, 3.0 * np.median(negative, axis=1, keepdims=True) + 5.0, cap)
    share_cap = usual + 3.0 * np.sqrt(usual) + 1.0
    return base.learn(
        bank.baseline,
        bank.known.normal,
        block.slots,
        learn,
        np.minimum(negative, cap),
        np.where(first, negative, np.minimum(negative, share_cap)),
        total,
        bucket_s=bank.bucket_s,
    )


def _surface(
    bank: Bank, block: Block, rolled: Array, evidence: Array, counts: tuple[Array, Array, Array]
) -> tuple[Surface, onset.Onset]:
    negative, mean, usual = counts
    width = evidence.shape[1]
    flat = evidence.reshape(2 * width, *evidence.shape[2:])
    winner = flat.argmax(axis=0)
    by_share, window = winner >= width, winner % width
    strongest = np.take_along_axis(flat, winner[None], axis=0)[0]
    seen = np.where(by_share[None], rolled[:, 2], rolled[:, 0])
    normal = np.maximum(np.where(by_share[None], rolled[:, 3], rolled[:, 1]), 1e-9)
    ratio = np.take_along_axis(seen / normal, window[None], axis=0)[0]
    after, trail = onset.follow(bank.onset, block.at, negative, mean, usual, bank.known.normal.share)
    since, expected, so_far = onset.best(trail, by_share, ratio)
    recent = min(1, width - 1)
    scale = 2.0 - 1.0 / windows.lengths(bank.bucket_s)[recent]
    share_ratio = np.take_along_axis(rolled[:, 2] / np.maximum(rolled[:, 3], 1e-9), window[None], axis=0)[0]
    testable = (bank.known.normal.share < ALWAYS_NEGATIVE)[:, None]
    shape = strongest.shape
    surface = Surface(
        severity=tail.severity(bank.known.log_rate, strongest),
        by_share=by_share,
        volume_only=~by_share & testable & (share_ratio < 1.1),
        elevated=_elevated(seen, normal, window, ratio) & (strongest >= 1.0),
        expected=expected,
        seen=so_far,
        since=np.where(so_far > 0, since, block.at[None]),
        recent_expected=rolled[recent, 1] / scale,
        recent_seen=rolled[recent, 0] / scale,
        learning_days=np.broadcast_to(_learning_days(bank)[:, None], shape),
    )
    return surface, after


def _learning_days(bank: Bank) -> Array:
    needed = max(LEARNING_S, LEARNING_BUCKETS * bank.bucket_s)
    return np.maximum(0.0, needed - bank.baseline.buckets * bank.bucket_s) / 86400.0


def _elevated(seen: Array, normal: Array, window: NDArray[np.intp], ratio: Array) -> NDArray[np.bool_]:
    """Is it still going on? Asked of the shortest window in which a rise like this one would show."""
    shows = (ratio[None] * normal >= ELEVATED_STORIES) & (np.arange(len(seen))[:, None, None] <= window[None])
    asked = np.where(shows.any(axis=0), shows.argmax(axis=0), window)[None]
    now = np.take_along_axis(seen, asked, axis=0)[0]
    usual = np.take_along_axis(normal, asked, axis=0)[0]
    return np.asarray((now > usual * np.sqrt(ratio)) & (ratio > 1.0))


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
        reason="share" if surface.by_share[here] else "count",
        volume_only=bool(surface.volume_only[here]),
        elevated=bool(surface.elevated[here]),
        recent_expected=float(surface.recent_expected[here]),
        recent_seen=float(surface.recent_seen[here]),
        learning_days=float(surface.learning_days[here]),
        complete=complete,
    )
