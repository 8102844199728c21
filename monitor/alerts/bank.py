"""The state of many scopes between buckets, and what is known from it. Owns the arrays; judges nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import baseline as base
from monitor.alerts import onset, tail, windows

Array = NDArray[np.float64]

BLOCK = 12
"""Buckets between refreshes of what is known: an hour of five-minute buckets."""
SEASON_S = 6 * 3600.0
"""The rhythm changes over weeks and costs most to learn: so often is enough."""
DISPERSION_PRIOR = 0.1
DISPERSION_PRIOR_PRECISION = 4.0
DISPERSION_RANGE = (0.003, 25.0)
FORGET_EXCURSION_S = 3600.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the statistics say, refreshed per block, the season four times a day."""

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
    hour: Array
    """(S, 11) negatives of the newest buckets, which the next one's hour holds too."""
    spread: Array
    """(2, 2, W, S) sums for the dispersion: (count | share, numerator | denominator)."""
    tail: tail.Tail
    onset: onset.Onset
    quiet_s: Array
    """(S,) seconds since a bucket was last elevated."""
    known: Known

    def row(self, scope: str) -> int:
        return self.scopes.index(scope)


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
        hour=windows.hour_before(count, bucket_s),
        spread=spread,
        tail=watched,
        onset=onset.nothing(count),
        quiet_s=np.zeros(count),
        known=know(learned, spread, watched, over, bucket_s),
    )


def refresh(bank: Bank, at: float) -> Bank:
    """Before the block that begins `at`: turn statistics into knowledge; windows forget excursions that are over."""
    if at // SEASON_S == bank.at // SEASON_S:
        dispersion = _dispersion(bank.spread, bank.bucket_s)
        known = Known(base.normal(bank.baseline, bank.known.normal.season), dispersion, tail.log_rates(bank.tail))
    else:
        known = know(bank.baseline, bank.spread, bank.tail, bank.parent, bank.bucket_s)
    over = bank.quiet_s >= max(FORGET_EXCURSION_S, bank.bucket_s)
    sums = windows.forget(bank.sums, known.dispersion, over)
    return replace(bank, known=known, sums=sums, onset=onset.restart(bank.onset, over))


def know(
    baseline: base.Baseline, spread: Array, watched: tail.Tail, parent: NDArray[np.intp], bucket_s: float
) -> Known:
    dispersion = _dispersion(spread, bucket_s)
    an_hour = dispersion[0, min(1, dispersion.shape[1] - 1)]
    per_hour = base.level(baseline) * max(1.0, 3600.0 / bucket_s)
    season = base.season(baseline, 1.0 + an_hour * per_hour, parent)
    return Known(base.normal(baseline, season), dispersion, tail.log_rates(watched))


def _dispersion(spread: Array, bucket_s: float) -> Array:
    trust = DISPERSION_PRIOR_PRECISION * windows.lengths(bucket_s)[None, :, None]
    return np.asarray(np.clip((spread[:, 0] + DISPERSION_PRIOR * trust) / (spread[:, 1] + trust), *DISPERSION_RANGE))
