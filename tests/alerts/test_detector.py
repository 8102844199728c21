"""Traps that statistics must not fall into: rhythm, clock changes, holidays, young scopes, good news, late data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.alerts import calendar, detector
from monitor.alerts.calendar import Market
from monitor.alerts.state import Levels
from tests.alerts.streams import MONDAY, block_of, draw, moments, opened, rhythm, run

LEVELS = Levels.of_budget(0.02)
FIVE_WEEKS = moments(5)
CALM = draw(1, 1.5 * rhythm(FIVE_WEEKS))
OTHERS = draw(2, 3.5 * rhythm(FIVE_WEEKS))
CRISIS = slice(28 * 288 + 120, 28 * 288 + 144)
"""Two hours on the fifth Monday, from ten o'clock."""


def with_crisis(times: float = 4.0) -> np.ndarray:
    negative = CALM.copy()
    negative[CRISIS] += draw(3, np.full(24, 1.5 * (times - 1)))
    return negative


def test_a_daily_rhythm_alone_never_rings() -> None:
    _, _, changes = run(block_of(FIVE_WEEKS, CALM, CALM + OTHERS), LEVELS)

    assert opened(changes) == []


def test_a_crisis_rings_once_however_many_buckets_it_lasts_and_is_closed_after_it() -> None:
    negative = with_crisis()

    _, _, changes = run(block_of(FIVE_WEEKS, negative, negative + OTHERS), LEVELS)

    assert [one.change for one in changes if one.change in ("opened", "closed", "reopened")] == ["opened", "closed"]
    detected = opened(changes)[0].timestamp()
    assert 0 <= detected - FIVE_WEEKS[CRISIS.start] <= 3600
    first = changes[0].state
    assert first.start is not None
    assert abs(first.start.timestamp() - FIVE_WEEKS[CRISIS.start]) <= 1800
    assert first.reason == "count"
    assert first.seen > 2 * first.expected


def test_an_episode_ends_when_the_crisis_does_and_a_stray_busy_bucket_after_it_moves_that_by_hours_at_most() -> None:
    late = []
    for times in (4.0, 8.0, 20.0):
        negative = with_crisis(times)
        _, _, changes = run(block_of(FIVE_WEEKS, negative, negative + OTHERS), LEVELS)
        closed = next(one.state for one in changes if one.change == "closed")
        assert closed.last_elevated is not None
        late.append(closed.last_elevated.timestamp() - FIVE_WEEKS[CRISIS.stop - 1])

    assert 0 <= np.median(late) <= 3600
    assert max(late) <= 3 * 3600


def test_a_slow_rise_over_days_rings_though_its_first_hours_would_not() -> None:
    begin, days = 25 * 288, 4
    rise = np.zeros(len(FIVE_WEEKS))
    rise[begin : begin + days * 288] = np.minimum(np.arange(days * 288) / 288, 1.0) * 1.5  # a day up, to 2.5 times
    slow = CALM + draw(31, np.maximum(1.5 * rhythm(FIVE_WEEKS) * rise, 1e-9))
    short = np.where(np.arange(len(slow)) < begin + 6 * 12, slow, CALM)

    _, _, changes = run(block_of(FIVE_WEEKS, slow, slow + OTHERS), LEVELS)
    _, _, of_first_hours = run(block_of(FIVE_WEEKS, short, short + OTHERS), LEVELS)

    assert len(opened(changes)) == 1
    assert 6 * 3600 <= opened(changes)[0].timestamp() - FIVE_WEEKS[begin] <= 86400
    assert opened(of_first_hours) == []


def test_good_news_is_no_alarm_however_much_of_it() -> None:
    others = OTHERS.copy()
    others[CRISIS] *= 8

    _, _, changes = run(block_of(FIVE_WEEKS, CALM, CALM + others), LEVELS)

    assert opened(changes) == []


