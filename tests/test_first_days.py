"""The first days of a fresh installation: what sources still show of months ago is no history."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from monitor.alerts.watch import steady_from
from monitor.types import Classified
from tests.alert_world import BAD, FLAT, HOUSES, TOPICS, World

TODAY = datetime(2026, 3, 3, tzinfo=UTC)


def days(*counts: int) -> dict[datetime, int]:
    """The last of them is today's."""
    last = len(counts) - 1
    return {TODAY - timedelta(days=last - place): count for place, count in enumerate(counts) if count}


@pytest.mark.parametrize(
    ("counts", "ago"),
    [
        ((100,) * 35, 34),
        ((100, 100, 100, 100, 100, 20, 25) * 5, 34),  # quiet weekends
        ((25, 100, 100, 100, 100, 100, 20) * 5, 33),  # ... one of which is its first day
        ((*(100,) * 30, 500, 500, 500, 100, 100), 34),  # a crisis makes no other day sparse
        ((*(100,) * 15, *(0,) * 6, *(100,) * 14), 34),  # a stop of some days
        ((*(1, 0, 0) * 10, 2, 100, 200, 300, 40), 3),  # a fresh installation
        ((*(1,) * 34, 300), 0),
        ((*(0,) * 20, 7), 0),
    ],
)
def test_a_past_begins_where_most_of_its_days_are_full(counts: tuple[int, ...], ago: int) -> None:
    assert steady_from(days(*counts), TODAY + timedelta(hours=10)) == TODAY - timedelta(days=ago)


def test_without_a_story_there_is_no_past() -> None:
    assert steady_from({}, TODAY) is None


@pytest.mark.parametrize("seed", [1, 2])
def test_ordinary_days_after_a_few_old_stories_ring_nothing(database_url: str, seed: int) -> None:
    world, rng = World(database_url), random.Random(seed)

    def some(at: datetime, is_backfill: bool) -> None:
        mood = BAD if rng.random() < 0.3 else FLAT
        company, house, topic = f"C{rng.randrange(6)}", rng.choice(HOUSES), rng.choice(TOPICS)
        rows.append(world.article(company, at, house, mood, topic=topic, is_backfill=is_backfill))

    rows: list[Classified] = []
    for _ in range(300):
        some(world.at - timedelta(hours=rng.uniform(0, 72)), True)
    for _ in range(12):
        some(world.at - timedelta(days=rng.uniform(6, 34)), True)
    world.save(rows)
    for _ in range(2 * 48):
        rows = []
        for _ in range(sum(rng.random() < 0.25 for _ in range(16))):
            some(world.at, False)
        world.save(rows)
        world.tick(30, step=30)
    assert world.told() == []
    world.database.dispose()
