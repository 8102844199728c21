"""Counts over time -> what a chart says about them: the usual course, its band, and where the level changed.

Pure, and for the eye: what rings is decided in monitor.alerts, bucket by bucket; a chart may look back with hindsight.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import ruptures
from numpy.typing import NDArray
from scipy import stats

from monitor.alerts import calendar
from monitor.alerts.calendar import Market

Array = NDArray[np.float64]

CLIP_SPREADS = 4.0
VISITS_TO_TRUST = 3.0
"""An hour of the week seen so often counts as much as the day's hours together say."""
LARGEST_EXTRA_VARIANCE = 4.0
MEDIAN_OF_CHI_SQUARE = 0.455
LONGEST_FOR_CHANGES = 3000


class Usual(NamedTuple):
    """What is usual at each step: its expectation, and the band in which nine of ten steps lie."""

    expected: Array
    low: Array
    high: Array


class Change(NamedTuple):
    """A lasting change of level: `at` is the first step of the new one."""

    at: datetime
    before: float
    after: float

    @property
    def times(self) -> float:
        """How many times the level before; a level of nothing counts as half a story."""
        return (self.after + 0.5) / (self.before + 0.5)


def usual(at: Sequence[datetime], counts: Sequence[float], zone: str = "UTC") -> Usual:
    """The course that the same hours of other days and weeks suggest, with surges clipped away."""
    values = np.asarray(counts, dtype=np.float64)
    slots = calendar.slots(np.array([one.timestamp() for one in at]), Market(name=zone, zone=zone))
    clipped = values
    for _ in range(4):
        expected = _by_slot(clipped, slots)
        extra = _extra_variance(clipped, expected)
        spread = np.sqrt(expected + extra * expected**2)
        clipped = np.minimum(values, expected + CLIP_SPREADS * spread + 1.0)
    size = 1.0 / max(extra, 1e-3)
    quantile = stats.nbinom(size, size / (size + np.maximum(expected, 1e-6)))
    return Usual(expected, np.asarray(quantile.ppf(0.05)), np.asarray(quantile.ppf(0.95)))


def seasonality(at: Sequence[datetime], counts: Sequence[float], zone: str = "UTC") -> Array:
    """168 factors around 1, Monday 00:00 first: how busy each hour of the week is."""
    values = np.asarray(counts, dtype=np.float64)
    slots = calendar.slots(np.array([one.timestamp() for one in at]), Market(name=zone, zone=zone))
    table = np.zeros(168)
    expected = _by_slot(values, slots)
    np.put(table, slots, expected)
    known = np.isin(np.arange(168), slots)
    mean = table[known].mean() if known.any() else 0.0
    return np.where(known, table / mean, 1.0) if mean > 0 else np.ones(168)


def changes(at: Sequence[datetime], counts: Sequence[float], shortest: int = 7) -> list[Change]:
    """Where the level changed for good (at least `shortest` steps), by PELT on variance-stabilised counts.

    The penalty is twice the logarithm of the number of steps, in units of the noise between neighbours. Longer series
    than LONGEST_FOR_CHANGES are looked at from their end.
    """
    at, counts = at[-LONGEST_FOR_CHANGES:], counts[-LONGEST_FOR_CHANGES:]
    values = np.asarray(counts, dtype=np.float64)
    if len(values) < 2 * shortest:
        return []
    steady = 2.0 * np.sqrt(values + 0.375)
    noise = max(1.0, float(np.median(np.abs(np.diff(steady)))) / 0.954)
    search = ruptures.Pelt(model="l2", min_size=shortest, jump=1).fit((steady / noise)[:, None])
    ends = search.predict(pen=2.0 * np.log(len(values)) + 2.0)
    bounds = [0, *ends]
    levels = [float(values[a:b].mean()) for a, b in pairwise(bounds)]
    starts = [at[one].astimezone(UTC) for one in ends[:-1]]
    return [Change(start, *pair) for start, pair in zip(starts, pairwise(levels), strict=True)]


def _by_slot(values: Array, slots: NDArray[np.intp]) -> Array:
    """Mean per hour of the week, shrunk to the hour of the day, shrunk to the mean."""
    overall = values.mean() if len(values) else 0.0
    hour = _shrunk(values, slots % 24, np.full(24, overall))
    return _shrunk(values, slots, np.tile(hour, 7))[slots]


def _shrunk(values: Array, key: NDArray[np.intp], prior: Array) -> Array:
    total = np.bincount(key, weights=values, minlength=len(prior))
    visits = np.bincount(key, minlength=len(prior))
    return np.asarray((total + VISITS_TO_TRUST * prior) / (visits + VISITS_TO_TRUST))


def _extra_variance(values: Array, expected: Array) -> float:
    """Relative variance beyond Poisson, by the median of squared residuals, which a surge cannot move."""
    if not expected.any():
        return 0.0
    over = float(np.median((values - expected) ** 2 / np.maximum(expected, 1e-6))) / MEDIAN_OF_CHI_SQUARE
    return float(np.clip((over - 1.0) / expected.mean(), 0.0, LARGEST_EXTRA_VARIANCE))
