"""Every page over a seeded database, without a browser: what it says, what its filters change, what it never does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import seed
from conftest import Open, run_page, words
from streamlit.testing.v1 import AppTest

from dashboard import serve
from dashboard.filters import stamp
from dashboard.views import scope


def ok(page: AppTest) -> str:
    assert not page.exception, page.exception[0].message
    return words(page)


@pytest.mark.parametrize(
    ("module", "function", "params"),
    [
        ("overview", "page", {}),
        ("overview", "page", {"window": "90d", "kind": "Comments"}),
        ("scope", "topic", {}),
        ("scope", "topic", {"topic": "Legal | Regulation"}),
        ("scope", "company", {}),
        ("scope", "company", {"company": "NRVN", "window": "7d"}),
        ("scope", "company", {"company": "NO SUCH"}),
        ("feeds", "page", {}),
        ("model", "page", {}),
        ("rules", "page", {}),
        ("rules", "page", {"rule": "new"}),
        ("rules", "page", {"rule": "no such"}),
    ],
)
def test_a_page_opens_without_an_error(opened: Open, module: str, function: str, params: dict[str, str]) -> None:
    ok(opened(module, function, **params))


def test_the_overview_names_the_company_in_crisis_as_the_biggest_mover(opened: Open) -> None:
    said = ok(opened("overview"))
    movers = said.split("Biggest movers")[1]
    assert movers.index("Norvane Motors") < movers.index("Legal | Regulation")


def test_the_window_filter_changes_what_is_counted(opened: Open) -> None:
    page = opened("scope", "topic", window="6h")
    assert "in 6 hours" in ok(page)
    page.button_group(key="window").set_value("30d").run()
    assert "in 30 days" in ok(page)


def test_a_chosen_point_in_the_url_lists_its_stories(opened: Open) -> None:
    now = datetime.now(UTC)
    said = ok(
        opened(
            "overview",
            scope="company:NRVN",
            from_=stamp(now - timedelta(hours=3)),
            to=stamp(now + timedelta(hours=1)),
        )
    )
    assert said.count("filing") >= 20


def test_a_page_beyond_the_last_leads_back_to_the_first(opened: Open) -> None:
    now = datetime.now(UTC)
    stretch = {"from_": stamp(now - timedelta(hours=3)), "to": stamp(now + timedelta(hours=1))}
    for page in ("40", "²", "99999999999999999999"):
        assert ok(opened("overview", scope="company:NRVN", page=page, **stretch)).count("filing") >= 20, page


def test_weeks_without_a_story_count_for_what_is_usual(database_url: str, point_at: Callable[[str], None]) -> None:
    now = datetime.now(UTC)
    seed.fill(seed.plain(database_url), now)
    with psycopg.connect(seed.plain(database_url)) as connection:
        connection.execute(
            """DELETE FROM counts c USING scopes s WHERE s.id = c.scope AND s.key = 'company:NRVN'
               AND c.at < %s - interval '9 days'""",
            [now],
        )
        total = connection.execute(
            """SELECT sum(total) FROM counts c JOIN scopes s ON s.id = c.scope WHERE s.key = 'company:NRVN'
               AND minutes = 5 AND at >= %s - interval '8 days' AND at < %s - interval '7 days'""",
            [now, now],
        ).fetchone()
    assert total is not None
    point_at(database_url)
    found = re.search(r">Stories<.*?usually ([0-9.]+)", words(run_page("scope", "company", company="NRVN")))
    assert found is not None
    assert float(found[1]) <= int(total[0] or 0) / 4 + 1


def test_a_list_says_what_it_leaves_out(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "busiest of" not in ok(opened("scope", "company"))
    monkeypatch.setattr(scope, "INDEX", 3)
    assert "the 3 busiest of " in ok(run_page("scope", "company"))


def test_a_senseless_url_shows_the_page_all_the_same(opened: Open) -> None:
    ok(opened("overview", scope="nonsense", from_="yesterday", to="<script>", window="9y", kind="x", until="?"))


def test_an_empty_database_says_what_to_start(database_url: str, point_at: Callable[[str], None]) -> None:
    point_at(database_url)
    for module, function in (("overview", "page"), ("scope", "topic"), ("scope", "company")):
        assert "No model is in service yet" in ok(run_page(module, function))
    assert "No model is in service yet" in ok(run_page("model"))
    assert "No feed has been asked yet" in ok(run_page("feeds"))


def test_a_database_without_tables_says_how_to_make_them(
    empty_database_url: str, point_at: Callable[[str], None]
) -> None:
    point_at(empty_database_url)
    page = AppTest.from_file(serve.APP, default_timeout=30).run()
    assert "tocsin migrate" in ok(page)


def test_an_unreachable_database_is_a_sentence_and_no_traceback(point_at: Callable[[str], None]) -> None:
    point_at("postgresql+psycopg://nobody@127.0.0.1:1/none")
    page = AppTest.from_file(serve.APP, default_timeout=30).run()
    assert "database does not answer" in ok(page)


def test_a_hostile_headline_is_shown_as_text(database_url: str, point_at: Callable[[str], None]) -> None:
    import seed

    title = '<img src=x onerror="alert(1)"> [click](javascript:alert(1)) </ul><script>alert(1)</script>'
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=2)
    with psycopg.connect(seed.plain(database_url)) as connection:
        connection.execute(
            "UPDATE articles SET title = %s, url = 'javascript:alert(1)', publisher = '<b>x</b>'", [title]
        )
        connection.execute("UPDATE companies SET name = '<i>' || name")
    point_at(database_url)
    for said in (ok(run_page("overview")), ok(run_page("scope", "company", company="NRVN"))):
        assert "&lt;img src=x" in said
        assert not any(bad in said for bad in ("<img", "<script", 'href="javascript', "<b>x", "<i>Norvane"))


def test_old_news_are_one_press_away(database_url: str, point_at: Callable[[str], None]) -> None:
    import seed

    seed.fill(seed.plain(database_url), datetime.now(UTC) - timedelta(days=400), days=20)
    point_at(database_url)
    page = run_page("overview")
    assert "No news in this window." in ok(page)
    page.button[0].click().run()
    said = ok(page)
    assert "Net sentiment" in said
    assert "Showing the 24 hours to" in said


def test_the_reader_engine_cannot_write(seeded_url: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import InternalError

    from monitor.store import reads

    engine = reads.open_for_reading(seeded_url)
    with engine.connect() as connection, pytest.raises(InternalError, match="read-only"):
        connection.execute(text("DELETE FROM labels"))
    engine.dispose()
