"""A long past is learned in slices: no tick waits for it, nothing that can still ring is lost over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor import learned
from monitor.alerts import watch
from monitor.alerts.watch import LATE
from monitor.jobs import make_jobs
from monitor.settings import Settings
from monitor.store.engine import transaction
from monitor.store.status import has_evaluated
from tests.alert_world import FLAT, HOUSES, World, lived

A_DAY = 288


@pytest.fixture
def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Five days of past, of which a tick learns one."""
    with lived(World(database_url)) as one:
        scopes = int(str(one.rows("SELECT count(*) FROM scopes")[0][0]))
        monkeypatch.setattr(learned, "LEARN_AT_ONCE", A_DAY * (scopes + 1))
        yield one


def ticks_until_learned(world: World) -> int:
    for number in range(1, 20):
        world.tick()
        if not world.evaluator.behind:
            return number
    raise AssertionError("never learned")


def test_a_tick_learns_a_slice_and_the_slices_add_up_to_what_is_learned_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = ticks_until_learned(world)
    (in_slices,) = world.evaluator.learned.values()

    monkeypatch.setattr(learned, "LEARN_AT_ONCE", 10**9)
    world.restart()
    assert ticks_until_learned(world) == 1
    (at_once,) = world.evaluator.learned.values()

    assert 4 <= slices <= 7
    assert in_slices.watch.at == at_once.watch.at
    assert in_slices.watch.bank.scopes == at_once.watch.bank.scopes
    for one, other in zip(watch._arrays(in_slices.watch.bank), watch._arrays(at_once.watch.bank), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_a_crisis_that_came_while_it_learned_rings_as_soon_as_it_has(world: World) -> None:
    world.crisis()
    world.tick()
    assert world.evaluator.behind
    assert world.told() == []

    ticks_until_learned(world)
    world.tick()

    assert world.told() == ["first"]


def test_while_a_richer_past_is_learned_anew_what_was_learned_before_still_rings(world: World) -> None:
    ticks_until_learned(world)
    at = world.at - timedelta(days=8)
    world.save([world.article("C2", at, HOUSES[n % 6], FLAT, is_backfill=True) for n in range(600)])
    world.crisis()

    world.tick()

    assert world.evaluator.behind
    assert world.told() == ["first"]
    ticks_until_learned(world)
    (known,) = world.evaluator.learned.values()
    assert known.backfilled >= 600


def test_after_a_stop_of_days_it_catches_up_in_slices(world: World) -> None:
    ticks_until_learned(world)
    world.at += timedelta(days=4)

    assert ticks_until_learned(world) >= 3
    (known,) = world.evaluator.learned.values()
    assert known.watch.at >= world.at - LATE - timedelta(minutes=10)


def test_one_run_of_the_job_learns_to_the_end_and_only_then_says_that_it_has_judged(
    world: World, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, notify=("console://",))  # type: ignore[arg-type]
    jobs = make_jobs(settings, database_url, dict, lambda: world.at)
    try:
        with transaction(jobs.database) as tx:
            jobs.evaluator.tick(tx, {}, world.at)
        assert jobs.evaluator.behind
        jobs.over.set()
        jobs.evaluate()  # the program is ending: one slice more, and no word of having judged
        assert jobs.evaluator.behind
        assert not has_evaluated(jobs.database, world.at)

        jobs.over.clear()
        jobs.evaluate()

        assert not jobs.evaluator.behind
        assert has_evaluated(jobs.database, world.at)
    finally:
        jobs.database.dispose()
