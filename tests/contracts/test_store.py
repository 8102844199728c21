"""What the store promises: nothing doubled, each story counted once, a recount agrees, and the schema is the code's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError

from monitor.broker import log_tables
from monitor.broker.protocol import Message
from monitor.errors import ModelUnavailable, TocsinError, Unavailable, UsageError
from monitor.store import alert_tables, tables
from monitor.store.counts import counts, recount
from monitor.store.engine import Database, open_database, transaction
from monitor.store.models import ensure_service, in_service, put_in_service, register, registered, service_history
from monitor.store.read_alerts import progress
from monitor.store.save import DeadMessage, Progress, Saved, save
from monitor.types import (
    Article,
    Classified,
    Count,
    Judgement,
    Mention,
    Probabilities,
    Rejected,
    Scope,
    TaggedArticle,
    bucket_of,
)

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
BAD, MEH, GOOD = Probabilities(0.8, 0.1, 0.1), Probabilities(0.1, 0.8, 0.1), Probabilities(0.1, 0.2, 0.7)
ACME = Mention("ACME", "Acme", "ACME", "Acme")
BOLT = Mention("BOLT", "Bolt", None, "Bolt")


def article(number: int, title: str = "", at: datetime = NOW, **changed: Any) -> Article:
    plain = Article(
        id=f"a{number}",
        source="wire",
        kind="news",
        publisher="Wire",
        family="Wire House",
        title=title or f"Report {number} on matter {number * 7919} of district {number * 104729}",
        body="",
        url=f"https://wire.example/{number}",
        author=None,
        published=None,
        seen=at,
        counted_at=at,
        is_backfill=False,
    )
    return replace(plain, **changed)


def judged(
    one: Article,
    mood: Probabilities = BAD,
    topic: str = "Earnings",
    toward: tuple[tuple[Mention, Probabilities], ...] = (),
    model: str = "one",
) -> Classified:
    mentions, entities = tuple(mention for mention, _ in toward), tuple(mood for _, mood in toward)
    return Classified(TaggedArticle(one, mentions), Judgement(topic, 0.9, mood, entities), model)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    ensure_service(opened, "one", {"name": "one"}, NOW)
    yield opened
    opened.dispose()


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def everything(database: Database, **asked: Any) -> dict[tuple[str, str], Count]:
    found = counts(database, asked.pop("model", "one"), NOW - timedelta(days=90), NOW + timedelta(days=1), **asked)
    return {(count.scope.key, count.kind): count for count in found}


def test_a_batch_saved_twice_changes_nothing_the_second_time(database: Database) -> None:
    batch = [judged(article(1), toward=((ACME, GOOD),)), judged(article(2), MEH)]
    assert save(database, batch, [], [], NOW) == Saved(2, 2)
    before = everything(database)
    assert save(database, batch, [], [], NOW) == Saved(0, 0)
    assert everything(database) == before
    assert before["all", "news"].total == 2
    assert not list(recount(database))


def test_one_id_twice_in_a_batch_is_stored_once(database: Database) -> None:
    assert save(database, [judged(article(1), BAD), judged(article(1), GOOD)], [], [], NOW).articles == 1
    assert everything(database)["all", "news"].negative == 1


def test_an_article_counts_in_all_its_scopes_with_the_sentiment_toward_each_company(database: Database) -> None:
    save(database, [judged(article(1), BAD, "M&A", ((ACME, GOOD), (BOLT, MEH)))], [], [], NOW)
    found = everything(database)
    assert {key: (c.negative, c.positive) for (key, _), c in found.items()} == {
        "all": (1, 0),
        "topic:M&A": (1, 0),
        "company:ACME": (0, 1),
        "company:ACME|topic:M&A": (0, 1),
        "company:BOLT": (0, 0),
        "company:BOLT|topic:M&A": (0, 0),
    }
    assert found["company:ACME", "news"].score_sum == pytest.approx(GOOD.score)
    assert all(count.at == bucket_of(NOW) for count in found.values())
    assert everything(database, scopes=[Scope("ACME")]) == {("company:ACME", "news"): found["company:ACME", "news"]}


def test_a_copy_joins_its_story_and_adds_only_its_publisher(database: Database) -> None:
    title = "Acme Motors recalls 40,000 cars after brake failures in winter tests"
    save(database, [judged(article(1, title), BAD)], [], [], NOW)
    copies = [
        judged(article(2, title + " - Reuters", family="Other House"), GOOD),
        judged(article(3, title, family="Other House"), GOOD),
        judged(article(4, title, at=NOW + timedelta(hours=70), family="Third House"), GOOD),
    ]
    assert save(database, copies, [], [], NOW + timedelta(hours=70)) == Saved(3, 0)
    assert (everything(database)["all", "news"].total, everything(database)["all", "news"].negative) == (1, 1)
    assert rows(database, "SELECT story, articles FROM stories") == [("a1", 4)]
    witnesses = rows(database, "SELECT family FROM story_publishers ORDER BY 1")
    assert witnesses == [("Other House",), ("Third House",), ("Wire House",)]
    assert not list(recount(database))


def test_after_72_hours_the_same_headline_is_another_story(database: Database) -> None:
    title = "Central bank keeps its key rate unchanged at two percent"
    late = NOW + timedelta(hours=73)
    save(database, [judged(article(1, title))], [], [], NOW)
    assert save(database, [judged(article(2, title, at=late))], [], [], late).stories == 1
    assert save(database, [judged(article(3, title, at=late))], [], [], late).stories == 0


def test_a_story_counts_again_under_another_kind_and_in_a_new_scope(database: Database) -> None:
    title = "Acme Motors recalls 40,000 cars after brake failures in winter tests"
    save(database, [judged(article(1, title))], [], [], NOW)
    comment = article(2, title, kind="comment", author="ann", family="Forum")
    save(database, [judged(comment), judged(article(3, title), BAD, "Legal")], [], [], NOW)
    found = everything(database)
    assert found["all", "comment"].total == found["all", "news"].total == found["topic:Legal", "news"].total == 1
    assert ("ann",) in rows(database, "SELECT family FROM story_publishers"), "a comment's witness is its author"


def test_rollups_hold_what_their_buckets_hold(database: Database) -> None:
    batch = [judged(article(n, at=NOW + timedelta(minutes=17 * n)), (BAD, GOOD)[n % 2]) for n in range(30)]
    save(database, batch[:11], [], [], NOW)
    save(database, batch[11:], [], [], NOW)
    fine = counts(database, "one", NOW - timedelta(days=2), NOW + timedelta(days=2))
    for minutes in (60, 1440):
        rolled = counts(database, "one", NOW - timedelta(days=2), NOW + timedelta(days=2), minutes=minutes)  # type: ignore[arg-type]
        for one in rolled:
            inside = [f for f in fine if f.scope == one.scope and bucket_of(f.at, timedelta(minutes=minutes)) == one.at]
            assert (one.total, one.negative) == (sum(f.total for f in inside), sum(f.negative for f in inside))
        assert sum(one.total for one in rolled if one.scope == Scope()) == 30


def test_what_comes_late_is_marked_as_backfilled(database: Database) -> None:
    old = article(1, at=NOW - timedelta(hours=7))
    save(database, [judged(old), judged(article(2, is_backfill=True)), judged(article(3))], [], [], NOW)
    found = counts(database, "one", NOW - timedelta(days=1), NOW + timedelta(days=1), scopes=[Scope()])
    assert [(one.total, one.backfilled, one.backfilled_negative) for one in found] == [(1, 1, 1), (2, 1, 1)]


def test_a_recount_finds_a_count_that_is_wrong(database: Database) -> None:
    save(database, [judged(article(1)), judged(article(2))], [], [], NOW)
    assert not list(recount(database))
    with database.begin() as connection:
        connection.execute(text("UPDATE counts SET total = total + 1 WHERE minutes = 60 AND scope = 1"))
    (wrong,) = recount(database)
    assert (wrong.scope, wrong.minutes) == ("all", 60)
    assert wrong.stored
    assert wrong.recounted
    assert (wrong.stored[0], wrong.recounted[0]) == (3, 2)


def test_two_workers_at_once_neither_split_stories_nor_deadlock(database: Database) -> None:
    def work(worker: int) -> None:
        for step in range(10):
            batch = [
                judged(article(1000 * worker + 10 * step + n, title(step, n), family=f"House {worker}"))
                for n in range(10)
            ]
            save(database, batch if worker else batch[::-1], [], [], NOW)

    def title(step: int, n: int) -> str:
        return f"Distinct event {step * 31 + n * 7919} shakes the town of Number{step * 10 + n} tonight"

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(database, "SELECT count(*), sum(articles) FROM stories") == [(100, 200)]
    assert everything(database)["all", "news"].total == 100
    assert not list(recount(database))


def test_dead_letters_and_watermarks_are_part_of_the_transaction(database: Database) -> None:
    message = Message("news.raw", 1, 7, b"k", b"\x09bad")
    dead = [DeadMessage(message, Rejected("unknown version \x00 9"))]
    for _ in range(2):
        save(database, [], dead, [Progress("news.raw", 1, 7, None)], NOW)
    assert rows(database, 'SELECT partition, "offset", reason FROM dead_letters') == [(1, 7, "unknown version  9")]
    save(database, [judged(article(1))], [], [Progress("news.raw", 1, 9, NOW)], NOW)
    save(database, [], [], [Progress("news.raw", 1, 8, NOW - timedelta(hours=1))], NOW)
    assert rows(database, 'SELECT "offset", counted_at FROM watermarks') == [(9, NOW)], "it never goes back"
    with pytest.raises(ModelUnavailable, match="not registered"):
        save(database, [judged(article(2), model="ghost")], [], [Progress("news.raw", 1, 99, NOW)], NOW)
    assert rows(database, 'SELECT "offset" FROM watermarks') == [(9,)]
    assert rows(database, "SELECT count(*) FROM articles") == [(1,)]


def test_another_topic_s_watermarks_say_nothing_of_the_one_that_is_read(database: Database) -> None:
    old = NOW - timedelta(days=30)
    save(database, [], [], [Progress("news.raw", 1, 900, old), Progress("news.new", 1, 4, NOW)], NOW)
    with transaction(database) as tx:
        assert progress(tx, "news.new") == [(1, NOW, 4)]
        assert progress(tx, "news.none") == []


def test_text_as_bad_as_it_comes_is_stored(database: Database) -> None:
    title = "Tab\tnewline\n backslash \\N \\. quote ' \" and 💥 emoji"
    body = "é" * 200_000
    save(database, [judged(article(1, title, body=body))], [], [], NOW)
    assert rows(database, "SELECT title, length(body) FROM articles") == [(title, 200_000)]


def test_the_first_model_enters_service_once_and_a_change_is_kept_with_who_and_why(database: Database) -> None:
    assert ensure_service(database, "two", {}, NOW) == "one"
    register(database, "two", {"f1": 0.9}, NOW)
    register(database, "two", {"f1": 0.1}, NOW)
    assert [(one.version, one.manifest) for one in registered(database)] == [
        ("one", {"name": "one"}),
        ("two", {"f1": 0.9}),
    ]
    assert put_in_service(database, "two", "ann", "better on M&A", NOW) == "one"
    assert in_service(database) == "two"
    assert [(one.version, one.who) for one in service_history(database)] == [("two", "ann"), ("one", "tocsin")]
    with pytest.raises(UsageError, match="ghost"):
        put_in_service(database, "ghost", "ann", "typo", NOW)


def test_a_database_that_is_away_or_empty_is_told_as_such(empty_database_url: str) -> None:
    empty = open_database(empty_database_url)
    with pytest.raises(TocsinError, match="tocsin migrate"):
        in_service(empty)
    empty.dispose()
    away = open_database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable, match="doesn't answer"):
        save(away, [], [], [], NOW)


def test_what_the_database_refuses_is_not_taken_for_its_absence(database: Database) -> None:
    too_long = "SELECT 's', string_agg(md5(n::text), '') FROM generate_series(1, 2000) n"  # for a key
    with pytest.raises(DBAPIError), transaction(database) as tx:
        tx.execute(text(f"INSERT INTO story_publishers (story, family) {too_long}"))


def test_the_migrated_schema_is_the_one_in_the_code(database: Database) -> None:
    whole = MetaData()
    for part in (tables.metadata, log_tables.metadata, alert_tables.metadata):
        for table in part.tables.values():
            table.to_metadata(whole)
    with database.connect() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), whole)
