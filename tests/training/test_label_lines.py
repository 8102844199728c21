"""Labels as files: what the queue hands out comes back filled in, what is exported can be imported elsewhere."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from monitor.errors import UsageError
from monitor.store.counts import recount
from monitor.store.engine import Database
from monitor.store.labels import Label, add_labels, labels
from monitor.store.models import topics_in_service
from monitor.store.save import save
from tests.contracts.test_store import ACME, BAD, BOLT, GOOD, MEH, NOW, article, database, everything, judged
from training import label_lines
from training.data import examples_of
from training.label_lines import export_labels, import_labels, queue_lines

__all__ = ["database"]
TOPICS = ["Earnings", "Legal", "M&A"]


def news(database: Database, count: int = 30) -> None:
    batch = [judged(article(n, at=NOW - timedelta(minutes=n)), MEH, toward=((ACME, BAD),)) for n in range(count)]
    save(database, batch, [], [], NOW)


def queued(database: Database, size: int, seed: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in queue_lines(database, size, 14, seed, NOW)]


def take_in(database: Database, lines: list[Any], topics: list[str] = TOPICS) -> int:
    text = [one if isinstance(one, str) else json.dumps(one) for one in lines]
    return import_labels(database, text, topics, "ann", NOW, lambda _: None)


def exported(database: Database) -> list[dict[str, Any]]:
    out = io.StringIO()
    export_labels(database, out, None)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_queue_comes_back_filled_in_and_stands_above_the_model(database: Database) -> None:
    news(database)
    lines = queued(database, 9)
    assert sum(line["origin"] == "audit" for line in lines) == 3
    assert all(line["topic"] is line["sentiment"] is line["companies"]["ACME"] is None for line in lines)
    assert lines[0]["title"].startswith("Report")
    for line in lines:
        line |= {"topic": "Legal", "sentiment": "negative", "companies": {"ACME": "positive"}}
    assert take_in(database, lines) == 27
    found = everything(database, minutes=1440)
    assert (found["topic:Legal", "news"].total, found["all", "news"].negative) == (9, 9)
    assert found["company:ACME", "news"].positive == 9
    assert not list(recount(database))
    assert not {line["article"] for line in queued(database, 9)} & {line["article"] for line in lines}


def test_a_corrected_story_may_be_drawn_for_the_audit_all_the_same(database: Database) -> None:
    news(database, 12)
    add_labels(
        database,
        [Label(article=f"a{n}", task="sentiment", value="positive", who="bob", at=NOW) for n in range(12)],
    )
    assert {line["origin"] for line in queued(database, 6)} == {"audit"}


def test_a_queue_of_nothing_says_what_to_do(database: Database) -> None:
    with pytest.raises(UsageError, match="more --days"):
        queued(database, 5)


def test_an_export_is_imported_elsewhere_word_for_word_and_a_second_time_changes_nothing(database: Database) -> None:
    batch = [judged(article(1), GOOD, toward=((ACME, BAD), (BOLT, BAD))), judged(article(2), MEH)]
    save(database, batch, [], [], NOW)
    given = [
        Label(article="a1", task="topic", value="Legal", who="ann", at=NOW, origin="audit"),
        Label(article="a1", task="company", value="neutral", company="ACME", who="ann", at=NOW, origin="audit"),
        Label(article="a1", task="company", value="positive", company="ACME", who="ann", at=NOW, origin="audit"),
        Label(article="a2", task="sentiment", value="negative", who="bob", at=NOW + timedelta(hours=1)),
    ]
    add_labels(database, given)
    lines = exported(database)
    assert [line["who"] for line in lines] == ["ann", "ann", "bob"]
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM labels")
    late = NOW + timedelta(days=1)
    for kept in (4, 0):
        text = [json.dumps(line) for line in lines]
        assert import_labels(database, text, TOPICS, "zoe", late, lambda _: None) == kept
    assert {one.label for one in labels(database)} == set(given)
    assert [one.label.value for one in labels(database) if one.label.task == "company"] == ["neutral", "positive"]


def test_an_older_word_brought_in_later_does_not_stand_above_a_newer_one(database: Database) -> None:
    news(database, 3)
    lines = [
        {"article": "a1", "sentiment": said, "who": "ann", "at": (NOW - timedelta(days=days)).isoformat()}
        for days, said in ((1, "negative"), (9, "positive"))
    ]
    for line in lines:
        assert take_in(database, [line]) == 1
    assert everything(database, minutes=1440)["all", "news"].negative == 1
    assert [one.label.value for one in labels(database)] == ["positive", "negative"], "oldest first"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2"),
        ({"topic": "Legal"}, "needs an object with `article`"),
        ({"article": "a1", "topic": "legal"}, "no topic 'legal'; perhaps 'Legal'"),
        ({"article": "a1", "sentiment": "bad"}, "one of negative, neutral, positive, not 'bad'"),
        ({"article": "a1", "sentiment": "negative", "origin": "me"}, "origin is one of"),
        ({"article": "a1", "sentiment": "negative", "at": "2026-11-24"}, "names no time zone"),
        ({"article": "a1", "sentiment": "negative", "companies": ["ACME"]}, "companies is an object"),
        ({"article": "zz", "sentiment": "negative"}, "no article 'zz'"),
        ({"article": "a1", "companies": {"BOLT": "negative"}}, "names no company 'BOLT'"),
        ({"article": "a1", "companies": {"": "negative"}}, "names no company ''"),
        ({"article": "a1\x00", "sentiment": "negative"}, "holds what no text can"),
        ({"article": "a1", "sentiment": "negative", "who": "\ud800"}, "holds what no text can"),
        ({"article": "a1", "companies": {"\x00": "negative"}}, "holds what no text can"),
        ({"article": "a1", "sentiment": "negative", "at": "0001-01-01T00:00:00+14:00"}, "lies before 1970"),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_kept(
    database: Database, line: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(database, [judged(article(1))], [], [], NOW)
    monkeypatch.setattr(label_lines, "BATCH", 1)  # a fault behind the first batch is found before that is kept
    with pytest.raises(UsageError, match="nothing was kept") as caught:
        take_in(database, [{"article": "a1", "sentiment": "positive"}, line])
    assert why in str(caught.value)
    assert list(labels(database)) == []


def test_topics_are_those_of_the_version_in_service_else_those_counted(database: Database) -> None:
    assert topics_in_service(database) == []
    save(database, [judged(article(1), topic="M&A")], [], [], NOW)
    assert topics_in_service(database) == ["M&A"]
    with database.begin() as connection:
        connection.exec_driver_sql("""UPDATE models SET manifest = '{"topics": ["Legal", "IPO"]}'""")
    assert topics_in_service(database) == ["Legal", "IPO"]


def test_training_learns_each_newest_word_and_nothing_that_judges(database: Database) -> None:
    news(database, 5)
    said = [
        Label(article="a0", task="topic", value="Legal", who="ann", at=NOW),
        Label(article="a0", task="topic", value="M&A", who="bob", at=NOW),
        Label(article="a1", task="company", value="positive", company="ACME", who="ann", at=NOW),
        Label(article="a2", task="sentiment", value="negative", who="ann", at=NOW, origin="audit"),
        Label(article="a2", task="sentiment", value="neutral", who="ann", at=NOW),
        Label(article="a2", task="topic", value="Legal", who="ann", at=NOW),
        Label(article="a3", task="topic", value="Legal", who="ann", at=NOW),
    ]
    add_labels(database, said)
    title = next(one.title for one in labels(database) if one.label.article == "a3")
    learned = examples_of(labels(database), [title.upper()])
    told = [(one.topic, one.company, one.company_sentiment) for one in learned]
    assert told == [("M&A", None, None), (None, "Acme", 2)], "the company as the text spells it"
