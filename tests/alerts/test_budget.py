"""A past of many scopes through backtest and calibration: the budget is kept on weeks that were not seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.alerts import backtest, budget, detector
from monitor.alerts.state import Levels
from monitor.types import Count, Scope
from tests.alerts.streams import MONDAY, block_of, draw, moments, rhythm

SCOPES = 40
AT = moments(16)
HALF = len(AT) // 2
RATES = np.geomspace(0.005, 2.0, SCOPES)
NEGATIVE = np.stack([draw(100 + n, rate * rhythm(AT)) for n, rate in enumerate(RATES)])
TOTAL = NEGATIVE + np.stack([draw(200 + n, 2 * rate * rhythm(AT)) for n, rate in enumerate(RATES)])


def blocks(begin: int, end: int) -> list[detector.Block]:
    slots = block_of(AT, NEGATIVE[0], TOTAL[0]).slots
    days = [slice(day, day + 288) for day in range(begin, end, 288)]
    return [detector.Block(AT[day], slots[day], NEGATIVE[:, day], TOTAL[:, day]) for day in days]


def test_a_budget_shared_by_many_scopes_is_kept_on_weeks_not_seen() -> None:
    names, wanted, weeks = tuple(f"company:{n}" for n in range(SCOPES)), 10.0, HALF / 2016
    bank = detector.new_bank(names, 300.0)
    past = backtest.replay(bank, blocks(0, HALF), budget.floor_for(SCOPES, wanted))

    found = budget.calibrate(past, wanted, weeks, scopes=SCOPES)

    for block in blocks(0, HALF):
        bank, _ = detector.advance(bank, block)
    levels = replace(Levels.of_budget(wanted / SCOPES), open=found.level)
    unseen = backtest.replay(bank, blocks(HALF, 2 * HALF), found.level)
    rate = sum(1 for track in unseen.values() for _ in backtest.episodes(track, levels)) / weeks
    assert 0.6 * wanted <= rate <= 1.4 * wanted
    assert abs(found.rate - wanted) <= 0.3 * wanted


def test_episodes_marked_useful_are_not_charged_to_the_budget() -> None:
    names, weeks = tuple(f"company:{n}" for n in range(SCOPES)), HALF / 2016
    past = backtest.replay(detector.new_bank(names, 300.0), blocks(0, HALF), budget.floor_for(SCOPES, 2.0))

    all_false = budget.calibrate(past, 2.0, weeks, scopes=SCOPES)
    half_useful = budget.calibrate(past, 2.0, weeks, scopes=SCOPES, is_false=lambda one: one.seen % 2 == 0)

    assert half_useful.level < all_false.level
    assert half_useful.episodes > all_false.episodes


def test_stored_counts_give_the_episode_that_was_in_them() -> None:
    busy = NEGATIVE[-1, : 5 * 2016].copy()
    busy[4 * 2016 + 100 : 4 * 2016 + 130] += 20
    counts = [
        Count(
            scope=Scope("C"),
            kind="news",
            at=datetime.fromtimestamp(AT[n], UTC),
            total=int(negative + 2),
            negative=int(negative),
            positive=0,
            score_sum=0.0,
        )
        for n, negative in enumerate(busy)
    ]

    start = datetime.fromtimestamp(MONDAY, UTC)
    (episode,) = backtest.backtest_counts(
        {"company:C": counts}, Levels.of_budget(0.1), since=start, until=start + timedelta(weeks=5)
    )

    assert episode.scope == "company:C"
    assert timedelta(0) <= episode.detected - start - timedelta(weeks=4, minutes=500) <= timedelta(minutes=15)
    assert episode.end is not None


def test_a_budget_is_kept_where_severities_of_a_bursty_past_reach_hundreds() -> None:
    severities = [40 * float(np.log(200 / (rank - 0.5))) for rank in range(1, 201)]

    def false_at(level: float) -> tuple[int, int]:
        return (found := sum(one >= level for one in severities)), found

    many = budget.level_for(false_at, 5.0, 10.0, scopes=100)
    few = budget.level_for(false_at, 1.0, 5.0, scopes=100)

    assert many.episodes == 50
    assert 3 <= few.episodes <= 8
    assert few.level > 100


def test_an_extrapolated_level_shows_the_past_no_more_than_chance_may_have_added() -> None:
    def false_at(level: float) -> tuple[int, int]:
        return (40, 40) if level < 2.0 else (15, 15) if level < 60.0 else (0, 0)

    assert budget.level_for(false_at, 1.0, 4.0, scopes=100).episodes == 0
