"""A rule's level from its stored past, by production's own machine: the budget is kept on weeks that were not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.alerts import budget
from monitor.alerts.past import Past, Verdict, calibrated, try_rule
from monitor.alerts.rules import Rule, levels_of
from monitor.alerts.watch import HISTORY
from tests.benchmarks.replays import stored
from tests.benchmarks.worlds import DAY, world

SCOPES, WEEKS = 16, 12
KNOWN_WEEKS = HISTORY // timedelta(weeks=1)


@pytest.fixture(scope="module")
def past() -> Past:
    """Sixteen scopes, no real surge among them, as the past of a rule that may ring eight times a week."""
    weeks = KNOWN_WEEKS + WEEKS
    return stored(world(41, SCOPES, weeks, with_surges=False), Rule(budget=8.0, shapes=("company",)), weeks * 7 * DAY)


def first_half(past: Past) -> Past:
    until = past.since + (past.until - past.since) / 2
    return replace(past, until=until, readings=[one for one in past.readings if one[0] < until])


def unseen(past: Past, level: float) -> int:
    """Alarms in the second half."""
    trial = try_rule(past, levels_of(past.rule, level, past.scopes))
    return sum(one.detected >= first_half(past).until for one in trial.episodes)


def test_a_budget_shared_by_many_scopes_is_kept_on_weeks_not_seen(past: Past) -> None:
    found = calibrated(first_half(past))

    assert 0.6 * 8 <= unseen(past, found.level) / (WEEKS / 2) <= 1.4 * 8
    assert abs(found.rate - 8) <= 0.3 * 8


def test_what_was_marked_useful_is_not_charged_to_the_budget(past: Past) -> None:
    def useful(scopes: Sequence[int]) -> list[Verdict]:
        return [Verdict(f"company:{one}", past.since, past.until, True) for one in scopes]

    all_false = calibrated(first_half(past))
    half_useful = calibrated(first_half(past), useful(range(0, SCOPES, 2)))

    assert half_useful.level < all_false.level
    assert half_useful.episodes > all_false.episodes


def test_a_mark_counts_for_the_event_whatever_scope_it_rang_for_and_useful_stands_above_noise(past: Past) -> None:
    levels = levels_of(past.rule, calibrated(first_half(past)).level, past.scopes)
    one = try_rule(past, levels).episodes[0]
    when = (one.since, one.detected)
    noise, useful = Verdict("topic:Earnings", *when, False, also=(one.scope,)), Verdict(one.scope, *when, True)

    assert try_rule(past, levels, [noise]).marks == {one.incident: False}
    assert try_rule(past, levels, [noise, useful]).marks == {one.incident: True}


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
