"""The Alerts page: what it tells, what its buttons write, and that a visit alone writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
import seed
from conftest import Open, run_page, words
from streamlit.testing.v1 import AppTest

from dashboard import telling
from monitor.alerts import links
from monitor.alerts.episodes import Episode

NOW = datetime(2026, 3, 10, 9, 7, tzinfo=UTC)
WRITTEN = ("feedback", "silences", "labels", "rules", "episodes")


@pytest.fixture
def fresh(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """A seeded database of the test's own, for tests that write."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=20)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    return seed.plain(database_url)


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_the_open_alert_is_shown_first_with_its_evidence(opened: Open) -> None:
    said = words(opened("alerts"))
    for part in ("Norvane Motors: 26 negative stories, 0.3 expected", "about once in 8 years", "street note is silent"):
        assert part in said
    for part in ("Nordic Desk", "https://", "console, first"):
        assert part in said


def test_a_link_opens_that_very_alert(opened: Open) -> None:
    said = words(opened("alerts", episode=seed.PAST))
    assert "Dividend: 7 negative stories" in said
    assert "<dt>Noise</dt><dd>ada" in said


def test_an_unknown_alert_is_a_sentence(opened: Open) -> None:
    assert "This alert is not here." in words(opened("alerts", episode="no such"))


def test_no_alert_yet_is_said(database_url: str, point_at: Callable[[str], None]) -> None:
    point_at(database_url)
    said = words(run_page("alerts"))
    assert "No alert has ever rung." in said
    assert "Learning what is usual." in said
    assert "2 days of news to go before an alert can ring" in said


def test_what_has_learned_does_not_say_that_it_learns(opened: Open) -> None:
    assert "Learning what is usual" not in words(opened("alerts"))


def test_acknowledging_says_who_and_takes_the_button_away(fresh: str) -> None:
    page = press(run_page("alerts"), "acknowledge")
    assert rows(fresh, "SELECT verdict, who FROM feedback WHERE episode = 'c0ffee000001'") == [
        ("acknowledged", "grace")
    ]
    assert "acknowledge" not in [button.key for button in page.button]
    assert "seen by grace" in words(run_page("overview"))


def test_the_newest_verdict_stands_and_the_older_one_is_kept(fresh: str) -> None:
    press(press(run_page("alerts"), "noise"), "useful")
    assert rows(fresh, "SELECT verdict FROM feedback WHERE episode = 'c0ffee000001' ORDER BY id") == [
        ("noise",),
        ("useful",),
    ]
    assert run_page("alerts").button(key="useful").disabled


def test_a_silence_is_kept_with_its_end_and_can_be_ended(fresh: str) -> None:
    page = run_page("alerts")
    page.text_input[0].set_value("known")
    page.button(key="FormSubmitter:silence-Silence").click().run()
    assert rows(fresh, "SELECT scope, who, comment, ends - starts = interval '8 hours' FROM silences") == [
        ("company:NRVN", "grace", "known", True)
    ]
    assert "known" in words(page)
    press(page, "end-1")
    assert rows(fresh, "SELECT count(*) FROM silences WHERE ends > now()") == [(0,)]


@pytest.mark.parametrize("module", ["overview", "alerts", "feeds"])
def test_a_visit_changes_nothing(fresh: str, module: str) -> None:
    def state() -> list[list[tuple[object, ...]]]:
        return [rows(fresh, f"SELECT * FROM {table} ORDER BY 1") for table in WRITTEN]  # noqa: S608 (constants)

    before = state()
    run_page(module, episode=seed.EPISODE, verdict="noise", acknowledge="1")
    assert state() == before


def test_a_link_of_a_message_acts_when_its_button_is_pressed_and_not_before(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s" * 32)
    token = links.sign("noise", seed.EPISODE, "s" * 32, datetime.now(UTC))
    page = run_page("act", token=token)
    assert "Norvane Motors" in words(page)
    assert rows(fresh, "SELECT count(*) FROM feedback WHERE episode = 'c0ffee000001'") == [(0,)]
    assert "Done: noise." in words(press(page, "confirm"))
    assert rows(fresh, "SELECT verdict FROM feedback WHERE episode = 'c0ffee000001'") == [("noise",)]


@pytest.mark.usefixtures("fresh")
def test_a_forged_link_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s" * 32)
    page = run_page("act", token=links.sign("noise", seed.EPISODE, "another secret", datetime.now(UTC)))
    assert "damaged or not ours" in words(page)
    assert not page.button


@pytest.mark.parametrize(("severity", "said"), [(0.6, "about once in 4 weeks"), (2.6, "about once in 8 years")])
def test_rarity_is_said_in_the_words_of_the_messages(severity: float, said: str) -> None:
    assert telling.rarity(severity) == said


def test_what_was_missing_is_told() -> None:
    values = dict.fromkeys(Episode.__slots__, None) | {"missing": ("wire is silent", "worker 2 lags")}
    assert telling.completeness(Episode(**values)) == "wire is silent; worker 2 lags"  # type: ignore[arg-type]
