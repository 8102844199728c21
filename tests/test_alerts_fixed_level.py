"""A rule that names a number of stories within an hour rings at that number, in production as on the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from monitor.alerts.calendar import ANYWHERE
from monitor.alerts.readings import Reading
from monitor.alerts.rules import Rule, as_asked, levels_of
from monitor.alerts.state import rings
from monitor.backtest_command import trial_of
from monitor.store import rules
from monitor.store.engine import transaction
from tests.alert_world import BAD, HOUSES, World, lived

TEN = Rule(id=1, budget=None, at_least=10, shapes=("company",), companies=("C1",))


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with lived(World(database_url)) as one:
        with transaction(one.database) as tx:
            rules.save_rule(tx, TEN, "ann", one.at)
        one.tick()
        yield one


def tell(world: World, stories: int, apart: timedelta) -> None:
    """Bad stories about C1, one by one, each evaluated as it comes."""
    for number in range(stories):
        world.save([world.article("C1", world.at, HOUSES[number % 6], BAD)])
        world.tick()
        world.at += apart


def rung(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT scope, since, detected FROM episodes ORDER BY opened_at")


def rung_on_the_past(world: World) -> list[tuple[str, datetime, datetime]]:
    with transaction(world.database) as tx:
        trial = trial_of(tx, TEN, 90, world.at + timedelta(hours=1), ANYWHERE)
    return [(one.scope, one.since, one.detected) for one in trial.episodes]


def test_ten_stories_spread_over_an_hour_ring_at_the_tenth(world: World) -> None:
    first = world.at
    tell(world, 10, timedelta(minutes=6))
    assert rung(world) == [("company:C1", first, first + timedelta(minutes=50))]
    assert rung_on_the_past(world) == rung(world)


@pytest.mark.parametrize(
    ("stories", "apart"),
    [
        (9, timedelta(minutes=6)),
        (36, timedelta(seconds=400)),  # nine an hour for four hours: what fades slowly would add up to thirteen
    ],
)
def test_nine_stories_an_hour_never_ring_however_long_they_go_on(world: World, stories: int, apart: timedelta) -> None:
    tell(world, stories, apart)
    assert rung(world) == []
    assert rung_on_the_past(world) == []


def test_the_hour_is_counted_through_a_restart(world: World) -> None:
    tell(world, 9, timedelta(minutes=6))
    world.restart()
    tell(world, 1, timedelta(minutes=6))
    assert len(rung(world)) == 1


def test_a_level_that_is_usual_rings_all_the_same(database_url: str) -> None:
    world = World(database_url)
    try:
        begin = world.at - timedelta(days=4)
        usual = [begin + timedelta(minutes=5 * number + 1) for number in range(4 * 288)]
        world.save([world.article("C1", at, HOUSES[n % 6], BAD, is_backfill=True) for n, at in enumerate(usual)])
        with transaction(world.database) as tx:
            rules.save_rule(tx, TEN, "ann", world.at)
        first = world.at
        tell(world, 14, timedelta(minutes=5))
        (one,) = world.rows("SELECT detected, expected > 8 FROM episodes")
        assert one == (first + timedelta(minutes=45), True)
    finally:
        world.database.dispose()


def test_incomplete_data_hold_back_no_number_that_is_reached() -> None:
    at = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
    one = Reading(
        scope="company:C1",
        at=at,
        since=at,
        expected=9.0,
        seen=10,
        severity=-0.5,
        reason="count",
        count_severity=-0.5,
        hour_seen=10,
        complete=False,
    )
    assert rings(as_asked(TEN, one), levels_of(TEN, None, 1))
