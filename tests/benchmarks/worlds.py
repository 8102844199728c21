"""Simulated scopes with known truth: seasonal negative binomial counts, with surges injected or without. Seeded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector
from tests.alerts.streams import moments

Array = NDArray[np.float64]
BUCKET_S = 300.0
HOUR = 12
DAY = 288
FIRST_SURGE = 14 * DAY


class Surge(NamedTuple):
    first: int
    last: int
    ratio: float
    is_slow: bool


class World(NamedTuple):
    at: Array
    negative: Array
    total: Array
    mean: Array
    """(S, T) of the negatives, without surges."""
    size: Array
    """(S,) of the negative binomial."""
    surges: list[list[Surge]]

    @property
    def weeks(self) -> float:
        return len(self.at) / (7 * DAY)

    def since_surges(self) -> World:
        """Without its first two weeks, which have none: how often surges come is then the same all along."""
        surges = [
            [one._replace(first=one.first - FIRST_SURGE, last=one.last - FIRST_SURGE) for one in row]
            for row in self.surges
        ]
        rest = (getattr(self, name)[..., FIRST_SURGE:] for name in ("at", "negative", "total", "mean"))
        return World(*rest, self.size, surges)

    def block(self) -> detector.Block:
        return detector.Block(self.at, calendar.slots(self.at), self.negative, self.total)

    def bank(self) -> detector.Bank:
        return detector.new_bank(tuple(f"company:{number}" for number in range(len(self.mean))), BUCKET_S)


def world(seed: int, scopes: int = 50, weeks: float = 26, *, with_surges: bool) -> World:
    """Levels from 2 stories a day to 10 in five minutes; each with its own rhythm, share and over-dispersion.

    The same seed gives the same scopes with surges and without: negatives rise 2 to 10 times for 15 minutes to 3 days,
    at once or slowly, about every third week.
    """
    generator = np.random.default_rng(seed)
    at = moments(weeks)
    slots = calendar.slots(at)
    level = np.exp(generator.uniform(np.log(0.03), np.log(10), scopes))
    swing, peak = generator.uniform(0.3, 0.9, scopes), generator.uniform(10, 18, scopes)
    weekend, share = generator.uniform(0.3, 1, scopes), generator.uniform(0.15, 0.5, scopes)
    size = np.exp(generator.uniform(np.log(2), np.log(30), scopes))
    day = 1 + swing[:, None] * np.cos(2 * np.pi * (slots[None] % 24 - peak[:, None]) / 24)
    total = level[:, None] * day * np.where(slots[None] // 24 >= 5, weekend[:, None], 1.0)
    mean = total * share[:, None]
    rise = np.ones_like(mean)
    surges = [_surges(generator, rise[row]) if with_surges else [] for row in range(scopes)]
    negative = generator.poisson(generator.gamma(size[:, None], mean * rise / size[:, None])).astype(np.float64)
    return World(at, negative, negative + generator.poisson(total - mean), mean, size, surges)


def _surges(generator: np.random.Generator, rise: Array) -> list[Surge]:
    found, at = [], FIRST_SURGE
    while True:
        at += int(generator.exponential(3 * 7 * DAY)) + 4 * DAY
        length = int(np.exp(generator.uniform(np.log(3), np.log(3 * DAY))))
        if at + length >= len(rise) - HOUR:
            return found
        ratio, is_slow = float(np.exp(generator.uniform(np.log(2), np.log(10)))), bool(generator.random() < 0.5)
        ramp = np.minimum(1.0, (np.arange(length) + 1) / max(1, length / 2)) if is_slow else np.ones(length)
        rise[at : at + length] = 1 + (ratio - 1) * ramp
        found.append(Surge(at, at + length - 1, ratio, is_slow))
        at += length
