"""A long past is learned in slices: no tick waits for it, nothing that can still ring is lost over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor import learned
from monitor.alerts import watch
from monitor.alerts.watch import LATE, Tally
from monitor.jobs import make_jobs
from monitor.settings import Settings
from monitor.store.engine import transaction
from monitor.store.status import has_evaluated
from monitor.types import BUCKET
from tests.alert_world import BAD, FLAT, HOUSES, LEGAL_AT_C1, NOW, World, lived

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


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_was_ahead_and_was_corrected_stops_no_alarm(world: World, *, is_restarted: bool) -> None:
    world.crisis("C2")
    ticks_until_learned(world)
    world.tick(minutes=10)
    corrected = world.at + timedelta(minutes=10)
    world.at += timedelta(hours=20)
    ticks_until_learned(world)
    world.tick(minutes=10)
    assert world.rows("SELECT count(*) FROM detector_states") == [(1,)]
    if is_restarted:
        world.restart()

    world.at = corrected
    ticks_until_learned(world)
    world.crisis("C1")
    world.tick(minutes=5)
    assert [scope for scope, phase in world.episodes()] == ["company:C2|topic:Legal | Regulation", LEGAL_AT_C1]

    world.tick(minutes=30 * 60, step=60)
    assert {phase for _, phase in world.episodes()} == {"closed"}
    world.crisis("C2")
    world.tick(minutes=5)
    assert "open" in {phase for _, phase in world.episodes()}


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


def test_what_was_back_filled_just_before_teaches_what_is_normal_and_lends_no_weight_to_what_comes_after() -> None:
    until, rng = NOW, np.random.default_rng(0)

    def flat(since: datetime, to: datetime) -> dict[datetime, Tally]:
        """Eight negative stories a day, all live."""
        times = [since + n * BUCKET for n in range((to - since) // BUCKET)]
        drawn = zip(times, rng.poisson(8 / A_DAY, len(times)), rng.poisson(16 / A_DAY, len(times)), strict=True)
        return {at: Tally("company:C2", at, int(a + b), int(a), int(a + b), int(a)) for at, a, b in drawn}

    past = flat(until - timedelta(days=35), until)
    for place in range(60):
        at = until - (1 + 2 * place) * BUCKET
        past[at] = past[at]._replace(total=past[at].total + 1, marked=past[at].marked + 1)
    learned_all = watch.learn(watch.new_watch(["company:C2"], min(past)), list(past.values()), until)
    after = list(flat(until, until + timedelta(hours=12)).values())

    def highest(known: watch.Watch) -> float:
        _, seen = watch.glance(known, after, until + timedelta(hours=12))
        row = seen.bank.scopes.index("company:C2")
        return float(np.max(seen.surface.severity[row] * seen.surface.elevated[row]))

    assert highest(learned_all) > 10, "the back-fill in its windows rings with the next ordinary story"
    assert highest(watch.forget(learned_all, {"company:C2"})) < 1


def test_learning_anew_forgets_what_came_late(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[set[str]] = []
    forget = watch.forget
    monkeypatch.setattr(watch, "forget", lambda known, scopes: forgotten.append(set(scopes)) or forget(known, scopes))
    ticks_until_learned(world)
    before = world.at - LATE - timedelta(minutes=10)
    late = [before - timedelta(minutes=5 * n) for n in range(150)]
    world.save([world.article("C2", at, HOUSES[n % 6], BAD, is_backfill=True) for n, at in enumerate(late)])
    ticks_until_learned(world)
    assert "company:C2" in forgotten[-1]


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
