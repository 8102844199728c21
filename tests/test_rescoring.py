"""Stored news under another version: nothing is overwritten, nothing done twice, nothing rings, memory is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor.classifier.constant import ConstantClassifier
from monitor.classifier.protocol import Classifier
from monitor.errors import UsageError
from monitor.registry import Manifest
from monitor.rescoring import BATCH, Loadable, catch_up, rescore_stored
from monitor.store.counts import recount
from monitor.store.engine import Database
from monitor.store.labels import Label, add_labels
from monitor.store.models import register
from monitor.store.save import save
from monitor.types import Judgement, Passage
from tests.contracts.test_store import ACME, BAD, MEH, NOW, article, database, everything, judged, rows

__all__ = ["database"]
SINCE = NOW - timedelta(days=35)


@dataclass
class Told:
    """Judges as the constant classifier does, remembers how much it was asked at once, and can fail."""

    version: str = "two"
    fails_after: int = 10**9
    asked: list[int] = field(default_factory=list)

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        self.asked.append(len(passages))
        if sum(self.asked) > self.fails_after:
            raise RuntimeError("killed")
        return ConstantClassifier().classify(passages)


def loadable(classifier: Classifier, **manifest: Any) -> Loadable:
    said = {"version": classifier.version, **manifest}
    return Loadable(Manifest(classifier.version, (), (1.0, 1.0, 1.0), 128, 0.0, said), lambda: classifier)


def clock() -> datetime:
    return NOW


def news(database: Database, count: int, age: timedelta = timedelta(days=2)) -> None:
    batch = [judged(article(n, at=NOW - age + timedelta(minutes=n)), MEH, toward=((ACME, BAD),)) for n in range(count)]
    save(database, batch, [], [], NOW - age + timedelta(minutes=count))


def test_stopped_in_the_middle_it_goes_on_where_it_was(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    news(database, 2 * BATCH + 40)
    with pytest.raises(RuntimeError, match="killed"):
        rescore_stored(database, loadable(Told(fails_after=BATCH)), SINCE, clock)
    again = Told()
    assert rescore_stored(database, loadable(again), SINCE, clock) == ("two", BATCH + 40, BATCH)
    assert again.asked == [BATCH, 40], "what was judged is not judged again, and never more than a batch at once"
    assert f"{BATCH + 40} of {BATCH + 40}" in capsys.readouterr().err
    assert rows(database, "SELECT count(*) FROM scores") == [(2 * (2 * BATCH + 40),)]
    assert not list(recount(database))


def test_a_second_time_loads_no_model(database: Database) -> None:
    news(database, 3)
    model = loadable(Told())
    rescore_stored(database, model, SINCE, clock)
    assert rescore_stored(database, model._replace(load=lambda: 1 / 0), SINCE, clock).scored == 0  # type: ignore[arg-type, return-value]


def test_what_is_older_than_six_hours_counts_as_back_fill_and_the_present_s_news_as_live(database: Database) -> None:
    news(database, 4)
    save(database, [judged(article(50 + n, at=NOW - timedelta(minutes=n))) for n in range(3)], [], [], NOW)
    rescore_stored(database, loadable(Told()), SINCE, clock)
    flags = rows(database, "SELECT DISTINCT article, is_backfill FROM story_counts WHERE model = 2 ORDER BY 1")
    assert flags == [(f"a{n}", n < 50) for n in (0, 1, 2, 3, 50, 51, 52)]
    assert rows(database, "SELECT bool_or(is_backfill) FROM story_counts WHERE model = 1") == [(False,)]
    add_labels(database, [Label(article="a1", task="sentiment", value="negative", who="ann", at=NOW)])
    assert rows(database, "SELECT bool_and(is_backfill) FROM story_counts WHERE model = 2 AND article = 'a1'") == [
        (True,)
    ], "a label makes no old story live"
    assert not list(recount(database))


def test_a_label_stands_above_every_version_and_both_are_kept(database: Database) -> None:
    news(database, 5)
    add_labels(database, [Label(article="a1", task="sentiment", value="negative", who="ann", at=NOW)])
    rescore_stored(database, loadable(Told()), SINCE, clock)
    stands = rows(database, "SELECT DISTINCT negative FROM story_counts WHERE article = 'a1' AND scope = 1")
    assert stands == [(True,)]
    assert rows(database, "SELECT count(*) FROM scores WHERE article = 'a1'") == [(2,)]
    assert everything(database, model="two", minutes=1440)["all", "news"].total == 5


def test_what_another_version_stored_since_a_moment_is_caught_up_whenever_it_counts(database: Database) -> None:
    register(database, "two", {}, NOW)
    news(database, 3)
    save(database, [judged(article(70, at=NOW - timedelta(days=200), is_backfill=True))], [], [], NOW)
    assert catch_up(database, Told(), NOW - timedelta(minutes=1), clock) == 1
    assert rows(database, "SELECT article FROM scores WHERE model = 2") == [("a70",)]
    assert catch_up(database, Told(), NOW - timedelta(minutes=1), clock) == 0


def test_other_weights_under_a_known_name_are_refused(database: Database) -> None:
    news(database, 1)
    rescore_stored(database, loadable(Told(), weights_sha256="a"), SINCE, clock)
    with pytest.raises(UsageError, match="name of its own"):
        rescore_stored(database, loadable(Told(), weights_sha256="b"), SINCE, clock)
