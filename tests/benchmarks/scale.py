"""One job tick over 5,000 scopes, after 0, 1 and 90 days: its cost must not grow with history. Prints a table.

python -m tests.benchmarks.scale
"""

from __future__ import annotations

import os
import time

import numpy as np

from monitor.alerts import calendar, detector
from monitor.alerts.state import EpisodeState, Levels, step
from tests.alerts.streams import moments

SCOPES = 5000
DAYS = 90
BUCKET_S = 300.0


def stories(rates: np.ndarray, at: np.ndarray, generator: np.random.Generator) -> detector.Block:
    negative = generator.poisson(rates[:, None], (len(rates), len(at))).astype(np.float64)
    total = negative + generator.poisson(2 * rates[:, None], negative.shape)
    return detector.Block(at, calendar.slots(at), negative, total)


def tick(bank: detector.Bank, block: detector.Block, levels: Levels) -> tuple[detector.Bank, float, int]:
    """The next bucket of all scopes through detector and state machine; seconds, and how many scopes rang."""
    begin = time.perf_counter()
    after, surface = detector.advance(bank, block)
    rows = np.flatnonzero(surface.severity[:, -1] >= levels.open)
    rang = 0
    for reading in detector.readings(after, block, surface, len(block.at) - 1, rows.tolist()):
        _, change = step(EpisodeState(scope=reading.scope), reading, levels)
        rang += change is not None
    return after, time.perf_counter() - begin, rang


def main() -> None:
    generator = np.random.default_rng(1)
    rates = np.exp(generator.uniform(np.log(0.001), np.log(3), SCOPES))
    names = ("all", *(f"company:{number}" for number in range(1, SCOPES)))
    bank = detector.new_bank(names, BUCKET_S, (-1, *(0 for _ in range(SCOPES - 1))))
    at = moments(DAYS / 7 + 0.2)
    levels = Levels.of_budget(1.0 / SCOPES)
    print(f"{SCOPES} scopes, buckets of {BUCKET_S:.0f} s, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'days of history':>16} {'tick, worst of 24':>18} {'median':>8} {'rang':>5}")
    position = 0
    for days in (0, 1, DAYS):
        while position < days * 288:
            bank, _ = detector.advance(bank, stories(rates, at[position : position + 72], generator))
            position += 72
        took, rang = [], 0
        for _ in range(24):
            bank, seconds, ringing = tick(bank, stories(rates, at[position : position + 1], generator), levels)
            took.append(seconds)
            rang += ringing
            position += 1
        print(f"{days:>16} {max(took):>16.2f} s {np.median(took):>6.2f} s {rang:>5}", flush=True)


if __name__ == "__main__":
    main()
