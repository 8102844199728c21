"""Rules and watch-lists in the database: names that change, lists that are watched, a saved rule tried on the past."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.alerts.message import Message
from monitor.alerts.past import Trial
from monitor.alerts.rules import Rule
from monitor.backtest_command import backtest_stored, needs_measuring, verdict
from monitor.errors import UsageError
from monitor.store import alerts, outbox, rules
from monitor.store.engine import transaction
from monitor.store.given_up import given_up, send_again
from monitor.store.watchlists import delete_watchlist, save_watchlist, watchlists
from tests.test_alerts_chain import LEGAL_AT_C1, World, lived
from tests.test_alerts_stages import EPISODE


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with lived(World(database_url)) as one:
        one.tick()
        yield one


def save(world: World, rule: Rule) -> int:
    with transaction(world.database) as tx:
        return rules.save_rule(tx, rule, "ann", world.at)


def names(world: World) -> dict[int, Rule]:
    with transaction(world.database) as tx:
        return {one.rule.id: one.rule for one in rules.rules(tx)}


def keep_list(world: World, name: str, *companies: str, was: str | None = None) -> None:
    with transaction(world.database) as tx:
        save_watchlist(tx, name, companies, "ann", world.at, was)


def test_a_renamed_rule_is_the_same_rule_with_its_episodes_and_those_that_wait_for_it(world: World) -> None:
    second = save(world, Rule(name="Mine", inhibited_by=("Negative surge",)))
    world.crisis()
    world.tick(5)
    save(world, Rule(id=1, name="Crash"))
    assert {id: one.name for id, one in names(world).items()} == {1: "Crash", second: "Mine"}
    assert names(world)[second].inhibited_by == ("Crash",)
    assert (1, "open") in world.rows("SELECT rule, phase FROM episodes")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(name="Negative surge"), "name 'Negative surge' is another rule's"),
        (Rule(name="Mine", inhibited_by=("Crash",)), "inhibited_by names no rule 'Crash'; known: Negative surge"),
        (Rule(name="Mine", watchlists=("Cars",)), "watchlists has no list 'Cars'; known: none yet"),
        (Rule(name="Mine", kinds=()), "kinds must be one or more"),
        (Rule(id=77, name="Mine"), "was removed meanwhile"),
    ],
)
def test_a_rule_that_cannot_stand_is_not_saved(world: World, rule: Rule, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        save(world, rule)
    assert len(names(world)) == 1


def test_rules_that_wait_for_each_other_in_a_circle_are_refused(world: World) -> None:
    save(world, Rule(name="B", inhibited_by=("Negative surge",)))
    third = save(world, Rule(name="C", inhibited_by=("B",)))
    for rule in (Rule(id=1, name="Negative surge", inhibited_by=("C",)), Rule(id=1, name="New", inhibited_by=("B",))):
        with pytest.raises(UsageError, match="goes round in a circle"):
            save(world, rule)
    save(world, Rule(id=third, name="C", inhibited_by=("B", "Negative surge")))


def test_a_measure_of_what_was_changed_meanwhile_is_dropped(world: World) -> None:
    with transaction(world.database) as tx:
        (measured,) = rules.rules(tx)
    world.at += timedelta(minutes=1)
    save(world, Rule(id=1, budget=0.1))
    with transaction(world.database) as tx:
        assert not rules.set_level(tx, measured, 3.0, 0.2, world.at)
        (now,) = rules.rules(tx)
        assert now.level is None
        assert rules.set_level(tx, now, 4.0, 0.1, world.at)


def test_a_rule_that_another_waits_for_is_not_deleted(world: World) -> None:
    save(world, Rule(name="Mine", inhibited_by=("Negative surge",)))
    with pytest.raises(UsageError, match="Mine keeps quiet while it rings"), transaction(world.database) as tx:
        rules.delete_rule(tx, 1)


def test_a_rule_on_a_watch_list_rings_for_its_companies_alone(world: World) -> None:
    keep_list(world, "Cars", "C1", "C2")
    save(world, Rule(id=1, watchlists=("Cars",), shapes=("company",)))
    world.crisis("C1")
    world.crisis("C3")
    world.tick(5)
    assert world.episodes() == [("company:C1", "open")]


def test_a_changed_watch_list_changes_what_is_watched_and_asks_for_a_new_measure(world: World) -> None:
    keep_list(world, "Cars", "C1")
    with transaction(world.database) as tx:
        rule = Rule(id=1, watchlists=("Cars",), shapes=("company",))
        rules.save_rule(tx, rule, "ann", world.at, level=2.0, rate=0.5)
        assert not needs_measuring(rules.rules(tx)[0], world.at)
    keep_list(world, "Lorries", "C3", was="Cars")
    with transaction(world.database) as tx:
        (stored,) = rules.rules(tx)
        assert (stored.rule.watchlists, stored.rule.listed, stored.level) == (("Lorries",), ("C3",), 2.0)
        assert needs_measuring(stored, world.at)
    world.crisis("C1")
    world.crisis("C3")
    world.tick(5)
    assert world.episodes() == [("company:C3", "open")]


def test_a_watch_list_says_who_watches_it_and_is_not_deleted_under_them(world: World) -> None:
    keep_list(world, "Cars", "C2", "C1", "C1")
    keep_list(world, "Banks", "C4")
    save(world, Rule(id=1, watchlists=("Cars",)))
    with transaction(world.database) as tx:
        found = [(one.name, one.companies, one.rules, one.who) for one in watchlists(tx)]
    assert found == [("Banks", ("C4",), (), "ann"), ("Cars", ("C1", "C2"), ("Negative surge",), "ann")]
    with pytest.raises(UsageError, match="is watched by Negative surge"), transaction(world.database) as tx:
        delete_watchlist(tx, "Cars")
    with transaction(world.database) as tx:
        delete_watchlist(tx, "Banks")
        assert [one.name for one in watchlists(tx)] == ["Cars"]


@pytest.mark.parametrize(
    ("name", "companies", "was", "words"),
    [
        (" ", ("C1",), None, "name must not be empty"),
        ("Cars", (), None, "companies must be one or more"),
        ("Cars", ("C1",), None, "another list's"),
        ("Cars", ("C1",), "Banks", "another list's"),
    ],
)
def test_a_wrong_watch_list_is_refused(
    world: World, name: str, companies: tuple[str, ...], was: str | None, words: str
) -> None:
    keep_list(world, "Cars", "C2")
    keep_list(world, "Banks", "C4")
    with pytest.raises(UsageError, match=words):
        keep_list(world, name, *companies, was=was)


def test_a_rule_bound_to_an_exchange_is_told_at_its_opening(database_url: str) -> None:
    before_the_bell = datetime(2026, 3, 3, 14, 10, tzinfo=UTC)
    with lived(World(database_url, before_the_bell)) as one:
        save(one, Rule(id=1, market="XNYS"))
        one.tick()
        one.crisis()
        one.tick(15)
        assert one.episodes() == [(LEGAL_AT_C1, "open")]
        assert one.told() == []
        one.tick(5)
        assert one.told() == ["first"]


def tried(world: World, name: str | None) -> tuple[list[object], str]:
    lines, summary = backtest_stored(world.database, None, 90, world.at + timedelta(hours=1), name=name)
    return [line["scope"] for line in lines], summary


def test_a_saved_rule_is_tried_by_its_name_whether_or_not_it_is_on(world: World) -> None:
    keep_list(world, "Cars", "C1")
    mine = save(world, Rule(name="Mine", watchlists=("Cars",), shapes=("company",)))
    with transaction(world.database) as tx:
        rules.enable_rule(tx, mine, False, "ann", world.at)
    world.crisis()
    scopes, summary = tried(world, "Mine")
    assert scopes == ["company:C1"]
    assert "Mine would have rung once in 5 days; nobody has marked it yet." in summary
    assert tried(world, None)[0] == [LEGAL_AT_C1]


def tocsin(world: World, folder: Path, *verb: str) -> subprocess.CompletedProcess[str]:
    url = world.database.url.render_as_string(hide_password=False)
    environment = {**os.environ, "TOCSIN_DATABASE_URL": url, "TOCSIN_DATA_DIR": str(folder)}
    environment["TOCSIN_DASHBOARD_USER"] = "ann"
    command = [sys.executable, "-m", "monitor.cli", *verb]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_refuses_an_unknown_rule_in_one_line(world: World, tmp_path: Path) -> None:
    run = tocsin(world, tmp_path, "backtest", "--rule", "Yours")
    assert run.returncode == 2
    assert run.stderr.splitlines() == ["tocsin: no rule 'Yours'; known: Negative surge"]


def lose(world: World, channel: str, error: str) -> Message:
    """A message that the channel did not take, and that is tried no more."""
    message = Message(sort="notice", title="Feed Quay is silent", lines=())
    with transaction(world.database) as tx:
        outbox.post(tx, channel, "k1", message, world.at)
        (waiting,) = outbox.due(tx, world.at)
        outbox.mark_failed(tx, [waiting.id], error, None, world.at)
    return message


def test_the_doctor_names_what_was_given_up_until_it_is_sent_again(world: World, tmp_path: Path) -> None:
    lose(world, "desk", "refused; see https://desk.example/T0KEN")
    said = next(line for line in tocsin(world, tmp_path, "doctor").stdout.splitlines() if "messages:" in line)
    assert said == (
        "MEND messages: 1 could not be delivered, the last through desk: refused, see ***; "
        "mend the channel, then `tocsin notify retry` (or `tocsin notify forget`), or use the page Alerts"
    )
    assert tocsin(world, tmp_path, "notify", "retry").stdout == "1 message will be sent again by `tocsin jobs`\n"
    assert "ok   messages: none was given up" in tocsin(world, tmp_path, "doctor").stdout
    assert world.rows("SELECT asked_by, gave_up_at FROM outbox") == [("ann", None)]


def test_what_was_given_up_and_dismissed_is_named_no_more_and_stays_undelivered(world: World, tmp_path: Path) -> None:
    message = lose(world, "gone", "channel 'gone' is no longer set up")
    assert tocsin(world, tmp_path, "notify", "forget").stdout == "1 message dismissed\n"
    assert "ok   messages: none was given up" in tocsin(world, tmp_path, "doctor").stdout
    assert '"given_up": 0' in tocsin(world, tmp_path, "status", "--json").stdout
    with transaction(world.database) as tx:
        assert send_again(tx, "ann", world.at) == 0
        assert world.rows("SELECT asked_by, gave_up_at IS NULL, sent_at FROM outbox") == [("ann", False, None)]
        assert outbox.post(tx, "gone", "k1", message, world.at), "the same thing may ring anew"
        assert outbox.due(tx, world.at)


def test_an_unknown_rule_is_answered_with_those_there_are(world: World) -> None:
    save(world, Rule(name="Mine"))
    with pytest.raises(UsageError, match="no rule 'Yours'; known: Negative surge, Mine"):
        tried(world, "Yours")


@pytest.mark.parametrize(
    ("incidents", "noise", "useful", "said"),
    [
        (0, 0, 0, "would not have rung in 90 days."),
        (1, 0, 0, "would have rung once in 90 days; nobody has marked it yet."),
        (1, 0, 1, "would have rung once in 90 days; you marked it useful."),
        (3, 0, 0, "would have rung 3 times in 90 days; nobody has marked any of them yet."),
        (3, 2, 0, "would have rung 3 times in 90 days; 2 of them you marked noise."),
        (3, 2, 1, "would have rung 3 times in 90 days; 2 of them you marked noise, 1 useful."),
        (3, 0, 3, "would have rung 3 times in 90 days; 3 of them you marked useful."),
    ],
)
def test_a_trial_is_said_in_one_sentence(incidents: int, noise: int, useful: int, said: str) -> None:
    episodes = tuple(replace(EPISODE, id=f"e{one}", incident=f"i{one}") for one in range(incidents))
    marks = {f"i{one}": one >= noise for one in range(noise + useful)}
    assert verdict(Trial(episodes, {}, 2.0, 0.2, marks, 90 / 7, True)) == said


def test_a_word_on_a_real_alert_counts_in_the_trial(world: World) -> None:
    world.crisis()
    world.tick(5)
    ((id,),) = world.rows("SELECT id FROM episodes")
    with transaction(world.database) as tx:
        outbox.give_feedback(tx, str(id), "noise", "ann", world.at)
    assert "rung once in 5 days; you marked it noise." in tried(world, None)[1]


def test_what_was_given_up_is_listed_without_secrets_and_sent_again_when_asked(world: World) -> None:
    message = Message(sort="notice", title="Feed Quay is silent", lines=())
    with transaction(world.database) as tx:
        outbox.post(tx, "desk", "k1", message, world.at)
        outbox.post(tx, "hook", "k2", message, world.at)
        for one in outbox.due(tx, world.at):
            outbox.mark_failed(tx, [one.id], "refused by slack://T0K/EN", None, world.at)
        count, (newest, _) = given_up(tx)
        assert (count, newest.title, newest.error) == (2, "Feed Quay is silent", "refused by ***")
        assert send_again(tx, "ann", world.at, [newest.id]) == 1
        assert [one.attempts for one in outbox.due(tx, world.at)] == [0]
        assert send_again(tx, "ann", world.at) == 1
        assert given_up(tx) == (0, [])
    assert world.rows("SELECT DISTINCT asked_by FROM outbox") == [("ann",)]


def test_good_news_and_bad_of_the_same_stories_are_two_events(world: World) -> None:
    world.crisis()
    world.tick(5)
    with transaction(world.database) as tx:
        assert alerts.episode_stories(tx, world.at - timedelta(days=1), "negative")
        assert not alerts.episode_stories(tx, world.at - timedelta(days=1), "positive")