def test_a_share_that_rises_rings_though_no_more_is_written_and_says_so() -> None:
    total = CALM + OTHERS
    negative = CALM.copy()
    late = slice(CRISIS.start - 36, CRISIS.stop)
    negative[late] = np.minimum(total[late], np.round(total[late] * 0.75))
    quieter = np.array(total)
    quieter[late], negative[late] = np.ceil(total[late] / 2), np.floor(negative[late] / 2)

    _, _, changes = run(block_of(FIVE_WEEKS, negative, quieter), LEVELS)

    assert len(opened(changes)) == 1
    assert changes[0].state.reason == "share"


def test_incomplete_data_hold_back_the_share_but_not_the_count() -> None:
    negative = with_crisis(6.0)
    block = block_of(FIVE_WEEKS, negative, negative + OTHERS)
    bank, surface = detector.advance(detector.new_bank(("all",), 300.0), block)
    column = CRISIS.stop - 1
    (reading,) = detector.readings(bank, block, surface, column, [0], complete=False)

    from monitor.alerts.state import rings

    assert rings(reading, LEVELS)
    assert not rings(replace(reading, reason="share", count_severity=LEVELS.open - 0.1), LEVELS)


def test_more_news_of_the_usual_kind_is_called_volume_only() -> None:
    negative, others = with_crisis(5.0), OTHERS.copy()
    others[CRISIS] += draw(5, np.full(24, 3.5 * 4))

    _, _, changes = run(block_of(FIVE_WEEKS, negative, negative + others), LEVELS)

    assert changes[0].state.reason == "count"
    assert changes[0].state.volume_only


def test_where_everything_is_negative_only_the_count_is_tested_and_nothing_is_volume_only() -> None:
    negative = with_crisis()

    _, surface, changes = run(block_of(FIVE_WEEKS, negative, negative), LEVELS)

    assert not surface.by_share[0, 2016:].any()
    assert not surface.volume_only.any()
    assert len(opened(changes)) == 1


def test_any_cutting_of_the_stream_gives_the_same_readings() -> None:
    negative = with_crisis()[:4032]
    whole = block_of(FIVE_WEEKS[:4032], negative, negative + OTHERS[:4032])
    _, at_once = detector.advance(detector.new_bank(("all",), 300.0), whole)
    bank, cuts = detector.new_bank(("all",), 300.0), np.cumsum(np.random.default_rng(1).integers(1, 30, 300))

    pieces = []
    for part in np.split(np.arange(4032), cuts[cuts < 4032]):
        piece = detector.Block(whole.at[part], whole.slots[part], whole.negative[:, part], whole.total[:, part])
        bank, surface = detector.advance(bank, piece)
        pieces.append(surface.severity)

    np.testing.assert_allclose(np.concatenate(pieces, axis=1), at_once.severity, rtol=1e-6, atol=1e-9)


def test_a_bucket_that_late_stories_still_fill_is_judged_again_from_the_last_final_state() -> None:
    negative = with_crisis()
    upto = CRISIS.start + 6
    final, _, _ = run(block_of(FIVE_WEEKS[:upto], negative[:upto], (negative + OTHERS)[:upto]), LEVELS)
    part = slice(upto, upto + 1)
    thin = block_of(FIVE_WEEKS[part], negative[part] * 0, OTHERS[part])
    full = block_of(FIVE_WEEKS[part], negative[part] + 9, negative[part] + 9 + OTHERS[part])

    _, before = detector.advance(final, thin)
    _, after = detector.advance(final, full)
    _, again = detector.advance(final, thin)

    assert after.severity[0, 0] > before.severity[0, 0]
    assert again.severity[0, 0] == before.severity[0, 0]


def test_a_clock_change_moves_the_working_day_and_not_the_alarm() -> None:
    new_york = Market(name="XNYS", zone="America/New_York")
    at = moments(5, first=datetime(2026, 2, 9, tzinfo=UTC).timestamp())  # New York's clocks change on 8 March
    open_hours = ((rhythm(at, new_york) > 1.2) * 4.0) + 0.2
    negative, total = draw(4, open_hours * 1.5), draw(6, open_hours * 5)

    _, surface, changes = run(block_of(at, negative, negative + total, new_york), LEVELS)

    monday = datetime(2026, 3, 9, tzinfo=UTC).timestamp()
    assert [one for one in opened(changes) if monday <= one.timestamp() < monday + 86400] == []
    _, in_utc, _ = run(block_of(at, negative, negative + total), LEVELS)
    after = (at >= monday) & (at < monday + 86400)
    assert surface.severity[0, after].max() < in_utc.severity[0, after].max()


