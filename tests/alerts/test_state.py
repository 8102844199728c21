"""One notification per real event: hysteresis, growth, re-opening, held all-clears; told by hand-made readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.readings import Reading
from monitor.alerts.state import EpisodeState, Levels, step

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEVELS = Levels.of_budget(0.1)


def reading(minutes: int, severity: float, seen: float = 10, **more: object) -> Reading:
    at = START + timedelta(minutes=minutes)
    plain = Reading(
        scope="company:C",
        at=at,
        since=START,
        expected=1.0,
        seen=int(seen),
        severity=severity,
        reason="count",
        elevated=severity > 0,
        recent_expected=1.0,
        recent_seen=seen,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def changes(readings: list[Reading], levels: Levels = LEVELS) -> list[str]:
    state, seen = EpisodeState(scope="company:C"), []
    for one in readings:
        state, change = step(state, one, levels)
        seen += [change.change] if change else []
    return seen


def test_a_crisis_that_stays_as_it_is_tells_once_and_closes_once() -> None:
    crisis = [reading(5 * n, 3.0) for n in range(40)] + [reading(200 + 5 * n, -1.0) for n in range(40)]

    assert changes(crisis) == ["opened", "eased", "closed"]


def test_flapping_around_the_level_is_one_episode() -> None:
    flapping = [reading(30 * n, 1.2 if n % 2 else 0.8) for n in range(1, 40)]

    assert changes(flapping) == ["opened"]


def test_dips_shorter_than_the_hold_do_not_close() -> None:
    dips = [reading(60 * n, 3.0 if n % 2 else -1.0) for n in range(1, 12)]

    assert "closed" not in changes(dips)
    assert changes(dips).count("opened") == 1


def test_growth_is_told_when_twice_as_intense_and_ten_times_rarer_and_not_before() -> None:
    assert changes([reading(0, 2.0, 10), reading(5, 2.9, 40)]) == ["opened"]
    assert changes([reading(0, 2.0, 10), reading(5, 3.5, 15)]) == ["opened"]
    assert changes([reading(0, 2.0, 10), reading(5, 3.5, 25), reading(10, 3.6, 30)]) == ["opened", "grew"]


def test_the_next_morning_re_opens_the_episode_and_a_week_later_is_another() -> None:
    over = [reading(0, 3.0), *(reading(5 * n, -1.0) for n in range(1, 30))]

    assert changes([*over, reading(18 * 60, 3.0)]) == ["opened", "eased", "closed", "reopened"]
    assert changes([*over, reading(7 * 1440, 3.0)]) == ["opened", "eased", "closed", "opened"]


def test_something_clearly_worse_soon_after_is_an_episode_of_its_own() -> None:
    over = [reading(0, 2.0, 10), *(reading(5 * n, -1.0) for n in range(1, 30))]

    assert changes([*over, reading(300, 6.0, 90)])[-1] == "opened"


def test_incomplete_data_hold_back_the_all_clear() -> None:
    silent = [reading(0, 3.0), *(reading(5 * n, -1.0, complete=False) for n in range(1, 80))]

    assert changes(silent) == ["opened", "eased"]
    assert changes([*silent, reading(401, -1.0)]) == ["opened", "eased", "closed"]


def test_a_scope_that_is_still_learning_never_rings() -> None:
    assert changes([reading(5 * n, 9.0, learning_days=1.5) for n in range(9)]) == []


@given(st.lists(st.floats(-2, 6), min_size=1, max_size=300))
def test_whatever_comes_openings_and_closings_alternate(severities: list[float]) -> None:
    told = [one for one in changes([reading(20 * n, s) for n, s in enumerate(severities)]) if one != "grew"]
    running = False
    for one in told:
        if one in ("opened", "reopened"):
            assert not running
            running = True
        if one == "closed":
            assert running
            running = False
