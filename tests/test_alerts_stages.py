"""Who is told what, now or later: the stages, one by one and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.alerts.episodes import Episode
from monitor.alerts.evaluate import Reason
from monitor.alerts.hours import next_digest, silent_until, told_at
from monitor.alerts.notices import Context, Held, Notice, Plan, Silence, ToldBefore
from monitor.alerts.release import release
from monitor.alerts.rules import Rule
from monitor.alerts.stages import ASK_AGAIN, LIMIT, plan

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)  # a Tuesday
EPISODE = Episode(
    id="e1",
    incident="i1",
    rule=1,
    scope="company:DELM",
    number=1,
    kinds=("news",),
    sentiment="negative",
    model=1,
    phase="open",
    since=NOW,
    detected=NOW,
    opened_at=NOW,
    ended=None,
    expected=0.2,
    seen=12,
    severity=4.0,
    peak=4.0,
    reason="count",
    volume_only=False,
    publishers=6,
)


def notice(reason: Reason = "first", **more: Any) -> Notice:
    return Notice(replace(EPISODE, **more), reason, NOW)


def context(rule: Rule | None = None, **more: Any) -> Context:
    known = {"now": NOW, "rules": {1: rule or Rule(id=1)}, "channels": ("console",)}
    return Context(**{**known, **more})  # type: ignore[arg-type]


def told(reason: str = "first", at: datetime = NOW - timedelta(hours=1), severity: float = 4.0) -> ToldBefore:
    return ToldBefore("i1", "console", reason, severity, at)


def said(answer: Plan) -> list[tuple[str, str, str]]:
    return [(one.episode.id, one.channel, one.reason) for one in answer.single]


def test_a_new_event_is_told_on_every_channel_of_its_rule() -> None:
    channels = ("console", "desk", "mail")
    assert said(plan([notice()], context(channels=channels))) == [("e1", name, "first") for name in channels]
    only = Rule(id=1, routes=("mail",))
    assert said(plan([notice()], context(only, channels=channels))) == [("e1", "mail", "first")]


def test_a_route_to_an_unknown_channel_is_withheld_with_the_mend_and_everybody_hears_where_no_other_is_left() -> None:
    channels = ("console", "desk")
    answer = plan([notice()], context(Rule(id=1, routes=("pager", "desk")), channels=channels))
    assert said(answer) == [("e1", "desk", "first")]
    assert "TOCSIN_NOTIFY" in answer.withheld[0].why
    answer = plan([notice()], context(Rule(id=1, routes=("pager",)), channels=channels))
    assert said(answer) == [("e1", name, "first") for name in channels]
    assert "channel pager is not set up" in answer.single[0].note


def test_what_was_held_for_a_channel_that_is_gone_is_routed_anew() -> None:
    due = [Held(Notice(EPISODE, "first", NOW, "pager"), "quiet hours", NOW)]
    assert said(release(due, context(channels=("desk",)))) == [("e1", "desk", "first")]


def test_without_any_channel_an_alert_is_withheld_with_the_mend() -> None:
    assert plan([notice()], context(channels=())).withheld[0].why == "no channel is set up: name one in TOCSIN_NOTIFY"


@pytest.mark.parametrize(
    ("reason", "log", "episode", "expected"),
    [
        ("first", [], {}, "first"),
        ("first", [told()], {}, None),  # told for another scope of the event
        ("first", [told()], {"peak": 6.0}, "worse"),
        ("worse", [told()], {"peak": 6.0}, "worse"),
        ("worse", [told()], {"peak": 4.5}, None),
        ("worse", [], {"peak": 6.0}, "first"),  # the first one was never told here
        ("closed", [told()], {"phase": "closed"}, "closed"),
        ("closed", [], {"phase": "closed"}, None),
        ("closed", [told(), told("closed")], {"phase": "closed"}, None),
        ("unwatched", [told()], {"phase": "closed"}, "unwatched"),
        ("unwatched", [], {"phase": "closed"}, None),
        ("unwatched", [told(), told("closed")], {"phase": "closed"}, None),
        ("worse", [told(), told("closed")], {}, "worse"),  # it came back
        ("worse", [told(), told("unwatched")], {}, "worse"),
        ("reminder", [told()], {}, None),
        ("reminder", [told(at=NOW - timedelta(days=2))], {}, "reminder"),
        ("reminder", [told("not told: quiet")], {}, "first"),  # reasons for silence are not messages
    ],
)
def test_the_log_of_what_was_told_gives_the_reason(
    reason: Reason, log: Sequence[ToldBefore], episode: dict[str, Any], expected: str | None
) -> None:
    answer = plan([notice(reason, **episode)], context(told=log))
    assert [one.reason for one in answer.single] == ([expected] if expected else [])
    assert len(answer.withheld) == (expected is None)


def test_growth_right_after_a_message_waits_a_breath() -> None:
    answer = plan([notice("worse", peak=8.0)], context(told=[told(at=NOW - timedelta(minutes=4))]))
    assert answer.single == []
    assert [one.until for one in answer.held] == [NOW + timedelta(minutes=6)]


def test_an_all_clear_waits_for_the_last_episode_of_the_event() -> None:
    other = replace(EPISODE, id="e2", scope="topic:Macro")
    answer = plan([notice("closed", phase="closed")], context(told=[told()], running=[other]))
    assert answer.single == []


def test_noise_is_not_told_again() -> None:
    answer = plan([notice("worse", peak=9.0)], context(told=[told()], noise=frozenset({"e1"})))
    assert [one.why for one in answer.withheld] == ["marked as noise"]


def test_a_silence_covers_what_lies_inside_its_scope() -> None:
    silence = Silence("company:DELM", None, NOW + timedelta(hours=1), "ann")
    inside = notice(scope="company:DELM|topic:Macro")
    beside = notice(scope="company:NRVN")
    assert len(plan([inside], context(silences=[silence])).held) == 1
    assert len(plan([beside], context(silences=[silence])).single) == 1


def test_a_rule_is_inhibited_while_another_rings_around_it() -> None:
    sector = replace(EPISODE, id="e2", incident="i2", rule=2, scope="all")
    rules = {1: Rule(id=1, inhibited_by=("Crash",)), 2: Rule(id=2, name="Crash")}
    answer = plan([notice()], context(rules=rules, running=[sector]))
    assert [one.why for one in answer.held] == ["inhibited: Crash rings for a scope that holds it"]
    assert [one.until for one in answer.held] == [NOW + ASK_AGAIN]
    assert release(answer.held, context(rules=rules, running=[sector])).held == answer.held, "it is asked again"
    assert said(release(answer.held, context(rules=rules))) == [("e1", "console", "first")], "told once that is over"
    over = [one._replace(notice=notice(phase="closed")) for one in answer.held]
    assert release(over, context(rules=rules)).withheld, "and never where it ended meanwhile"
    all_clear = plan([notice("closed", phase="closed")], context(rules=rules, running=[sector], told=[told()]))
    assert said(all_clear) == [("e1", "console", "closed")], "who heard of its start hears of its end"


def test_a_rule_does_not_inhibit_itself() -> None:
    rules = {1: Rule(id=1, name="Crash", inhibited_by=("Crash",))}
    assert said(plan([notice()], context(rules=rules, running=[EPISODE]))) == [("e1", "console", "first")]


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-03T22:30:00+00:00", "2026-03-04T06:00:00+00:00"),
        ("2026-03-04T05:59:00+00:00", "2026-03-04T06:00:00+00:00"),
        ("2026-03-04T06:00:00+00:00", None),
        ("2026-03-03T12:00:00+00:00", None),
        ("2026-03-28T22:30:00+00:00", "2026-03-29T05:00:00+00:00"),  # the night the clocks go forward
    ],
)
def test_quiet_hours_end_in_the_readers_morning(at: str, until: str | None) -> None:
    rule = Rule(quiet=("22:00", "07:00"), zone="Europe/Berlin")
    found = silent_until(rule, datetime.fromisoformat(at))
    assert found == (datetime.fromisoformat(until) if until else None)


def test_office_hours_wait_for_the_next_working_day() -> None:
    rule = Rule(hours=("09:00", "17:30"), zone="America/New_York")
    friday_evening = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)
    assert silent_until(rule, friday_evening) == datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    assert silent_until(rule, datetime(2026, 3, 6, 15, 0, tzinfo=UTC)) is None


def test_a_digest_rule_gathers_until_morning_and_then_lists_what_was_and_what_is_over() -> None:
    rule = Rule(id=1, digest="weekly", zone="Europe/Berlin")
    answer = plan([notice()], context(rule))
    assert [one.until for one in answer.held] == [datetime(2026, 3, 9, 6, 0, tzinfo=UTC)]
    assert next_digest(replace(rule, digest="daily"), NOW) == datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
    over = replace(EPISODE, id="e2", incident="i2", phase="closed")
    due = [*answer.held, Held(Notice(over, "first", NOW, "console"), "weekly digest", NOW)]
    released = release(due, context(rule))
    assert [one.episode.id for one in released.bundles["console"]] == ["e1", "e2"]


@pytest.mark.parametrize(
    ("at", "digest", "expected"),
    [
        ("2026-03-28T07:00+00:00", "daily", "2026-03-29T05:00+00:00"),  # the clocks go forward that night
        ("2026-10-24T06:00+00:00", "daily", "2026-10-25T06:00+00:00"),  # and back
        ("2026-10-20T06:00+00:00", "weekly", "2026-10-26T06:00+00:00"),
    ],
)
def test_a_digest_comes_at_seven_by_the_readers_clock(at: str, digest: Any, expected: str) -> None:
    rule = Rule(digest=digest, zone="Europe/Berlin")
    assert next_digest(rule, datetime.fromisoformat(at)) == datetime.fromisoformat(expected)


def test_a_night_of_changes_is_one_message_in_the_morning() -> None:
    over = replace(EPISODE, phase="closed")
    night: list[Reason] = ["worse", "closed"]
    due = [Held(Notice(over, reason, NOW, "console"), "quiet hours", NOW) for reason in night]
    assert said(release(due, context(told=[told()]))) == [("e1", "console", "closed")]
    unheard = [Held(Notice(over, reason, NOW, "console"), "quiet hours", NOW) for reason in ("first", *night)]
    assert said(release(unheard, context())) == [("e1", "console", "first")]


def test_what_it_became_is_told_rather_than_a_reminder_of_what_it_was() -> None:
    due = [
        Held(notice(reason, peak=9.0)._replace(channel="console"), "quiet hours", NOW)
        for reason in ("reminder", "worse")
    ]  # type: ignore[arg-type]
    assert said(release(due, context(told=[told()]))) == [("e1", "console", "worse")]


def test_an_all_clear_that_waited_while_it_came_back_is_not_told() -> None:
    due = [Held(notice(reason)._replace(channel="console"), "quiet hours", NOW) for reason in ("closed", "worse")]  # type: ignore[arg-type]
    answer = release(due, context(told=[told()]))
    assert answer.single == []
    assert len(answer.withheld) == 2


def test_reasons_for_silence_in_the_log_are_no_start_that_an_all_clear_could_end() -> None:
    due = [
        Held(notice(reason, phase="closed")._replace(channel="console"), "quiet hours", NOW)
        for reason in ("first", "closed")
    ]  # type: ignore[arg-type]
    answer = release(due, context(told=[told("not told: inhibited")]))
    assert said(answer) == [("e1", "console", "first")]


def test_an_all_clear_that_waited_alone_while_it_came_back_is_not_told_either() -> None:
    (held,) = [Held(notice("closed")._replace(channel="console"), "quiet hours", NOW)]
    answer = release([held], context(told=[told()]))
    assert answer.single == []
    assert [one.why for one in answer.withheld] == ["quiet hours; it came back before that ended"]


@pytest.mark.parametrize("hours", [{"quiet": ("22:00", "08:00")}, {"hours": ("09:00", "17:00")}])
def test_a_digest_in_quiet_hours_is_told_when_they_end(hours: dict[str, Any]) -> None:
    rule = Rule(id=1, digest="daily", **hours)
    now, held = NOW, plan([notice()], context(rule)).held
    for _ in range(4):
        (one,) = held
        now = one.until
        answer = release([one._replace(notice=one.notice._replace(channel="console"))], context(rule, now=now))
        if answer.single:
            break
        held = answer.held
    assert said(answer) == [("e1", "console", "first")]
    assert now == told_at(rule, NOW)


QUIET = Rule(id=1, quiet=("08:00", "20:00"))
TWO_RULES = {1: QUIET, 2: Rule(id=2)}


@pytest.mark.parametrize("slow", [QUIET, Rule(id=1, digest="daily"), Rule(id=1, hours=("14:00", "17:00"))])
def test_what_waits_for_its_hour_or_digest_silences_no_other_rule_of_the_same_event(slow: Rule) -> None:
    rules = {1: slow, 2: Rule(id=2)}
    ones = [notice(), notice(id="e2", rule=2, severity=3.0)]
    answer = plan(ones, context(rules=rules))
    assert said(answer) == [("e2", "console", "first")]
    assert [one.notice.episode.id for one in answer.held] == ["e1"]
    held = [Held(one, "silenced by ann", NOW) for one in ones]
    assert said(release(held, context(rules=rules))) == [("e2", "console", "first")], "nor where a silence held both"


def test_what_waited_is_told_only_where_it_is_still_news_to_its_reader() -> None:
    due = plan([notice()], context(rules=TWO_RULES)).held
    later = context(rules=TWO_RULES, now=due[0].until, told=[told()])
    assert [one.why for one in release(due, later).withheld] == ["same event, told 03 Mar 09:00 UTC, not much worse"]
    grown = [one._replace(notice=notice(peak=9.0)._replace(channel="console")) for one in due]
    assert said(release(grown, later)) == [("e1", "console", "worse")]


def test_changes_that_wait_for_a_digest_are_one_line_of_it() -> None:
    rule, changes = Rule(id=1, digest="daily"), ("first", "worse", "closed")
    held = [one for reason in changes for one in plan([notice(reason, phase="closed")], context(rule)).held]
    assert len(held) == 3
    assert said(release(held, context(rule, now=held[0].until))) == [("e1", "console", "first")]


def test_a_digest_that_a_limit_held_comes_when_that_is_lifted_and_not_a_day_later() -> None:
    rule = Rule(id=1, digest="daily")
    full = {"console": [NOW] * LIMIT}
    (held,) = release([Held(notice()._replace(channel="console"), "daily digest", NOW)], context(rule, sent=full)).held
    assert held.until == NOW + timedelta(minutes=10)
    assert said(release([held], context(rule, now=held.until))) == [("e1", "console", "first")]


def test_what_two_reasons_held_and_one_moment_releases_is_all_told() -> None:
    def waited(id: str, why: str) -> Held:
        return Held(notice(id=id, incident=id)._replace(channel="console"), why, NOW)

    due = [waited(f"q{n}", "quiet hours") for n in range(3)] + [waited(f"s{n}", "silenced by ann") for n in range(8)]
    answer = release(due, context())
    told_of = [one.episode.id for one in [*answer.single, *answer.bundles["console"]]]
    assert sorted(told_of) == sorted(one.notice.episode.id for one in due)


def test_a_digest_rule_waits_for_its_digest_whatever_else_held_it_and_is_then_told_even_if_alone() -> None:
    rule = Rule(id=1, digest="daily")
    silenced = release([Held(notice(), "silenced by ann", NOW)], context(rule))
    assert [one.why for one in silenced.held] == ["daily digest"]
    due = [Held(notice()._replace(channel="console"), "daily digest", NOW)]
    assert said(release(due, context(rule))) == [("e1", "console", "first")]


def test_a_clock_that_was_set_back_holds_nothing_for_long() -> None:
    ahead = NOW + timedelta(days=300)
    full = plan([notice()], context(sent={"console": [ahead] * LIMIT}))
    assert [one.until for one in full.held] == [NOW + timedelta(minutes=10)]
    grown = plan([notice("worse", peak=9.0)], context(told=[told(at=ahead)]))
    assert [one.until for one in grown.held] == [NOW + timedelta(minutes=10)]


def test_growth_that_is_over_when_its_wait_ends_is_not_told() -> None:
    over = replace(EPISODE, phase="closed", peak=9.0)
    answer = release([Held(Notice(over, "worse", NOW, "console"), "told just before", NOW)], context(told=[told()]))
    assert answer.single == []
    assert answer.withheld[0].why == "told just before, and over before that ended"


def test_past_the_limit_the_rarest_go_out_and_the_rest_are_listed() -> None:
    many = [notice(id=f"e{i}", incident=f"i{i}", severity=float(i)) for i in range(40)]
    answer = plan(many, context())
    assert [one.episode.id for one in answer.single] == [f"e{i}" for i in range(39, 39 - LIMIT + 1, -1)]
    assert len(answer.bundles["console"]) == 40 - (LIMIT - 1)
    assert answer.withheld == []


def test_where_the_limit_is_reached_everything_waits_until_it_is_lifted() -> None:
    sent = {"console": [NOW - timedelta(minutes=minutes) for minutes in range(1, LIMIT + 1)]}
    answer = plan([notice()], context(sent=sent))
    assert [one.until for one in answer.held] == [NOW + timedelta(minutes=10 - LIMIT)]


def test_every_notice_is_sent_listed_held_or_withheld() -> None:
    many = [notice(id=f"e{i}", incident=f"i{i % 7}", scope=f"company:C{i % 5}") for i in range(100)]
    silence = Silence("company:C1", None, NOW + timedelta(hours=1), "ann")
    answer = plan(many, context(silences=[silence], noise=frozenset({"e3"})))
    places = [one.episode.id for one in answer.single]
    places += [one.episode.id for bundle in answer.bundles.values() for one in bundle]
    places += [one.notice.episode.id for one in [*answer.held, *answer.withheld]]
    assert sorted(places) == sorted(f"e{i}" for i in range(100))
