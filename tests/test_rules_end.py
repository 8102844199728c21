"""A rule is switched off, deleted or narrowed while it rings: its episodes end, say why, and stand in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitor.alerts.rules import Rule
from monitor.store import rules
from monitor.store.engine import transaction
from tests.alert_world import LEGAL_AT_C1, World, lived

WHY = "the rule was switched off or no longer watches this"
DEFAULT = Rule(id=1)
COMPANY = Rule(name="My companies", companies=("C1",), shapes=("company",))


class Desk(World):
    """A world whose rules somebody changes."""

    def switch(self, *, on: bool, rule: int = 1) -> None:
        with transaction(self.database) as tx:
            rules.enable_rule(tx, rule, on, "ann", self.at)

    def change(self, rule: Rule = DEFAULT, **more: Any) -> int:
        with transaction(self.database) as tx:
            return rules.save_rule(tx, replace(rule, **more), "ann", self.at)

    def phases(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT coalesce(rule, 0), phase FROM episodes ORDER BY 1")


@pytest.fixture
def world(database_url: str) -> Iterator[Desk]:
    with lived(Desk(database_url)) as one:
        one.tick()
        yield one


def test_a_rule_switched_off_ends_its_episode_says_why_and_reminds_nobody(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    world.switch(on=False)
    world.tick()
    assert world.episodes() == [(LEGAL_AT_C1, "closed")]
    assert world.told() == ["first", "closed"]
    assert f"Closed because {WHY}" in world.out.getvalue()
    assert world.rows("SELECT ended IS NOT NULL FROM incidents") == [(True,)]
    world.tick(50 * 60, step=60)
    assert world.told() == ["first", "closed"]


def test_a_deleted_rule_ends_its_episode(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    with transaction(world.database) as tx:
        rules.delete_rule(tx, 1)
    world.tick(26 * 60, step=60)
    assert world.phases() == [(0, "closed")]
    assert world.told() == ["first", "closed"]


@pytest.mark.parametrize(
    "narrowed",
    [
        {"companies": ("C2",)},
        {"topics": ("Macro",)},
        {"kinds": ("comment",)},
        {"sentiment": "positive"},
    ],
)
def test_a_rule_narrowed_to_something_else_ends_its_episode(world: Desk, narrowed: dict[str, Any]) -> None:
    world.crisis()
    world.tick(10)
    world.change(**narrowed)
    world.tick(26 * 60, step=60)
    assert world.phases() == [(1, "closed")]
    assert world.told() == ["first", "closed"]
    assert f"Closed because {WHY}" in world.out.getvalue()


def test_a_rule_narrowed_around_its_episode_goes_on_with_it(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    world.change(companies=("C1",), kinds=("news",))
    world.tick(10)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]
    assert WHY not in world.out.getvalue()


@pytest.mark.parametrize("narrowed", [{"text": "recall battery"}, {"publishers": ("Nobody",)}, {"kinds": ("report",)}])
def test_a_rule_narrowed_to_stories_that_nobody_tells_sees_its_episode_calm_down(
    world: Desk, narrowed: dict[str, Any]
) -> None:
    world.crisis()
    world.tick(10)
    world.change(**narrowed)
    world.tick(600, step=15)
    assert world.episodes() == [(LEGAL_AT_C1, "closed")]
    assert world.told() == ["first", "closed"]


def test_an_episode_of_a_rule_switched_off_holds_back_no_all_clear_of_another(world: Desk) -> None:
    mine = world.change(COMPANY)
    world.crisis()
    world.tick(10)
    world.switch(on=False)
    world.tick()
    assert world.phases() == [(1, "closed"), (mine, "open")]
    assert world.told() == ["first"], "the event goes on under the other rule"
    (withheld,) = world.rows("SELECT reason FROM told WHERE reason LIKE '%elsewhere'")
    assert str(withheld[0]).startswith(f"not told: {WHY}; ")
    world.tick(600, step=15)
    assert world.phases() == [(1, "closed"), (mine, "closed")]
    assert world.told() == ["first", "closed"]
    assert "back to normal" in world.out.getvalue()


def test_an_episode_of_a_rule_switched_off_inhibits_no_other(world: Desk) -> None:
    world.change(COMPANY, inhibited_by=("Negative surge",), shapes=("company x topic",))
    world.crisis()
    world.tick(10)
    world.switch(on=False)
    world.tick(15)
    world.crisis(stories=60)
    world.tick(15)
    assert world.told() == ["first", "worse"]


def test_a_rule_narrowed_to_companies_goes_on_with_the_event_at_its_company(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    world.change(shapes=("company",))
    world.tick(10)
    assert world.episodes() == [(LEGAL_AT_C1, "closed"), ("company:C1", "open")]
    assert world.told() == ["first"]
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]


def test_a_rule_switched_on_again_goes_on_with_the_same_episode(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    world.switch(on=False)
    world.tick(5)
    world.switch(on=True)
    world.tick(5)
    world.crisis(stories=20)
    world.tick(20)
    assert world.rows("SELECT phase, number, reopened FROM episodes") == [("growing", 1, 1)]
    assert world.told()[:3] == ["first", "closed", "worse"]


def test_a_rule_that_asks_for_good_news_now_begins_anew(world: Desk) -> None:
    world.crisis()
    world.tick(10)
    world.change(sentiment="positive")
    world.tick()
    states = world.rows("SELECT scope, state->>'phase', number FROM episode_states WHERE number > 0")
    assert states == [(LEGAL_AT_C1, "quiet", 1)]


def test_many_episodes_of_a_rule_switched_off_are_not_a_message_each(world: Desk) -> None:
    world.change(shapes=("company",), min_stories=1, min_publishers=1)
    for number in range(20):
        world.crisis(f"X{number:02d}", stories=3)
    world.tick()
    assert world.told() == ["first"] * 5 + ["list"]
    world.at += timedelta(minutes=11)
    world.switch(on=False)
    world.tick(11)
    assert world.told()[6:] == ["closed"] * 5 + ["list"]
    assert "no longer watched" in world.out.getvalue()
