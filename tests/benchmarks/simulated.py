"""Delay against false alarms on simulated scopes with known surges, beside rivals and an oracle. Prints a table.

python -m tests.benchmarks.simulated [SEED] [WEEKS]

A detection up to an hour after a surge's end still counts; an episode that touches no surge (nor the six hours after
one) is false. Delays are compared on the surges that the oracle finds at one false episode in ten scope-weeks.
"""

from __future__ import annotations

import os
import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar
from tests.benchmarks import rivals
from tests.benchmarks.replays import Stretches, alone
from tests.benchmarks.worlds import BUCKET_S, HOUR, Surge, World, world

RATE = 0.1
RATIOS = (2.0, 3.2, 5.0, 10.0)
AFTERGLOW = 6 * HOUR
GRACE = HOUR
BUDGETS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0)


class Outcome(NamedTuple):
    false_rate: float
    delays: NDArray[np.float64]
    """Minutes, one per surge in order; infinite where missed."""


def outcome(sky: World, found: Stretches) -> Outcome:
    false, delays = 0, []
    for surges, episodes in zip(sky.surges, found, strict=True):
        false += sum(not any(touches(one, surge) for surge in surges) for one in episodes)
        for surge in surges:
            hits = [at for at, _ in episodes if surge.first <= at <= surge.last + GRACE]
            delays.append((min(hits) - surge.first + 1) * BUCKET_S / 60 if hits else np.inf)
    return Outcome(false / (sky.weeks * len(found)), np.array(delays))


def touches(episode: tuple[int, int], surge: Surge) -> bool:
    detected, last = episode
    return detected <= surge.last + AFTERGLOW and last >= surge.first


def by_statistic(statistic: NDArray[np.float64], level: float) -> Stretches:
    hits = (rivals.per_episode(row >= level, AFTERGLOW) for row in statistic)
    return [[(at, at) for at in row] for row in hits]


def oracle(sky: World, calm: World) -> NDArray[np.float64]:
    """Delays of CUSUMs that know the rates and the surge's size (nearest of four), set to RATE on calm scopes."""
    levels = {ratio: _oracle_level(calm, ratio) for ratio in RATIOS}
    delays = []
    for row, surges in enumerate(sky.surges):
        for surge in surges:
            ratio = min(RATIOS, key=lambda one, surge=surge: abs(np.log(one / surge.ratio)))
            part = slice(surge.first, surge.last + GRACE + 1)
            steps = rivals.oracle(sky.negative[[row], part], sky.mean[[row], part], sky.size[[row]], ratio)
            hits = np.flatnonzero(rivals.cusum(steps, levels[ratio])[0])
            delays.append((hits[0] + 1) * BUCKET_S / 60 if len(hits) else np.inf)
    return np.array(delays)


def _oracle_level(calm: World, ratio: float) -> float:
    steps = rivals.oracle(calm.negative, calm.mean, calm.size, ratio)
    low, high = 1.0, 20.0
    for _ in range(9):
        level = (low + high) / 2
        rate = rivals.cusum(steps, level).sum() / (calm.weeks * len(calm.mean))
        low, high = (level, high) if rate > RATE else (low, level)
    return high


def show(name: str, one: Outcome, oracles: NDArray[np.float64]) -> None:
    seen = np.isfinite(oracles)
    median, best = np.median(one.delays[seen]), np.median(oracles[seen])
    found = np.isfinite(one.delays).mean()
    print(f"{name:<40} {one.false_rate:>10.3f} {found:>7.2f} {median:>9.0f} {median / best:>9.2f}", flush=True)


def main(seed: int, weeks: float) -> None:
    sky, calm = world(seed, weeks=weeks, with_surges=True), world(seed, weeks=weeks, with_surges=False)
    oracles = oracle(sky, calm)
    print(
        f"{len(sky.mean)} scopes x {weeks:g} weeks, {len(oracles)} surges, {os.cpu_count()} cores, "
        f"{time.strftime('%Y-%m-%d')}"
    )
    print(f"{'detector':<40} {'false/week':>10} {'found':>7} {'delay min':>9} {'x oracle':>9}")
    show("oracle that knows the rates", Outcome(RATE, oracles), oracles)
    for budget, found in alone(sky, BUDGETS).items():
        show(f"Tocsin, budget {budget:g}/week", outcome(sky, found), oracles)
    statistics = {
        "mean + sd": (rivals.mean_and_deviations(sky.negative, BUCKET_S), (3.0, 5.0, 8.0, 12.0)),
        "EARS C2": (rivals.ears_c2(sky.negative, BUCKET_S), (3.0, 5.0, 8.0, 12.0)),
        "seasonal NB": (rivals.seasonal_negative_binomial(sky.negative, calendar.slots(sky.at)), (3.0, 4.0, 5.0, 6.0)),
    }
    for name, (statistic, levels) in statistics.items():
        for level in levels:
            show(f"{name}, level {level:g}, per episode", outcome(sky, by_statistic(statistic, level)), oracles)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(int(arguments[0]) if arguments else 1, float(arguments[1]) if len(arguments) > 1 else 26)
