"""Correcting a label: what is asked, what is written, that a person's word stands in list and counts at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
import seed
from conftest import TIMEOUT_S, run_page, words
from streamlit.testing.v1 import AppTest

from dashboard import serve

CRISIS = "SELECT article FROM story_counts c JOIN scopes s ON s.id = c.scope WHERE s.key = 'company:NRVN' AND negative"


@pytest.fixture
def article(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """A negative story of the crisis, in a database of the test's own."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=3)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    monkeypatch.setenv("TOCSIN_TEST_URL", seed.plain(database_url))
    with psycopg.connect(seed.plain(database_url)) as connection:
        row = connection.execute(f"{CRISIS} ORDER BY at DESC LIMIT 1").fetchone()
    assert row is not None
    return str(row[0])


def open_dialog(article: str) -> AppTest:
    app = AppTest.from_file(serve.APP, default_timeout=TIMEOUT_S)
    app.query_params["correct"] = article
    return app.run()


def test_a_correction_stands_in_the_list_and_in_the_counts(article: str, database_url: str) -> None:
    def negatives() -> int:
        with psycopg.connect(seed.plain(database_url)) as connection:
            row = connection.execute(
                "SELECT sum(negative) FROM counts c JOIN scopes s ON s.id = c.scope "
                "WHERE s.key = 'company:NRVN' AND minutes = 60"
            ).fetchone()
            assert row is not None
            return int(row[0])

    before = negatives()
    app = open_dialog(article)
    app.button_group(key="correct-NRVN").set_value("positive")
    app.selectbox(key="correct-topic").set_value("Macro")
    app.button(key="correct-save").click().run()
    assert not app.exception
    with psycopg.connect(seed.plain(database_url)) as connection:
        kept = connection.execute("SELECT task, company, value, origin, who FROM labels ORDER BY task").fetchall()
    assert kept == [
        ("company", "NRVN", "positive", "correction", "grace"),
        ("topic", None, "Macro", "correction", "grace"),
    ]
    assert negatives() == before - 1
    assert "corrected" in words(run_page("scope", "company", company="NRVN"))


def test_saving_without_a_change_writes_nothing(article: str, database_url: str) -> None:
    open_dialog(article).button(key="correct-save").click().run()
    with psycopg.connect(seed.plain(database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM labels").fetchone() == (0,)


@pytest.mark.usefixtures("article")
def test_an_unknown_article_opens_no_dialog() -> None:
    app = open_dialog("no such article")
    assert not app.exception
    assert "correct-save" not in [button.key for button in app.button]