def test_each_scope_lives_by_its_own_market_and_reads_as_if_it_were_alone() -> None:
    at, abroad = moments(4), Market(name="XTKS", zone="Asia/Tokyo")
    here, there = draw(12, 2 * rhythm(at)), draw(13, 2 * rhythm(at, abroad))
    together = detector.Block(
        at, np.stack([calendar.slots(at), calendar.slots(at, abroad)]), np.stack([here, there]), np.stack([here, there])
    )

    _, both = detector.advance(detector.new_bank(("topic:T", "company:6758.T"), 300.0), together)

    for row, block in enumerate((block_of(at, here, here), block_of(at, there, there, abroad))):
        _, alone, _ = run(block, LEVELS)
        np.testing.assert_allclose(both.severity[row], alone.severity[0], rtol=1e-9, atol=1e-12)


def test_a_young_scope_says_how_long_it_must_learn_and_never_rings_before() -> None:
    at = moments(0.5)
    negative = draw(8, np.full(len(at), 1.0))
    negative[300:320] += 30

    _, surface, changes = run(block_of(at, negative, negative * 2), LEVELS)

    assert surface.learning_days[0, 0] == pytest.approx(2.0)
    assert surface.learning_days[0, -1] == 0.0
    assert all(one.timestamp() >= MONDAY + 2 * 86400 for one in opened(changes))


def test_a_scope_with_a_story_a_day_rings_for_four_in_an_hour_and_for_no_two() -> None:
    at = moments(6)
    negative = draw(9, np.full(len(at), 1 / 288))
    crisis = 5 * 2016 + 400
    calm = block_of(at, negative, negative * 2)
    negative = negative.copy()
    negative[[crisis, crisis + 3, crisis + 5, crisis + 9]] += 1

    strict = Levels.of_budget(0.002)  # a young sparse scope spends its budget early
    _, _, quiet = run(calm, strict)
    _, _, loud = run(block_of(at, negative, negative * 2), strict)

    assert opened(quiet) == []
    assert len(opened(loud)) == 1


def test_unknown_buckets_are_no_zeros_and_no_news() -> None:
    negative, total = CALM.copy(), CALM + OTHERS
    gap = slice(20 * 288, 22 * 288)
    negative[gap], total[gap] = np.nan, np.nan

    bank, surface, changes = run(block_of(FIVE_WEEKS, negative, total), LEVELS)
    whole, _, _ = run(block_of(FIVE_WEEKS, CALM, CALM + OTHERS), LEVELS)

    assert opened(changes) == []
    assert np.isfinite(surface.severity).all()
    assert bank.known.normal.level[0] == pytest.approx(whole.known.normal.level[0], rel=0.05)


def test_a_past_crisis_does_not_become_the_normal() -> None:
    calm, _, _ = run(block_of(FIVE_WEEKS, CALM, CALM + OTHERS), LEVELS)
    negative = with_crisis(30.0)
    after, _, _ = run(block_of(FIVE_WEEKS, negative, negative + OTHERS), LEVELS)

    assert after.known.normal.level[0] == pytest.approx(calm.known.normal.level[0], rel=0.05)


def test_a_new_scope_borrows_the_rhythm_of_its_parent() -> None:
    at = moments(3)
    parent = draw(10, 20 * rhythm(at))
    child = np.where(at >= at[0] + 14 * 86400, draw(11, 0.05 * rhythm(at)), 0.0)
    block = detector.Block(at, block_of(at, parent, parent).slots, np.stack([parent, child]), np.stack([parent, child]))

    bank, _ = detector.advance(detector.new_bank(("all", "company:C"), 300.0, (-1, 0)), block)

    season = bank.known.normal.season
    assert np.corrcoef(season[0], season[1])[0, 1] > 0.7
