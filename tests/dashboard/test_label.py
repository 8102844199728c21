"""The page on which a person labels story after story: nothing is given away, what is said is kept, the next comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
import seed
from conftest import TIMEOUT_S, run_page, words
from streamlit.testing.v1 import AppTest

Labels = list[tuple[str, str | None, str, str, str]]


@pytest.fixture
def url(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Three days of news in a database of the test's own."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=3)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    return database_url


def asked(page: AppTest) -> str:
    """The article that is asked about."""
    return page.selectbox[0].key.removeprefix("label-").removesuffix("-topic")


def kept(url: str) -> Labels:
    with psycopg.connect(seed.plain(url)) as connection:
        return connection.execute("SELECT article, company, value, origin, who FROM labels ORDER BY id").fetchall()


def test_nothing_is_answered_beforehand_and_what_is_said_is_kept_and_leads_on(url: str) -> None:
    page = run_page("label")
    first = asked(page)
    assert page.selectbox[0].value is None
    assert not any(group.value for group in page.button_group)
    page.button_group(key=f"label-{first}-sentiment").set_value("negative")
    page.selectbox[0].set_value("Macro")
    page.button(key="label-save").click().run()
    assert not page.exception
    found = kept(url)
    assert [(row[0], *row[1:3], row[4]) for row in found] == [
        (first, None, "negative", "grace"),
        (first, None, "Macro", "grace"),
    ]
    assert asked(page) != first
    assert "Saved. The model says " in words(page)
    assert asked(run_page("label")) != first, "another visit asks for it again"


def test_a_third_of_a_round_is_audits_and_the_rest_corrections(url: str) -> None:
    page = run_page("label")
    for _ in range(30):
        page.button_group(key=f"label-{asked(page)}-sentiment").set_value("neutral")
        page.button(key="label-save").click().run(timeout=TIMEOUT_S)
    origins = [row[3] for row in kept(url)]
    assert len({row[0] for row in kept(url)}) == 30
    assert (origins.count("audit"), origins.count("correction")) == (10, 20)


@pytest.mark.usefixtures("url")
def test_skipping_and_saving_nothing_write_nothing(url: str) -> None:
    page = run_page("label")
    first = asked(page)
    page.button(key="label-save").click().run()
    assert asked(page) == first
    assert "Say one thing at least" in words(page)
    page.button(key="label-skip").click().run()
    assert asked(page) != first
    assert kept(url) == []


def test_without_news_it_says_that_nothing_waits(database_url: str, point_at: Callable[[str], None]) -> None:
    with psycopg.connect(seed.plain(database_url)) as connection:
        seed.fill(seed.plain(database_url), datetime.now(UTC), days=1)
        connection.execute("TRUNCATE articles CASCADE")
    point_at(database_url)
    assert "Nothing waits for a label" in words(run_page("label"))
