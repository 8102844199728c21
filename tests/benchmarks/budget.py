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
from tests.benchmarks.simulated import outcome, tocsin, touches
from tests.benchmarks.worlds import BUCKET_S, DAY, World, world

ASKED = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
EXPECTED, SCOPES = 100, 25
SHARED = (10.0, 20.0, 50.0)


def each(seed: int, *, with_surges: bool) -> None:
    """Worlds are added until each asked figure is pooled over EXPECTED false episodes or more."""
    false, watched = dict.fromkeys(ASKED, 0.0), dict.fromkeys(ASKED, 0.0)
    while wanting := tuple(asked for asked in ASKED if asked * watched[asked] < EXPECTED):
        sky = world(seed, SCOPES, with_surges=with_surges)
        seed += 1
        for asked, found in tocsin(sky, wanting).items():
            watched[asked] += sky.weeks * SCOPES
            false[asked] += outcome(sky, found).false_rate * sky.weeks * SCOPES
    for asked in ASKED:
        got = false[asked] / watched[asked]
        title = "with surges" if with_surges else "without"
        print(f"{title:<22} {asked:>6.2f} {got:>8.3f} {got / asked:>6.2f} {false[asked]:>8.0f}", flush=True)


def shared(sky: World, title: str, *, marked: bool = True) -> None:
    """`marked`: somebody said of every past episode in a surge that it was useful."""
    half = len(sky.at) // 2 // DAY
    blocks, scopes, weeks = sky.blocks(), len(sky.mean), half / 7
    learned = sky.bank()
    past = backtest.replay(learned, blocks[:half], budget.floor_for(scopes, min(SHARED)))
    for block in blocks[:half]:
        learned, _ = detector.advance(learned, block)
    unseen = backtest.replay(learned, blocks[half : 2 * half], budget.floor_for(scopes, max(SHARED)) - 1)
    for asked in SHARED:
        found = budget.calibrate(
            past, asked, weeks, scopes=scopes, is_false=lambda one: not (marked and _is_real(sky, one))
        )
        levels = replace(Levels.of_budget(asked / scopes), open=found.level)
        episodes = [one for track in unseen.values() for one in backtest.episodes(track, levels)]
        number = sum(not _is_real(sky, one) for one in episodes)
        got = number / weeks
        print(f"{title:<22} {asked:>6.2f} {got:>8.3f} {got / asked:>6.2f} {number:>8}", flush=True)


def _is_real(sky: World, one: backtest.PastEpisode) -> bool:
    first, last = (
        round((moment.timestamp() - sky.at[0]) / BUCKET_S) for moment in (one.detected, one.end or one.detected)
    )
    return any(touches((first, last), surge) for surge in sky.surges[int(one.scope.partition(":")[2])])


def main(seed: int) -> None:
    print(f"simulated scopes x 26 weeks, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'scopes':<22} {'asked':>6} {'got':>8} {'ratio':>6} {'episodes':>8}")
    each(seed, with_surges=False)
    each(seed, with_surges=True)
    shared(world(seed + 1, scopes=100, with_surges=False), "100 together")
    sky = world(seed + 1, scopes=100, with_surges=True)
    shared(sky, "100, surges marked")
    shared(sky, "100, surges unmarked", marked=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
