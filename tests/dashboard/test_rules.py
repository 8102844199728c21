"""The Rules page: nothing is saved untried, and what is saved holds the rate that the trial measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import seed
from conftest import run_page, words
from streamlit.testing.v1 import AppTest

from dashboard.views.rules import asks
from monitor.alerts.rules import Rule

TRY, SAVE = "Try on the past", "Save"


@pytest.fixture
def url(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """A short past, so that a trial is quick."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=4)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    return seed.plain(database_url)


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def saved(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT name, who, rate IS NOT NULL, spec->'budget' FROM rules ORDER BY id"
        ).fetchall()


def test_an_untried_rule_is_not_saved(url: str) -> None:
    before = saved(url)
    assert "Try it on the past first" in words(press(run_page("rules"), SAVE))
    assert saved(url) == before


def test_a_rule_tried_on_a_few_days_keeps_no_level_from_them_and_is_measured_later(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Early")
    press(press(page, TRY), SAVE)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT level, rate, measured_at FROM rules WHERE name = 'Early'").fetchall()
    assert found == [(None, None, None)]


def test_a_tried_rule_is_saved_with_its_measured_rate(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.alerts.past.LEAST_PAST", timedelta(days=3))
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Strict")
    page.number_input(key="amount-0").set_value(0.5)
    said = words(press(page, TRY))
    assert "Strict: would have rung" in said
    press(page, SAVE)
    assert saved(url)[-1] == ("Strict", "grace", True, 0.5)


def test_a_rule_changed_since_its_trial_is_not_saved(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Strict")
    press(page, TRY)
    page.number_input(key="least-0").set_value(9)
    assert "as it stands now" in words(press(page, SAVE))
    assert len(saved(url)) == 1


def test_a_wrong_field_is_named_with_its_mend(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Nights")
    page.text_input(key="q-0").set_value("late")
    assert "22:00" in words(press(page, TRY))
    assert len(saved(url)) == 1


def test_a_rule_is_switched_off_and_on(url: str) -> None:
    page = run_page("rules")
    page.button(key="switch").click().run()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT enabled, who FROM rules").fetchall() == [(False, "grace")]
    assert page.button(key="switch").label == "Switch on"


def test_a_rule_says_what_it_asks() -> None:
    assert asks(Rule(budget=0.5)) == "at most 0.5 false alarms a week"
    assert asks(Rule(budget=None, at_least=7)) == "7 stories within an hour"
