"""Another version enters service: charts and detectors go on with its past, an open episode goes on, nothing rings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.store import reads
from monitor.store.models import put_in_service, register
from monitor.store.rescore import save_scores, unscored
from monitor.types import Classified, Probabilities
from tests.alert_world import BAD, FLAT, HOUSES, LEGAL_AT_C1, World

Mood = Callable[[Classified], Probabilities]


class TwoVersions(World):
    """A world that remembers what was said of each article, and can put a second version in service."""

    model = "test-1"
    made: dict[str, Classified]

    def article(self, *arguments: object, **more: object) -> Classified:
        made = replace(super().article(*arguments, **more), model=self.model)  # type: ignore[arg-type]
        self.made[made.tagged.article.id] = made
        return made

    def flip(self, mood: Mood = lambda one: one.judgement.probabilities) -> None:
        """The second version judges the whole past, each article in the mood given, then serves."""
        register(self.database, "test-2", {}, self.at)
        after = None
        while found := unscored(self.database, "test-2", self.at - timedelta(days=35), 500, after):
            after = found[-1].article.counted_at, found[-1].article.id
            said = []
            for one in found:
                odds = mood(self.made[one.article.id])
                judgement = self.made[one.article.id].judgement
                again = judgement._replace(probabilities=odds, entities=(odds,) * len(one.mentions))
                said.append(Classified(one, again, "test-2"))
            save_scores(self.database, said, self.at)
        put_in_service(self.database, "test-2", "ann", "better", self.at)
        self.model = "test-2"

    def usual_hour(self, mood: Probabilities) -> None:
        self.save([self.article(f"C{place}", self.at, HOUSES[place], mood) for place in range(2)])
        self.tick(60, step=10)


@pytest.fixture
def world(database_url: str) -> Iterator[TwoVersions]:
    one = TwoVersions.__new__(TwoVersions)
    one.made = {}
    one.__init__(database_url)  # type: ignore[misc]
    try:
        one.history()
        one.tick()
        one.at += timedelta(minutes=11)
        one.tick()
        yield one
    finally:
        one.database.dispose()


def test_an_open_episode_goes_on_under_the_other_version_and_ends_once(world: TwoVersions) -> None:
    world.crisis()
    world.tick(20)
    assert world.told() == ["first"]
    world.flip()
    world.tick(30)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    assert world.told() == ["first"]
    follows = "SELECT m.version FROM episodes e JOIN models m ON m.id = e.model"
    assert world.rows(follows) == [("test-2",)], "its curve goes on under the version in service"
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]


def test_what_was_counted_before_it_served_rings_nothing_however_it_judges_it(world: TwoVersions) -> None:
    world.save([world.article("C2", world.at, HOUSES[n % 6], FLAT) for n in range(14)])
    world.tick(60)
    assert world.told() == []
    world.flip(lambda one: BAD if one.tagged.article.id in list(world.made)[-14:] else one.judgement.probabilities)
    world.tick(60)
    assert world.episodes() == []
    assert world.told() == []


def test_a_crisis_after_the_flip_rings_under_the_version_in_service(world: TwoVersions) -> None:
    world.flip()
    world.tick(10)
    world.crisis()
    world.tick(20)
    assert world.told() == ["first"]
    assert world.rows("SELECT m.version FROM episodes e JOIN models m ON m.id = e.model") == [("test-2",)]


def test_a_gloomier_version_has_a_gloomier_normal_and_does_not_ring_for_it(world: TwoVersions) -> None:
    world.flip(lambda _: BAD)
    for _ in range(4):
        world.usual_hour(BAD)
    assert world.told() == []


def test_a_chart_across_the_flip_holds_every_story_once_as_the_version_in_service_judged_it(world: TwoVersions) -> None:
    world.flip(lambda _: BAD)
    world.usual_hour(BAD)
    service = reads.service(world.database)
    assert service is not None
    since = world.at - timedelta(days=30)
    drawn = reads.series(
        world.database, service.model, "all", ("news",), since, world.at, 1440, timedelta(days=1), since
    )
    told = world.rows("SELECT count(*) FROM stories")[0][0]
    assert (service.version, sum(one.total for one in drawn)) == ("test-2", told)
    assert sum(one.negative for one in drawn) == told, "not one story as the version before judged it"
