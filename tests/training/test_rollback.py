"""Back to the version before, with what it has missed, and never to what was rolled back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.errors import UsageError
from monitor.store.models import Service, in_service, put_in_service, register
from monitor.store.save import save
from tests.contracts.test_store import NOW, article, database, judged, rows
from tests.training.test_promote import Desk, desk, news
from training.promote import _standing, service_lines

__all__ = ["database", "desk"]


def test_a_rollback_brings_the_version_before_back_with_what_it_has_missed(desk: Desk) -> None:
    news(desk.database, 5)
    with pytest.raises(UsageError, match="no other version was in service"):
        desk.roll_back()
    desk.promote("better", force="test")
    save(desk.database, [judged(article(900, at=NOW), model="better")], [], [], NOW)
    assert desk.roll_back() == "one"
    assert in_service(desk.database) == "one"
    assert rows(desk.database, "SELECT model, count(*) FROM scores GROUP BY 1 ORDER BY 1") == [(1, 6), (2, 6)]
    lines = service_lines(desk.database)
    assert "in service  one" in lines[0]
    assert "rolled back from better: it rang all night" in lines[0]
    assert "bob" in lines[0]
    assert len(lines) == 3


def test_a_rollback_after_months_makes_up_for_all_of_them_once_it_serves(desk: Desk) -> None:
    news(desk.database, 5)
    long_ago = NOW - timedelta(days=90)
    register(desk.database, "better", {}, long_ago)
    put_in_service(desk.database, "better", "ann", "first", long_ago)
    for number, age in ((900, 60), (901, 10)):
        at = NOW - timedelta(days=age)
        save(desk.database, [judged(article(number, at=at), model="better")], [], [], at)
    old = article(902, at=NOW - timedelta(days=200), is_backfill=True)
    save(desk.database, [judged(old, model="better")], [], [], NOW - timedelta(days=40))
    serving: list[str | None] = []
    desk.versions["one"].saw = lambda: serving.append(in_service(desk.database))
    assert desk.roll_back() == "one"
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 1") == [(8,)]
    assert serving[0] == "better"
    assert set(serving[1:]) == {"one"}, "what charts and detectors need comes first, then the flip, then the rest"
    assert desk.told[-1] == "one has judged 2 articles more, all since it left service on 26 August 2026"


def test_a_second_rollback_never_brings_back_what_the_first_took_out(desk: Desk) -> None:
    news(desk.database, 5)
    desk.promote("better", force="test")
    assert desk.roll_back() == "one"
    with pytest.raises(UsageError, match="but what was rolled back"):
        desk.roll_back()
    assert in_service(desk.database) == "one"


def test_rollbacks_go_back_one_after_the_other() -> None:
    def history(*steps: str) -> list[Service]:
        kept = [Service(step.lstrip("<"), NOW, "ann", "rolled back from x" if "<" in step else "") for step in steps]
        return kept[::-1]

    assert _standing(history("a", "b", "c")) == ["a", "b", "c"]
    assert _standing(history("a", "b", "c", "<b")) == ["a", "b"]
    assert _standing(history("a", "b", "c", "<b", "<a")) == ["a"]
    assert _standing(history("a", "b", "<a", "b")) == ["a", "b"]
    assert _standing(history("a", "b", "a", "c", "<a")) == ["a", "b", "a"]
