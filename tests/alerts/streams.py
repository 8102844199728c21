"""Count streams with known truth for the detector's tests and benchmarks. Seeded; no clock."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector
from monitor.alerts.calendar import EVERYWHERE, Market
from monitor.alerts.state import EpisodeState, Levels, Transition, step

Array = NDArray[np.float64]
MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()


def moments(weeks: float, bucket_s: float = 300.0, first: float = MONDAY) -> Array:
    return first + bucket_s * np.arange(round(weeks * 604800 / bucket_s), dtype=np.float64)


def rhythm(at: Array, market: Market = EVERYWHERE) -> Array:
    """Busy at 14:00, half asleep at night, slow at weekends; mean about 1."""
    slot = calendar.slots(at, market)
    return np.asarray((1 + 0.6 * np.cos(2 * np.pi * (slot % 24 - 14) / 24)) * np.where(slot // 24 >= 5, 0.6, 1.0))


def draw(seed: int, mean: Array, size: float = 10.0) -> Array:
    """Over-dispersed counts: negative binomial of the given size."""
    generator = np.random.default_rng(seed)
    return generator.poisson(generator.gamma(size, mean / size)).astype(np.float64)


def block_of(at: Array, negative: Array, total: Array, market: Market = EVERYWHERE) -> detector.Block:
    """One scope's block."""
    return detector.Block(at, calendar.slots(at, market), negative[None], total[None])


def run(
    block: detector.Block, levels: Levels, bank: detector.Bank | None = None
) -> tuple[detector.Bank, detector.Surface, list[Transition]]:
    """One scope through detector and state machine."""
    before = bank or detector.new_bank(("all",), float(np.diff(block.at[:2])[0]))
    after, surface = detector.advance(before, block)
    state, changes = EpisodeState(scope="all"), []
    for column in range(len(block.at)):
        (reading,) = detector.readings(after, block, surface, column, [0])
        state, change = step(state, reading, levels)
        changes += [change] if change else []
    return after, surface, changes


def opened(changes: list[Transition]) -> list[datetime]:
    return [one.reading.at for one in changes if one.change == "opened"]
