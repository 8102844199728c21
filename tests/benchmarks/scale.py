"""Alerting over 5,000 scopes, after 0, 1 and 90 days: a tick's cost must not grow with history. Prints three tables.

python -m tests.benchmarks.scale [DAYS]

First a tick's arithmetic: the bucket that has just become final and the one still open, through detector, state machine
and choice of episodes, one surge in fifty scopes among them; seconds are of one thread's processor time. Then the same
with its database (`tests.benchmarks.ticks`).
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np

from monitor.alerts import calendar, detector, watch
from monitor.alerts.episodes import Evidence
from monitor.alerts.evaluate import Desk, Judgement, judge
from monitor.alerts.rules import Rule, levels_of
from monitor.alerts.series import backtest_series
from monitor.alerts.watch import Tally, Watch
from monitor.types import BUCKET
from tests.alerts.streams import MONDAY, draw, moments, rhythm
from tests.benchmarks import ticks

SCOPES = 5000
DAYS = 90
HOUSES = ("Harbour", "Meridian", "Concord", "Ledger")
FIRST = datetime.fromtimestamp(MONDAY, UTC)
Ask = Callable[[Mapping[str, datetime]], dict[str, tuple[Evidence, ...]]]


def learned(known: Watch, rates: np.ndarray, days: int, generator: np.random.Generator) -> Watch:
    """So many days more, a day at a time, straight into the detector."""
    bank = known.bank
    for day in range(days):
        at = known.at.timestamp() + 300.0 * (1 + 288 * day + np.arange(288))
        negative = generator.poisson(rates[:, None], (len(rates), 288)).astype(np.float64)
        total = negative + generator.poisson(2 * rates[:, None], negative.shape)
        bank, _ = detector.advance(bank, detector.Block(at, calendar.slots(at), negative, total))
    return Watch(bank, known.at + days * 288 * BUCKET)


def tallies(known: Watch, rates: np.ndarray, at: datetime, generator: np.random.Generator, surge: bool) -> list[Tally]:
    negative = generator.poisson(rates)
    total = negative + generator.poisson(2 * rates)
    if surge:
        negative[2::50] += 15
        total[2::50] += 15
    return [
        Tally(scope, at, *counts, *counts)
        for scope, *counts in zip(known.bank.scopes, total.tolist(), negative.tolist(), strict=True)
        if counts[0]
    ]


def stories(asked: Mapping[str, datetime]) -> dict[str, tuple[Evidence, ...]]:
    """Five stories from four houses behind every scope."""
    return {
        scope: tuple(
            Evidence(
                story=f"{scope}-{n}",
                article=f"{scope}-{n}",
                title="Shares fall",
                url=None,
                publisher=house,
                at=since,
                families=(house,),
            )
            for n, house in enumerate((*HOUSES, HOUSES[0]))
        )
        for scope, since in asked.items()
    }


def tick(known: Watch, news: list[Tally], into: Judgement) -> tuple[Watch, float]:
    """One evaluation: the newest final bucket and the open one after it; processor seconds."""
    begin = time.process_time()
    final, still = known.at + BUCKET, known.at + 2 * BUCKET
    rule = Rule(id=1)
    after, closed = watch.glance(known, news, final)
    _, opened = watch.glance(after, [one for one in news if one.at > final], still)
    desk = Desk(
        rule=rule,
        levels=levels_of(rule, None, len(known.bank.scopes)),
        model=1,
        standings=into.standings,
        running={one.scope: one for one in into.episodes.values()},
        behind=(),
        missing=(),
        ask=stories,
        ripe=lambda _: True,
        now=still + BUCKET,
    )
    changed = Judgement()
    for seen, is_final in ((closed, True), (opened, False)):
        judge(desk, seen, final=is_final, into=changed)
    into.standings |= changed.standings
    into.episodes |= changed.episodes
    return after, time.process_time() - begin


def two_hours(known: Watch, rates: np.ndarray, generator: np.random.Generator) -> tuple[Watch, list[float], int]:
    """Two hours of ticks; the second hour's first bucket brings the surges."""
    took, into = [], Judgement()
    news = tallies(known, rates, known.at + BUCKET, generator, False)
    for number in range(24):
        later = tallies(known, rates, known.at + 2 * BUCKET, generator, number == 12)
        known, seconds = tick(known, [*news, *later], into)
        news = later
        took.append(seconds)
    return known, took, len(into.episodes)


def of_history(days: int) -> None:
    generator = np.random.default_rng(1)
    known = watch.new_watch(("all", *(f"company:{number}" for number in range(1, SCOPES))), FIRST)
    rates = np.exp(generator.uniform(np.log(0.001), np.log(3), len(known.bank.scopes)))
    print(f"{'days of history':>16} {'tick, worst of 24':>18} {'median':>8} {'episodes':>9} {'stored state':>20}")
    so_far = 0.0
    for until in (0, 1, days):
        known = learned(known, rates, round(until - so_far), generator)
        known, took, rang = two_hours(known, rates, generator)
        so_far = until
        begin = time.process_time()
        size = len(watch.to_bytes(known)) / 1e6
        stored = f"{size:.0f} MB in {time.process_time() - begin:.2f} s"
        print(f"{until:>16} {max(took):>16.2f} s {np.median(took):>6.2f} s {rang:>9} {stored:>20}", flush=True)


def of_learning() -> None:
    """What learning a day costs, for how many scopes."""
    print(f"\n{'scopes':>8} {'a day learned':>14} {'35 days':>9}")
    for scopes in (300, 5000, 20000):
        generator = np.random.default_rng(2)
        known = watch.new_watch(("all", *(f"company:{number}" for number in range(1, scopes))), FIRST)
        rates = np.exp(generator.uniform(np.log(0.001), np.log(1), len(known.bank.scopes)))
        begin = time.process_time()
        learned(known, rates, 2, generator)
        a_day = (time.process_time() - begin) / 2
        print(f"{scopes:>8} {a_day:>12.2f} s {35 * a_day:>7.0f} s", flush=True)


def of_file() -> None:
    """`tocsin backtest --series` over 16,000 rows."""
    at = moments(8)[:16000]
    negative = draw(1, 2 * rhythm(at))
    rows = (
        f"{datetime.fromtimestamp(a, UTC):%Y-%m-%dT%H:%M:%S},{2 * n:.0f},{n:.0f}"
        for a, n in zip(at, negative, strict=True)
    )
    source = io.StringIO("at,total,negative\n" + "\n".join(rows))
    begin = time.process_time()
    backtest_series(source)
    print(f"\nbacktest --series, 16,000 rows: {time.process_time() - begin:.2f} s")


def main(days: int) -> None:
    load = os.getloadavg()[0]
    print(f"{SCOPES} scopes, buckets of 5 min, {os.cpu_count()} cores, load {load:.1f}, {time.strftime('%Y-%m-%d')}")
    of_history(days)
    ticks.main()
    of_learning()
    of_file()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DAYS)
