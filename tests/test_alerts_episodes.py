"""Which scope an event is about, how complete the data are, and what is known of scopes never heard of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.alerts import watch
from monitor.alerts.backlog import Progress, look
from monitor.alerts.completeness import FeedFacts, last_final, missing, silent_feeds
from monitor.alerts.episodes import Evidence, Rising, Running, choose, identity
from monitor.alerts.readings import Reading
from monitor.alerts.state import EpisodeState, Transition
from monitor.alerts.watch import Tally
from monitor.types import BUCKET

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
TOPIC = "Legal | Regulation"


def rising(scope: str, stories: Sequence[int], expected: float = 0.1) -> Rising:
    reading = Reading(
        scope=scope,
        at=NOW,
        since=NOW,
        expected=expected,
        seen=len(stories),
        severity=5.0,
        reason="count",
        elevated=True,
    )
    state = EpisodeState(scope=scope, phase="open", start=NOW, detected=NOW)
    evidence = tuple(
        Evidence(story=f"s{n}", article=f"s{n}", title="t", url=None, publisher="p", at=NOW, families=("p",))
        for n in stories
    )
    return Rising(Transition("opened", state, reading), evidence)


def chosen(*ones: Rising, running: Sequence[Running] = ()) -> tuple[list[str], dict[str, str]]:
    ids = {one.scope: f"id of {one.scope}" for one in ones}
    answer = choose(1, ones, running, ids)
    return [one.scope for one, _ in answer.opens], {one.scope: host for one, host in answer.joins}


COMPANY, AT_TOPIC, ALL = "company:DELM", f"company:DELM|topic:{TOPIC}", "all"


def test_the_narrowest_scope_that_explains_the_rise_opens() -> None:
    ones = (rising(ALL, range(14), 3.0), rising(f"topic:{TOPIC}", range(12)), rising(COMPANY, range(12)))
    opens, joins = chosen(*ones, rising(AT_TOPIC, range(11)))
    assert opens == [AT_TOPIC]
    assert set(joins) == {ALL, f"topic:{TOPIC}", COMPANY}


def test_a_topic_that_explains_half_of_a_company_joins_the_company() -> None:
    opens, joins = chosen(rising(AT_TOPIC, range(6)), rising(COMPANY, range(12)))
    assert opens == [COMPANY]
    assert joins == {AT_TOPIC: f"id of {COMPANY}"}


def test_a_sector_event_opens_at_the_topic_though_one_company_of_it_rings_too() -> None:
    opens, joins = chosen(rising(COMPANY, range(5)), rising(f"topic:{TOPIC}", range(30)))
    assert opens == [COMPANY, f"topic:{TOPIC}"]
    assert joins == {}


def test_two_companies_in_the_same_stories_are_one_event() -> None:
    opens, joins = chosen(rising(COMPANY, range(12)), rising("company:PEER", range(2, 12)))
    assert opens == [COMPANY]
    assert joins == {"company:PEER": f"id of {COMPANY}"}


def test_several_events_together_explain_what_none_does_alone() -> None:
    two = (rising(COMPANY, range(10)), rising("company:NRVN", range(10, 20)))
    opens, joins = chosen(*two, rising(ALL, range(20), 2.0))
    assert opens == [COMPANY, "company:NRVN"]
    assert list(joins) == [ALL]


def test_a_wide_scope_joins_an_event_that_was_over_lately() -> None:
    over = Running(1, "e0", "i0", COMPANY, frozenset(f"s{n}" for n in range(12)))
    opens, joins = chosen(rising(ALL, range(14), 3.0), running=[over])
    assert opens == []
    assert joins == {ALL: "e0"}


def test_events_that_share_some_stories_are_one_incident() -> None:
    other = Running(1, "e0", "i0", "company:NRVN", frozenset(f"s{n}" for n in range(4)))
    answer = choose(1, [rising(COMPANY, range(12))], [other], {COMPANY: "e1"})
    assert [(one.scope, incident) for one, incident in answer.opens] == [(COMPANY, "i0")]


def test_another_rules_episode_never_hides_one_but_shares_its_incident() -> None:
    other = Running(2, "e0", "i0", COMPANY, frozenset(f"s{n}" for n in range(12)))
    answer = choose(1, [rising(COMPANY, range(12))], [other], {COMPANY: "e1"})
    assert [(one.scope, incident) for one, incident in answer.opens] == [(COMPANY, "i0")]


def test_an_episode_is_named_by_its_key_and_number_alone() -> None:
    assert identity(1, COMPANY, 1) == identity(1, COMPANY, 1)
    assert len({identity(1, COMPANY, 1), identity(1, COMPANY, 2), identity(2, COMPANY, 1), identity(1, ALL, 1)}) == 4


WEEK_OF_GAPS = (10, 20, 15, 12, 2000, 2000, 2000, 2000, 2000, 600)


def feed(silent: timedelta, gaps_min: Sequence[int] = (10, 20, 15, 12, 30), failures: int = 0) -> FeedFacts:
    gaps = tuple(timedelta(minutes=gap) for gap in gaps_min)
    error = "HTTP 503" if failures else None
    return FeedFacts("quay", timedelta(minutes=5), failures, error, NOW - silent, NOW - silent, gaps)


@pytest.mark.parametrize(
    ("facts", "is_silent"),
    [
        (feed(timedelta(hours=13)), False),  # its gaps know no night
        (feed(timedelta(hours=16)), True),
        (feed(timedelta(hours=49), gaps_min=WEEK_OF_GAPS), False),  # it is often silent so long
        (feed(timedelta(hours=51), gaps_min=WEEK_OF_GAPS), True),
        (feed(timedelta(hours=20), gaps_min=(10,)), False),  # too little is known of it
        (feed(timedelta(hours=30), gaps_min=(10,)), True),
        (feed(timedelta(minutes=20), failures=3), True),
        (feed(timedelta(minutes=10), failures=3), False),  # it was there a moment ago
    ],
)
def test_a_feed_is_silent_beyond_its_own_normal_gap(facts: FeedFacts, is_silent: bool) -> None:
    assert bool(silent_feeds([facts], NOW)) is is_silent


def test_a_weekend_is_no_silence_of_a_feed_whose_gaps_know_none() -> None:
    monday = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
    last = datetime(2026, 3, 6, 21, 0, tzinfo=UTC)
    facts = feed(timedelta(0))._replace(ok_at=monday, article_at=last)
    assert silent_feeds([facts], monday) == []
    assert silent_feeds([facts], monday + timedelta(hours=8)) != []


def test_a_feed_that_never_answered_is_told_after_hours_and_holds_back_nothing() -> None:
    never = feed(timedelta(0))._replace(ok_at=None, article_at=None, error="it answers 404")
    (told,) = silent_feeds([never._replace(failures=6)], NOW)
    assert (told.name, told.since, told.error) == ("quay", None, "it answers 404")
    assert silent_feeds([never._replace(failures=5)], NOW) == [], "it may be added on a bad day"
    assert missing([told], look(None, {}, [], NOW), NOW) == ()


def test_a_feed_given_up_is_no_longer_waited_for() -> None:
    old, new = (silent_feeds([feed(length)], NOW) for length in (timedelta(days=4), timedelta(hours=16)))
    nothing = look(None, {}, [], NOW)
    assert missing(old, nothing, NOW) == ()
    assert missing(new, nothing, NOW) == ("quay is silent since 16 hours",)


@pytest.mark.parametrize(
    ("lag", "progress", "minutes_ago"),
    [
        ({}, [], 5),
        ({0: 3}, [Progress(0, NOW - timedelta(minutes=32), 7)], 40),
        ({0: 0}, [Progress(0, NOW - timedelta(minutes=32), 7)], 5),
        ({0: 3}, [Progress(0, NOW - timedelta(days=30), 7)], 365),
        ({1: 3}, [Progress(0, NOW, 7)], 365),  # that partition has saved nothing yet
    ],
)
def test_a_bucket_is_final_once_every_partition_with_lag_has_passed_it_or_after_six_hours(
    lag: dict[int, int], progress: Sequence[Progress], minutes_ago: int
) -> None:
    now = NOW + timedelta(minutes=1)
    assert last_final(look(None, lag, progress, now), now) == NOW - timedelta(minutes=minutes_ago)


def history(days: int = 4) -> list[Tally]:
    first = NOW - timedelta(days=days)
    hours = [first + timedelta(hours=hour) for hour in range(days * 24)]
    return [Tally(scope, at, 4, 1, 0, 0) for at in hours for scope in ("all", "topic:Macro")]


def learned(tallies: Sequence[Tally]) -> watch.Watch:
    first = min(one.at for one in tallies)
    return watch.learn(watch.new_watch({one.scope for one in tallies}, first), tallies, NOW)


def test_a_bank_is_stored_and_read_back_bit_by_bit() -> None:
    before = learned(history())
    after = watch.from_bytes(watch.to_bytes(before))
    assert after is not None
    assert after.at == before.at
    news = [Tally("all", NOW, 9, 9, 9, 9)]
    seen = [watch.glance(one, news, NOW)[1].surface.severity for one in (before, after)]
    assert np.array_equal(*seen)


def test_a_scope_never_heard_of_has_a_normal_of_nothing() -> None:
    _, seen = watch.glance(learned(history()), [Tally("company:NEW", NOW, 8, 8, 8, 8)], NOW)
    row = seen.bank.scopes.index("company:NEW")
    assert seen.surface.learning_days[row, -1] == 0
    assert seen.surface.severity[row, -1] > 3


def test_open_buckets_are_judged_again_from_the_last_final_state() -> None:
    known = learned(history())
    news = [Tally("all", NOW, 9, 9, 9, 9)]
    _, first = watch.glance(known, news, NOW + BUCKET)
    watch.glance(known, [*news, Tally("topic:Macro", NOW, 50, 50, 50, 50)], NOW + BUCKET)
    _, again = watch.glance(known, news, NOW + BUCKET)
    assert np.array_equal(first.surface.severity, again.surface.severity)


def test_back_fill_is_learned_from_and_never_judged() -> None:
    _, seen = watch.glance(learned(history()), [Tally("all", NOW, 90, 90, 0, 0)], NOW)
    assert seen.surface.seen.max() == 0
