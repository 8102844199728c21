"""Labels above the model, another version's scores beside the first's, dead letters tried again, and the figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Message
from monitor.classifier.constant import ConstantClassifier
from monitor.errors import UsageError
from monitor.store.counts import recount
from monitor.store.dead_letters import named, newest, retry, to_retry, was_retried
from monitor.store.engine import Database, transaction
from monitor.store.labels import Label, add_labels, labels
from monitor.store.models import register
from monitor.store.rescore import coverage, save_scores, unscored
from monitor.store.retention import trim_bands
from monitor.store.save import DeadMessage, Progress, save
from monitor.store.status import newest_article, numbers, since
from monitor.types import Classified, Passage, Rejected
from tests.contracts.test_store import ACME, BAD, BOLT, GOOD, MEH, NOW, article, database, everything, judged, rows

__all__ = ["database"]
TITLE = "Acme Motors recalls 40,000 cars after brake failures in winter tests"


def said(number: int, task: str, value: str, company: str | None = None) -> Label:
    return Label(article=f"a{number}", task=task, value=value, company=company, who="ann", at=NOW)  # type: ignore[arg-type]


def totals(database: Database, model: str = "one") -> dict[str, tuple[int, int, int]]:
    found = everything(database, model=model).items()
    return {key: (c.total, c.negative, c.positive) for (key, _), c in found if c.total}


def test_a_persons_sentiment_stands_above_the_models_in_every_count(database: Database) -> None:
    save(database, [judged(article(1), GOOD, "M&A"), judged(article(2), BAD, "M&A")], [], [], NOW)
    add_labels(database, [said(1, "sentiment", "negative")])
    assert totals(database) == {"all": (2, 2, 0), "topic:M&A": (2, 2, 0)}
    add_labels(database, [said(1, "sentiment", "neutral")])
    assert totals(database)["all"] == (2, 1, 0), "the newest word stands"
    assert rows(database, "SELECT positive FROM scores WHERE article = 'a1'") == [(GOOD.positive,)], "both are kept"
    assert not list(recount(database))


def test_a_persons_topic_moves_the_story_and_a_companys_sentiment_only_that_companys_counts(database: Database) -> None:
    save(database, [judged(article(1), BAD, "M&A", ((ACME, BAD), (BOLT, BAD)))], [], [], NOW)
    add_labels(database, [said(1, "topic", "Legal"), said(1, "company", "positive", "ACME")])
    assert totals(database) == {
        "all": (1, 1, 0),
        "topic:Legal": (1, 1, 0),
        "company:ACME": (1, 0, 1),
        "company:ACME|topic:Legal": (1, 0, 1),
        "company:BOLT": (1, 1, 0),
        "company:BOLT|topic:Legal": (1, 1, 0),
    }
    assert not list(recount(database))


def test_a_label_on_a_copy_leaves_the_story_to_the_article_that_counted(database: Database) -> None:
    batch = [judged(article(1, TITLE), BAD, "M&A"), judged(article(2, TITLE), GOOD, "M&A")]
    save(database, batch, [], [], NOW)
    add_labels(database, [said(2, "sentiment", "positive")])
    assert totals(database) == {"all": (1, 1, 0), "topic:M&A": (1, 1, 0)}
    add_labels(database, [said(1, "topic", "Legal")])
    assert totals(database) == {"all": (1, 1, 0), "topic:Legal": (1, 1, 0), "topic:M&A": (1, 0, 1)}, (
        "the copy takes over"
    )
    assert not list(recount(database))


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (said(9, "sentiment", "negative"), "no article 'a9'"),
        (said(1, "sentiment", "awful"), "one of negative, neutral, positive"),
        (said(1, "company", "negative", "BOLT"), "names no company 'BOLT'"),
        (said(1, "company", "negative"), "names its company"),
        (said(1, "topic", " "), "a label is"),
    ],
)
def test_a_label_that_cannot_be_is_refused_and_none_of_its_batch_is_kept(
    database: Database, label: Label, why: str
) -> None:
    save(database, [judged(article(1))], [], [], NOW)
    with pytest.raises(UsageError, match=why):
        add_labels(database, [said(1, "topic", "Legal"), label])
    assert list(labels(database)) == []


def test_labels_come_back_with_the_text_that_they_are_about(database: Database) -> None:
    save(database, [judged(article(1, TITLE), toward=((ACME, BAD),))], [], [], NOW)
    given = [said(1, "topic", "Legal"), replace(said(1, "company", "positive", "ACME"), at=NOW + timedelta(hours=1))]
    add_labels(database, given)
    assert [(one.label, one.title, one.name) for one in labels(database)] == [
        (given[0], TITLE, None),
        (given[1], TITLE, "Acme"),
    ]
    assert [one.label for one in labels(database, NOW + timedelta(minutes=1))] == given[1:]


def test_rescoring_adds_a_version_with_its_own_counts_and_changes_nothing_of_the_other(database: Database) -> None:
    batch = [judged(article(n, at=NOW + timedelta(minutes=n)), MEH, toward=((ACME, BAD),)) for n in range(5)]
    save(database, [*batch, judged(article(9, is_backfill=True), MEH)], [], [], NOW)
    add_labels(database, [said(3, "sentiment", "positive")])
    before = totals(database)
    register(database, "two", {}, NOW)
    after, scored = None, 0
    while found := unscored(database, "two", NOW - timedelta(days=1), 2, after):
        after = (found[-1].article.counted_at, found[-1].article.id)
        passages = [Passage(one.article.text, tuple(m.surface for m in one.mentions)) for one in found]
        judgements = ConstantClassifier().classify(passages)
        told = [Classified(one, j._replace(probabilities=BAD), "two") for one, j in zip(found, judgements, strict=True)]
        scored += save_scores(database, told, NOW)
        assert save_scores(database, told, NOW) == 0, "a second time adds nothing"
    assert scored == 6
    assert unscored(database, "two", NOW - timedelta(days=1), 9) == []
    assert coverage(database, "two", NOW - timedelta(days=1), NOW + timedelta(days=1)) == (6, 6)
    assert totals(database) == before
    two = everything(database, model="two", minutes=1440)["all", "news"]
    assert (two.total, two.negative, two.positive, two.backfilled) == (6, 5, 1, 1), (
        "the label stands above this one, too"
    )
    assert not list(recount(database))


def test_a_dead_letter_is_put_back_on_the_log_and_marked(database: Database, database_url: str) -> None:
    broker = PostgresBroker(database_url, "news.raw", "readers")
    messages = [Message("news.raw", n, 5, b"", b"\x09%d" % n) for n in (2, 3)]
    save(database, [], [DeadMessage(one, Rejected("too new")) for one in messages], [], NOW)
    waiting = to_retry(database, [], everything=True)
    assert sorted(one.name for one in waiting) == ["news.raw/2/5", "news.raw/3/5"]
    retry(database, waiting, broker, "news.raw", NOW)
    assert {one.value for one in broker.poll(9, 5)} == {b"\x092", b"\x093"}
    broker.close()
    assert to_retry(database, [], everything=True) == []
    assert [one.retried_at for one in newest(database, 9)] == [NOW, NOW]
    assert named(database, "news.raw/2/5").payload == b"\x092"
    with pytest.raises(UsageError, match="no dead letter"):
        named(database, "news.raw/2/6")


def test_a_dead_letter_of_a_topic_that_is_read_no_more_is_put_on_the_one_that_is(
    database: Database, database_url: str
) -> None:
    letter = Message("news.old", 2, 5, b"", b"\x09old")
    save(database, [], [DeadMessage(letter, Rejected("too new"))], [], NOW)
    broker = PostgresBroker(database_url, "news.raw", "readers")
    retry(database, [named(database, "news.old/2/5")], broker, "news.raw", NOW)
    (again,) = broker.poll(9, 5)
    broker.close()
    assert again.value == b"\x09old"
    assert was_retried(again)
    assert to_retry(database, [], everything=True) == []


def test_of_a_log_made_anew_a_dead_letter_is_kept_beside_the_one_that_lay_there(
    database: Database, database_url: str
) -> None:
    for minute, payload in enumerate((b"old", b"new", b"new")):
        message = DeadMessage(Message("news.raw", 0, 7, b"", payload), Rejected("too new"))
        save(database, [], [message], [], NOW + timedelta(minutes=minute))
    assert [one.payload for one in newest(database, 9)] == [b"new", b"old"], "a batch read again changes nothing"
    broker = PostgresBroker(database_url, "news.raw", "readers")
    for payload in (b"new", b"old"):
        assert named(database, "news.raw/0/7").payload == payload
        retry(database, to_retry(database, ["news.raw/0/7"], everything=False), broker, "news.raw", NOW)
    broker.close()
    assert to_retry(database, [], everything=True) == []


def test_the_figures_say_what_is_on_the_log_in_the_tables_and_dead(database: Database) -> None:
    dead = [DeadMessage(Message("news.raw", 0, 2, b"", b""), Rejected("empty"))]
    save(database, [judged(article(1)), judged(article(2))], dead, [Progress("news.raw", 0, 2, NOW)], NOW)
    assert numbers(database) == numbers(database, "news.raw") == (3, 2, 2, 1, "one", 0, 0)
    assert numbers(database, "other").read == 0
    assert newest_article(database) == NOW
    assert since(database, NOW)[:3] == (2, 2, NOW)
    assert since(database, NOW + timedelta(seconds=1)) == (0, 0, None, 0, 0, None)


def test_a_back_fills_bands_stay_while_it_comes_in_and_go_later(database: Database) -> None:
    old = NOW - timedelta(days=4000)
    save(database, [judged(article(1, TITLE, at=old))], [], [], NOW)
    for now, kept in ((NOW + timedelta(hours=95), True), (NOW + timedelta(hours=97), False)):
        with transaction(database) as connection:
            trim_bands(connection, now)
        assert bool(rows(database, "SELECT 1 FROM story_bands")) == kept
