"""Is the budget kept? Asked N false episodes a week, got so many, on weeks not seen. Prints two tables.

python -m tests.benchmarks.budget [SEED]

First each scope by itself, strictly causal from its first week on (`backtest --series`); then one budget over many
scopes together, its level found on the first half (`monitor.alerts.budget`) and counted on the second.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

from monitor.alerts import backtest, budget, detector
from monitor.alerts.state import Levels
from tests.benchmarks.simulated import outcome, tocsin
from tests.benchmarks.worlds import DAY, World, world

ASKED = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SHARED = (5.0, 10.0, 20.0, 50.0)


def each(seed: int, *, with_surges: bool) -> None:
    sky = world(seed, with_surges=with_surges)
    watched = sky.weeks * len(sky.mean)
    for asked, found in tocsin(sky, ASKED).items():
        got = outcome(sky, found).false_rate
        title = "with surges" if with_surges else "without"
        print(f"{title:<14} {asked:>6.2f} {got:>8.3f} {got / asked:>6.2f} {got * watched:>8.0f}", flush=True)


def shared(sky: World) -> None:
    half = len(sky.at) // 2 // DAY
    blocks, scopes, weeks = sky.blocks(), len(sky.mean), half / 7
    learned = sky.bank()
    past = backtest.replay(learned, blocks[:half], budget.floor_for(scopes, min(SHARED)))
    for block in blocks[:half]:
        learned, _ = detector.advance(learned, block)
    unseen = backtest.replay(learned, blocks[half : 2 * half], budget.floor_for(scopes, max(SHARED)) - 1)
    for asked in SHARED:
        found = budget.calibrate(past, asked, weeks, scopes=scopes)
        levels = replace(Levels.of_budget(asked / scopes), open=found.level)
        number = sum(1 for track in unseen.values() for _ in backtest.episodes(track, levels))
        got = number / weeks
        print(f"{scopes} together{'':<4} {asked:>6.2f} {got:>8.3f} {got / asked:>6.2f} {number:>8}", flush=True)


def main(seed: int) -> None:
    print(f"simulated scopes x 26 weeks, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'scopes':<14} {'asked':>6} {'got':>8} {'ratio':>6} {'episodes':>8}")
    each(seed, with_surges=False)
    each(seed, with_surges=True)
    shared(world(seed + 1, scopes=100, with_surges=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
