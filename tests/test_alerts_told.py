"""What readers are told of a crisis, and when: once, again, later, together; through silences and restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import text

from monitor.alerts.rules import Rule
from monitor.store import outbox, read_alerts, rules
from monitor.store.engine import transaction
from monitor.types import Probabilities
from tests.alert_world import BAD, FLAT, HOUSES, World, lived

GOOD = Probabilities(0.02, 0.08, 0.9)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with lived(World(database_url)) as one:
        one.tick()
        yield one


class Talk(World):
    """Ten stories an hour about one company, four of them good."""

    def history(self, days: int = 20) -> None:
        begin, moods = self.at - timedelta(days=days), (GOOD, FLAT, GOOD, FLAT, FLAT)
        self.save(
            [
                self.article("C1", begin + n * timedelta(minutes=6), HOUSES[n % 6], moods[n % 5], is_backfill=True)
                for n in range(days * 240)
            ]
        )


def dead_feed(world: World) -> None:
    """One that has failed for three hours and used to bring something every ten minutes."""
    with transaction(world.database) as tx:
        tx.execute(
            text("""INSERT INTO feeds (name, url, kind, publisher, family, cadence_s, failures, error, articles, ok_at,
                    article_at, gaps_s) VALUES ('quay', 'https://quay.example', 'news', 'Quay', 'Quay', 300, 9,
                    'HTTP 503', 900, :at, :at, '{600,600,600,600,600}')"""),
            {"at": world.at - timedelta(hours=3)},
        )


def test_a_restart_in_mid_episode_tells_nothing_twice_and_still_ends_it(world: World) -> None:
    world.crisis()
    world.tick(5)
    for _ in range(3):
        world.restart()
        world.tick(10)
    assert world.told() == ["first"]
    world.restart()
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]


def test_a_burst_where_bad_news_is_rare_is_over_hours_later_and_not_days(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, shapes=("company",)), "ann", world.at)
    world.crisis("C2")
    world.tick(240, step=15)
    assert world.told() == ["first", "closed"]


def test_a_message_hours_later_holds_what_came_against_what_is_usual_in_all_that_time(world: World) -> None:
    world.crisis()
    for _ in range(12):
        world.tick(15)
        world.crisis(stories=2)
    world.tick(20)
    world.crisis(stories=200)
    world.tick(5)
    (last,) = world.rows("SELECT message->'lines'->>0 FROM outbox ORDER BY id DESC LIMIT 1")
    told = re.fullmatch(
        r"(\d+) negative stories from 6 publishers since 3 Mar 10:00 UTC \((\d) hours\), (\d+) in the last hour;"
        r" usual here in that time: (0\.[3-9])\.",
        str(last[0]),
    )
    assert told, last
    assert (int(told[1]), int(told[2]), int(told[3])) == (236, 3, 206)


def test_growth_names_what_is_missing_then_and_shows_what_is_new_first(world: World) -> None:
    world.crisis(headline="the first of all", stories=1)
    world.crisis()
    world.save([world.article("C1", world.at, house, BAD, headline="the first of all") for house in HOUSES[1:]])
    world.tick(90)
    dead_feed(world)
    world.crisis(stories=150)
    world.tick(15)
    told = world.rows("SELECT message->'after'->>-1, message->'stories'->0->>'title' FROM outbox ORDER BY id")
    (first, shown), (worse, new) = told
    assert (first, shown) == ("Data are complete.", "C1 the first of all")
    assert str(worse).startswith("Data are incomplete, so it may be more: quay is silent since 3 hours")
    assert new != shown


def test_growth_is_told_once_and_not_within_a_breath_of_the_first_message(world: World) -> None:
    world.crisis(stories=6)
    world.tick(4, step=1)
    world.crisis(stories=40)
    world.tick(4, step=1)
    assert world.told() == ["first"]
    world.tick(15)
    assert world.told() == ["first", "worse"]


def test_a_silenced_alert_that_still_rings_is_told_when_the_silence_ends(world: World) -> None:
    with transaction(world.database) as tx:
        outbox.silence(tx, "company:C1", world.at + timedelta(minutes=30), "ann", "results day", world.at)
    world.crisis(stories=30)
    world.tick(29)
    assert world.told() == []
    world.tick(6)
    assert world.told() == ["first"]


def test_a_silence_ended_early_tells_at_once(world: World) -> None:
    with transaction(world.database) as tx:
        id = outbox.silence(tx, "company:C1", world.at + timedelta(hours=8), "ann", "", world.at)
    world.crisis()
    world.tick(5)
    with transaction(world.database) as tx:
        outbox.end_silence(tx, id, "ann", world.at)
    world.tick(1)
    assert world.told() == ["first"]


def test_an_alert_that_is_over_before_its_silence_ends_is_kept_but_not_told(world: World) -> None:
    with transaction(world.database) as tx:
        outbox.silence(tx, "all", world.at + timedelta(hours=9), "ann", "", world.at)
    world.crisis()
    world.tick(600, step=15)
    assert world.told() == []
    assert world.rows("SELECT 1 FROM told WHERE reason LIKE 'not told: silenced by ann, and over%'")


def test_a_dead_feed_holds_back_the_all_clear_and_is_named_in_the_alarm(world: World) -> None:
    dead_feed(world)
    world.crisis()
    world.tick(5)
    assert world.told() == ["first"]
    assert "Data are incomplete, so it may be more: quay is silent since 3 hours" in world.out.getvalue()
    world.tick(600, step=15)
    assert world.told() == ["first"]
    with transaction(world.database) as tx:
        tx.execute(text("UPDATE feeds SET failures = 0, ok_at = :at, article_at = :at"), {"at": world.at})
    world.tick(20)
    assert world.told() == ["first", "closed"]


def test_a_feed_that_died_makes_neither_a_reminder_nor_a_longer_story(world: World) -> None:
    world.crisis()
    world.tick(20)
    dead_feed(world)
    for hours in (6, 6, 16):
        world.tick(60 * hours, step=15)
        world.crisis(stories=1)
    world.tick(20)
    assert world.told() == ["first"]
    ((phase, missing, seen, expected),) = world.rows("SELECT phase, missing[1], seen, expected FROM episodes")
    assert (phase, seen) == ("easing", 12)
    assert str(missing).startswith("quay is silent since")
    assert cast(float, expected) < 0.5
    with transaction(world.database) as tx:
        tx.execute(text("UPDATE feeds SET ok_at = :at, article_at = :at, failures = 0"), {"at": world.at})
    world.tick(10)
    assert world.told() == ["first", "closed"]
    ((line,),) = world.rows("SELECT message->'lines'->>0 FROM outbox ORDER BY id DESC LIMIT 1")
    assert re.search(r"It ran from 3 Mar 10:00 UTC to 1\d:\d\d UTC: 12 negative stories", str(line)), line


def test_a_night_of_quiet_ends_with_how_complete_the_data_are_then(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, quiet=("09:00", "10:30")), "ann", world.at)
    world.crisis()
    world.tick(5)
    dead_feed(world)
    world.tick(30)
    ((after,),) = world.rows("SELECT message->'after' FROM outbox")
    assert "quay is silent since" in str(after)


def test_2500_matches_at_once_are_six_messages_that_list_them_all(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, shapes=("company",), min_stories=1, min_publishers=1), "ann", world.at)
    world.save([world.article(f"X{i:04d}", world.at, HOUSES[j], BAD) for i in range(2500) for j in range(3)])
    world.tick()
    assert len(world.episodes()) == 2500
    assert world.told() == ["first"] * 5 + ["list"]
    assert "2,495 more alerts at once" in world.out.getvalue()
    assert "and 2,470 more alerts on the dashboard" in world.out.getvalue()


def test_two_rules_that_ring_for_one_event_tell_it_once(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(name="My companies", companies=("C1",), shapes=("company",)), "ann", world.at)
    world.crisis()
    world.tick(20)
    assert len(world.episodes()) == 2
    assert world.told() == ["first"]
    assert world.rows("SELECT count(*) FROM incidents") == [(1,)]


def test_a_daily_digest_is_one_list_in_the_readers_morning(world: World) -> None:
    rule = Rule(id=1, shapes=("company",), digest="daily", zone="Europe/Berlin")
    with transaction(world.database) as tx:
        rules.save_rule(tx, rule, "ann", world.at)
    world.crisis("C1")
    world.crisis("C2", topic="Earnings")
    world.tick(19 * 60, step=30)
    assert world.told() == []
    world.tick(90, step=30)
    assert world.told() == ["list"]
    assert "Digest: 2 alerts" in world.out.getvalue()
    line = r"C2 Corp \(C2\): 12 negative stories since 3 Mar 11:00, usual [^;]+; over\. C2 \w+ .* \(\w+ Daily\)"
    assert re.search(line, world.out.getvalue())
    world.tick(22 * 60, step=60)
    assert world.told() == ["list"], "what changes meanwhile waits for the next"


def test_a_night_of_quiet_is_told_at_its_end(world: World) -> None:
    rule = Rule(id=1, shapes=("company",), quiet=("11:00", "13:00"), zone="Europe/Berlin")
    with transaction(world.database) as tx:
        rules.save_rule(tx, rule, "ann", world.at)
    world.crisis()
    world.tick(115)
    assert world.told() == []
    world.tick(10)
    assert world.told() == ["first"]


def test_a_message_shows_its_episode_after_as_long_a_stretch_of_the_usual(world: World) -> None:
    world.crisis()
    world.tick(20)
    ((chart,),) = world.rows("SELECT message->'chart' FROM outbox")
    assert isinstance(chart, dict)
    assert chart["step_s"] == 300
    assert len(chart["seen"]) == len(chart["usual"]) == 24
    assert sum(chart["seen"][chart["begins"] :]) == 12
    assert 0 < sum(chart["usual"]) < 2, "as the detector knows it"


def test_a_rule_whose_channel_is_gone_from_the_settings_is_told_everywhere(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, shapes=("company",), routes=("pager",)), "ann", world.at)
    world.crisis()
    world.tick(5)
    assert world.told() == ["first"]
    assert "The rule's channel pager is not set up, so every channel hears of this." in world.out.getvalue()


def test_an_alarm_on_the_share_says_no_more_than_the_share_tells(database_url: str) -> None:
    with lived(Talk(database_url)) as world:
        with transaction(world.database) as tx:
            rules.save_rule(tx, Rule(id=1, shapes=("company",), sentiment="positive"), "ann", world.at)
        world.tick()
        for number in range(30):  # half as many stories as usual, all of them good
            world.save([world.article("C1", world.at, HOUSES[number % 6], GOOD)])
            world.tick(12)
        ((first, why),) = world.rows(
            "SELECT message->'lines'->>0, message->'lines'->>1 FROM outbox ORDER BY id LIMIT 1"
        )
        ((reason, seen, expected),) = world.rows("SELECT reason, seen, expected FROM episodes")
    assert str(first).endswith("usual among as many stories: 1.6.")
    assert str(why).endswith("A larger part of the stories than usual is positive.")
    assert (reason, seen) == ("share", 30)
    assert cast(float, expected) == pytest.approx(0.4 * 30, abs=2)


def test_a_word_on_one_of_an_event_s_alerts_is_on_the_event(world: World) -> None:
    """Its reader saw one message: no reminder of the other alert, no unmarked one in the other rule's precision."""
    with transaction(world.database) as tx:
        second = rules.save_rule(tx, Rule(name="Mine"), "ann", world.at)
    world.crisis()
    world.tick(5)
    ((first, other),) = world.rows(
        "SELECT min(id) FILTER (WHERE rule = 1), min(id) FILTER (WHERE rule = 2) FROM episodes"
    )
    assert world.rows("SELECT count(DISTINCT incident) FROM episodes") == [(1,)]
    late = world.at + timedelta(days=2)
    with transaction(world.database) as tx:
        assert {one.id for one in read_alerts.to_remind(tx, late, timedelta(days=1))} == {first, other}
        assert read_alerts.precision(tx, second) == (0, 0, 1)
        outbox.give_feedback(tx, str(first), "noise", "ann", world.at)
        assert read_alerts.to_remind(tx, late, timedelta(days=1)) == []
        assert read_alerts.precision(tx, second) == (0, 1, 0)
