"""What every keeper of feed states promises: in memory, and in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ingest.states import FeedStates, MemoryStates
from monitor.errors import Unavailable
from monitor.store import read_health
from monitor.store.engine import open_database, transaction
from monitor.store.feeds import StoredFeedStates
from monitor.store.read_alerts import feed_facts
from monitor.types import Feed, FeedState

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)


def feed(name: str, publisher: str = "P") -> Feed:
    return Feed(name=name, url=f"https://{name}", kind="news", publisher=publisher, family="F", cadence=LEASE)


@pytest.fixture(params=["memory", "database"])
def states(request: pytest.FixtureRequest) -> Iterator[FeedStates]:
    if request.param == "memory":
        yield MemoryStates()
        return
    database = open_database(request.getfixturevalue("database_url"))
    yield StoredFeedStates(database)
    database.dispose()


def test_a_registered_source_is_due_at_once_and_remembers_what_was_saved(states: FeedStates) -> None:
    states.register([feed("a")])
    (state,) = states.take(["a"], 9, "w1", NOW, LEASE)
    assert state == FeedState(name="a")
    saved = FeedState(
        name="a",
        etag='"v1"',
        modified="Mon",
        failures=2,
        error="it answers 500",
        articles=7,
        next_at=NOW + LEASE,
        asked_at=NOW,
        ok_at=NOW - LEASE,
        article_at=NOW - LEASE,
        gaps_s=(60, 120),
    )
    states.save(saved, "w1")
    states.register([feed("a", publisher="Renamed")])
    assert states.take(["a"], 9, "w1", NOW, LEASE) == [], "not due yet"
    assert states.take(["a"], 9, "w1", NOW + LEASE, LEASE) == [saved]


def test_the_longest_overdue_comes_first_and_only_those_asked_for(states: FeedStates) -> None:
    states.register([feed(name) for name in "abcd"])
    for name, minutes in (("a", 1), ("b", 3), ("c", 2)):
        states.take([name], 1, "w1", NOW - LEASE, LEASE)
        states.save(FeedState(name=name, next_at=NOW - timedelta(minutes=minutes)), "w1")
    assert {state.name for state in states.take(["a", "b", "c"], 2, "w1", NOW, LEASE)} == {"b", "c"}
    assert [state.name for state in states.take(["a", "b", "c"], 2, "w2", NOW, LEASE)] == ["a"]
    assert [state.name for state in states.take(["d"], 2, "w2", NOW, LEASE)] == ["d"]
    assert states.take([], 2, "w2", NOW, LEASE) == []


def test_a_taken_source_is_nobody_elses_until_saved_or_the_lease_ends(states: FeedStates) -> None:
    states.register([feed("a")])
    assert states.take(["a"], 1, "w1", NOW, LEASE)
    assert not states.take(["a"], 1, "w2", NOW + LEASE * 0.9, LEASE)
    assert states.take(["a"], 1, "w2", NOW + LEASE, LEASE)
    states.save(FeedState(name="a", etag="late"), "w1")
    states.save(FeedState(name="a", etag="right"), "w2")
    (state,) = states.take(["a"], 1, "w3", NOW + LEASE, LEASE)
    assert state.etag == "right"


def test_a_source_asked_by_a_clock_that_was_ahead_is_due_once_that_was_corrected(states: FeedStates) -> None:
    states.register([feed("asked"), feed("taken")])
    ahead = NOW + timedelta(hours=9)
    assert len(states.take(["asked", "taken"], 2, "w1", ahead, LEASE)) == 2
    states.save(FeedState(name="asked", asked_at=ahead, next_at=ahead + LEASE), "w1")
    assert {one.name for one in states.take(["asked", "taken"], 2, "w1", NOW, LEASE)} == {"asked", "taken"}


def test_another_s_clock_that_is_a_minute_ahead_makes_no_source_due(states: FeedStates) -> None:
    states.register([feed("asked"), feed("taken")])
    ahead = NOW + timedelta(minutes=1)
    states.take(["asked", "taken"], 2, "w1", ahead, LEASE)
    states.save(FeedState(name="asked", asked_at=ahead, next_at=ahead + LEASE), "w1")
    assert states.take(["asked", "taken"], 2, "w2", NOW, LEASE) == []


def test_workers_that_look_at_once_never_share_a_source(states: FeedStates) -> None:
    names = [f"s{number:02}" for number in range(40)]
    states.register([feed(name) for name in names])
    taken: list[str] = []

    def work(worker: str) -> None:
        while found := states.take(names, 3, worker, NOW, LEASE):
            taken.extend(state.name for state in found)

    run_together([lambda worker=f"w{number}": work(worker) for number in range(4)])
    assert sorted(taken) == names


def test_a_source_taken_off_the_list_is_no_fault_and_an_ingest_that_is_down_is_one(database_url: str) -> None:
    database = open_database(database_url)
    states = StoredFeedStates(database)

    def ask(name: str, at: datetime) -> None:
        assert states.take([name], 1, "w", at, LEASE)
        states.save(FeedState(name=name, asked_at=at, next_at=at + LEASE, error="404", failures=1), "w")

    states.register([feed("kept"), feed("off"), feed("new")])
    for name in ("kept", "off"):
        ask(name, NOW)
    assert {one.name for one in states.all()} == {"kept", "off", "new"}, "neither was asked since: ingest is down"
    ask("kept", NOW + timedelta(hours=24))
    assert {one.name for one in states.all()} == {"kept", "off", "new"}, "a host may ask for a day of quiet"
    ask("kept", NOW + timedelta(hours=31))
    assert {one.name for one in states.all()} == {"kept", "new"}
    with transaction(database) as tx:
        assert {one.name for one in feed_facts(tx, {})} == {"kept", "new"}
    assert {one.name for one in read_health.feeds(database)} == {"kept", "new"}
    database.dispose()


def test_a_database_that_is_away_is_told_as_such() -> None:
    away = open_database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable, match="database"):
        StoredFeedStates(away).take(["a"], 1, "w1", NOW, LEASE)
    away.dispose()


def run_together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
