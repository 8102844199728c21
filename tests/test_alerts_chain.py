"""A crisis from its rows to an episode: what rings, what does not, and where; through bad days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import pytest

from monitor.alerts.calendar import ANYWHERE
from monitor.alerts.episodes import EVIDENCE_LIMIT
from monitor.alerts.rules import Rule
from monitor.backtest_command import backtest_stored, measure, trial_of
from monitor.store import read_stories, rules
from monitor.store.engine import transaction
from monitor.store.reads import open_for_reading
from monitor.types import Kind, Probabilities
from tests.alert_world import BAD, HOUSES, LEGAL_AT_C1, TOPICS, World, lived


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with lived(World(database_url)) as one:
        one.tick()
        yield one


def test_a_crisis_rings_once_at_its_company_and_ends_with_an_all_clear(world: World) -> None:
    world.at += timedelta(minutes=11)
    world.tick()
    assert world.told() == []
    world.crisis()
    world.tick(20)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    assert world.told() == ["first"]
    assert "12 negative stories from 6 publishers" in world.out.getvalue()
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]
    world.tick(26 * 60, step=60)  # beyond the time in which it would re-open
    assert world.rows("SELECT phase, ended IS NOT NULL FROM episodes") == [("closed", True)]


def test_wider_scopes_that_rise_through_the_same_stories_are_named_and_open_nothing(world: World) -> None:
    world.crisis()
    world.tick(10)
    (row,) = world.rows("SELECT also FROM episodes")
    assert {"all", "company:C1", "topic:Legal | Regulation"} <= set(row[0])  # type: ignore[call-overload]


def test_a_crisis_spread_over_topics_rings_at_the_company(world: World) -> None:
    for topic in TOPICS:
        world.crisis(stories=5, topic=topic)
    world.tick(10)
    assert world.episodes() == [("company:C1", "open")]
    assert world.told() == ["first"]


def test_flapping_between_bad_and_calm_hours_stays_one_episode(world: World) -> None:
    for _ in range(3):
        world.crisis(stories=8)
        world.tick(95)
    world.tick(600, step=15)
    assert len(world.episodes()) == 1
    assert world.told().count("first") == 1
    assert world.told().count("closed") == 1


def test_a_back_fill_of_bad_stories_rings_nothing(world: World) -> None:
    world.crisis(stories=60, is_backfill=True)
    world.tick(60)
    assert world.episodes() == []
    assert world.told() == []


def test_an_episode_counts_all_its_stories_however_many(world: World) -> None:
    for _ in range(4):
        world.crisis(stories=70)
        world.tick(5)
    assert world.rows("SELECT seen FROM episodes") == [(280,)]


def test_what_is_counted_more_than_six_hours_ago_rings_nothing(world: World) -> None:
    now = world.at
    world.at = now - timedelta(hours=7)
    world.crisis(stories=30)
    world.at = now
    world.tick(10)
    assert world.episodes() == []


def test_stories_that_arrive_late_within_open_buckets_still_ring(world: World) -> None:
    world.lag = {0: 12}  # a worker hangs: no bucket becomes final
    world.tick(60)
    late = [world.article("C2", world.at - timedelta(minutes=40), house, BAD) for house in HOUSES * 2]
    world.save(late)
    world.lag = {}
    world.tick(5)
    assert world.told() == ["first"]


def test_copies_of_one_story_are_one_story_and_ring_nothing(world: World) -> None:
    headline = "C1 recalls every battery it has ever sold after fires in three countries, regulators say"
    world.crisis(stories=30, headline=headline)
    world.tick(20)
    assert world.episodes() == []


def test_a_story_told_as_news_and_as_report_counts_once_live_and_in_the_back_test(world: World) -> None:
    for number in range(4):
        headline = world.headline()
        for place, kind in enumerate(("news", "report", "news", "report")):
            house = HOUSES[(number + place) % 6]
            world.save([world.article("C1", world.at, house, BAD, headline=headline, kind=kind)])
    world.tick(10)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    assert str(world.rows("SELECT message->'lines'->>0 FROM outbox")[0][0]).startswith("4 negative stories from 6")
    assert world.rows("SELECT seen, cardinality(also) FROM episodes") == [(4, 3)]
    (line,), _ = backtest_stored(world.database, 0.5, 90, world.at + timedelta(hours=1))
    assert (line["scope"], line["seen"]) == (LEGAL_AT_C1, 4)


def test_a_back_fill_of_another_kind_takes_no_story_from_an_alert(world: World) -> None:
    reports = [world.article("C1", world.at, house, BAD, kind="report") for house in HOUSES]
    earlier = world.at - timedelta(hours=2)
    world.save(reports)
    for one in reports:
        headline = one.tagged.article.title.removeprefix("C1 ")
        world.save([world.article("C1", earlier, "Quay", BAD, headline=headline, is_backfill=True)])
    world.tick(5)
    assert world.rows("SELECT scope, seen FROM episodes") == [(LEGAL_AT_C1, 6)]


def test_one_publisher_alone_rings_nothing_until_others_join(world: World) -> None:
    world.crisis(stories=20, houses=["Harbour"])
    world.tick(5)
    assert world.episodes() == []
    world.crisis(stories=2, houses=["Meridian", "Quay"])
    world.tick(5)
    assert world.told() == ["first"]


def test_a_surge_of_good_news_rings_nothing(world: World) -> None:
    good = Probabilities(0.02, 0.08, 0.9)
    world.save([world.article("C1", world.at, HOUSES[i % 6], good) for i in range(40)])
    world.tick(20)
    assert world.episodes() == []


def test_a_company_never_heard_of_can_ring_at_its_first_bad_hour(world: World) -> None:
    world.crisis("NEWCO")
    world.tick(5)
    assert world.episodes() == [("company:NEWCO|topic:Legal | Regulation", "open")]


def test_a_young_stream_learns_before_it_rings(database_url: str) -> None:
    one = World(database_url)
    try:
        one.history(days=1)
        one.crisis(stories=40)
        one.tick(10)
        assert one.episodes() == []
    finally:
        one.database.dispose()


def test_a_rule_with_words_asks_them_of_the_headlines(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, text="recall battery"), "ann", world.at)
    world.crisis()
    world.tick(5)
    assert world.episodes() == []


@pytest.mark.parametrize(
    "rule",
    [
        Rule(id=1, text="recall battery", shapes=("company",)),
        Rule(id=1, publishers=("Ledger", "Quay", "Tape"), shapes=("company",)),
    ],
    ids=["words", "publishers"],
)
def test_a_narrow_rule_rings_though_hundreds_of_other_stories_are_newer(world: World, rule: Rule) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, rule, "ann", world.at)
    asked = [world.article("C1", world.at, HOUSES[3 + i % 3], BAD, ending=" battery recall") for i in range(12)]
    world.at += timedelta(minutes=5)
    others = [world.article("C1", world.at, HOUSES[i % 3], BAD) for i in range(EVIDENCE_LIMIT + 20)]
    world.save([*asked, *others])
    world.tick()
    assert world.episodes() == [("company:C1", "open")]
    assert world.rows("SELECT count(*) FROM episode_stories") == [(12,)]


@pytest.mark.parametrize("kinds", [("news",), ("news", "report")])
def test_a_chart_shows_the_stories_that_its_rule_counts(world: World, kinds: tuple[Kind, ...]) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, text="recall", shapes=("company",), kinds=kinds), "ann", world.at)
    asked = [world.article("C1", world.at, HOUSES[i % 6], BAD, ending=" recall") for i in range(5)]
    again = [
        world.article("C1", world.at, "Quay", BAD, headline=one.tagged.article.title.removeprefix("C1 "), kind="report")
        for one in asked
    ]
    world.save([*asked, *again])
    world.crisis(stories=20)
    world.tick(5)
    ((line, seen),) = world.rows("SELECT message->'lines'->>0, message->'chart'->'seen' FROM outbox")
    assert str(line).startswith("5 negative stories")
    assert sum(cast(list[int], seen)) == 5
    engine, rule = open_for_reading(world.url), Rule(text="recall", kinds=kinds)
    since, until = world.at - timedelta(hours=1), world.at + timedelta(hours=1)
    drawn = read_stories.series(engine, 1, rule, "company:C1", since, until, timedelta(minutes=30), since)
    listed = read_stories.stories(engine, 1, "company:C1", kinds, since, until, sentiment="negative", rule=rule)
    engine.dispose()
    assert (sum(one.negative for one in drawn), len(listed)) == (5, 5)


def test_a_back_test_over_the_stored_past_finds_the_crisis_that_production_rang_for(world: World) -> None:
    world.crisis()
    world.tick(10)
    (line,), _ = backtest_stored(world.database, 0.5, 90, world.at + timedelta(hours=1))
    assert (line["scope"], line["seen"]) == (LEGAL_AT_C1, 12)
    assert len(cast(list[str], line["headlines"])) == 3


def test_the_first_message_counts_every_story_that_it_shows(world: World) -> None:
    for stories in (1, 2, 3):
        world.crisis(stories=stories)
        world.tick()
        world.at += timedelta(minutes=5)
    (line, shown) = world.rows("SELECT message->'lines'->>0, message->'stories' FROM outbox")[0]
    assert str(line).startswith("6 negative stories from 3 publishers")
    assert len(cast(list[object], shown)) == 5


def test_a_back_test_hears_a_witness_when_it_told_and_not_before(world: World) -> None:
    alone = [world.article("C1", world.at, "Harbour", BAD) for _ in range(12)]
    world.save(alone)
    world.tick(60 * 8, step=30)
    for one in alone:
        headline = one.tagged.article.title.removeprefix("C1 ")
        world.save([world.article("C1", world.at, house, BAD, headline=headline) for house in HOUSES[1:4]])
    world.tick(10)
    assert world.episodes() == []
    assert backtest_stored(world.database, 0.5, 90, world.at + timedelta(hours=1))[0] == []
    world.crisis("C2")
    world.tick(10)
    (line,), _ = backtest_stored(world.database, 0.5, 90, world.at + timedelta(hours=1))
    assert (line["scope"], line["publishers"]) == ("company:C2|topic:Legal | Regulation", 6)


def test_a_back_test_of_the_last_day_knows_what_was_normal_before_it(world: World) -> None:
    world.crisis()
    world.tick(10)
    world.at += timedelta(hours=1)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    with transaction(world.database) as tx:
        (rung,) = trial_of(tx, Rule(), 1, world.at, ANYWHERE).episodes
    assert (rung.scope, rung.seen, rung.expected < 1) == (LEGAL_AT_C1, 12, True)


def test_a_back_test_counts_no_alarm_that_rang_before_its_days(world: World) -> None:
    world.crisis()
    world.at += timedelta(minutes=10)
    with transaction(world.database) as tx:
        assert len(trial_of(tx, Rule(), 1, world.at, ANYWHERE).episodes) == 1
    for _ in range(26):
        world.crisis(stories=4)
        world.at += timedelta(hours=1)
    with transaction(world.database) as tx:
        assert trial_of(tx, Rule(), 1, world.at, ANYWHERE).episodes == ()


def test_a_rule_is_measured_on_the_stored_past_once_there_is_enough_of_it(database_url: str) -> None:
    one = World(database_url)
    try:
        one.history(days=16)
        with transaction(one.database) as tx:
            assert measure(tx, Rule(), ANYWHERE, one.at - timedelta(days=8)) is None
            found = measure(tx, Rule(budget=0.5), ANYWHERE, one.at)
        assert found is not None
        assert found.rate <= 0.5
    finally:
        one.database.dispose()
