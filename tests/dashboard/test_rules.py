"""The Rules page: all that a rule can be, nothing saved untried, and saved with the rate that the trial measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest
import seed
from conftest import run_page, words
from streamlit.testing.v1 import AppTest

from dashboard import rule_form, trial
from dashboard.views.rules import UNHEARD, asks, is_same_alarm
from monitor.alerts.past import Trial
from monitor.alerts.rule_spec import Fault
from monitor.alerts.rules import Rule
from tests.test_alerts_stages import EPISODE

TRY, SAVE = "Try on the past", "Save"


@pytest.fixture
def url(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """A short past, so that a trial is quick."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=4)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    monkeypatch.setenv("TOCSIN_NOTIFY", '["desk=console://"]')
    return seed.plain(database_url)


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def saved(url: str) -> list[tuple[object, ...]]:
    return rows(url, "SELECT name, who, rate IS NOT NULL, spec->'budget' FROM rules ORDER BY id")


def test_the_form_has_a_field_for_all_that_a_rule_can_be() -> None:
    assert {field.name for field in fields(Rule)} - {"id", "listed"} == rule_form.LABELS.keys()


def test_an_untried_rule_is_not_saved(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Strict")
    assert "Try it on the past first" in words(press(page, SAVE))
    assert len(saved(url)) == 1


def test_a_rule_tried_on_a_few_days_keeps_no_level_from_them_and_is_measured_later(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Early")
    press(page, TRY)
    assert "too little past to set the bar by" in words(page)
    press(page, SAVE)
    assert rows(url, "SELECT level, rate, measured_at FROM rules WHERE name = 'Early'") == [(None, None, None)]


def test_a_tried_rule_is_saved_with_its_measured_rate(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.alerts.past.LEAST_PAST", timedelta(days=3))
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Strict")
    page.number_input(key="budget-0").set_value(0.5)
    said = words(press(page, TRY))
    begun = (datetime.now(UTC) - timedelta(days=4)).replace(hour=0, minute=0, second=0)  # the past is of whole days
    days = round((datetime.now(UTC) - begun) / timedelta(days=1))  # in the afternoon nearer to five
    assert f"<b>Strict</b> would have rung once in {days} days; nobody has marked it yet." in said
    assert "where you allow 0.5" in said
    assert "Norvane Motors" in said.split('class="line"')[1]
    press(page, SAVE)
    assert saved(url)[-1] == ("Strict", "grace", True, 0.5)


def test_a_rule_changed_since_its_trial_is_not_saved(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Strict")
    press(page, TRY)
    page.number_input(key="min_stories-0").set_value(9)
    said = words(press(page, SAVE))
    assert "as it stands now" in said
    assert "Changed since it was tried" in said
    assert len(saved(url)) == 1


def test_who_is_told_and_when_is_saved_without_a_trial_and_keeps_what_was_measured(url: str) -> None:
    page = run_page("rules")
    page.text_input(key="name-1").set_value("Surge")
    page.multiselect(key="routes-1").set_value(["desk"])
    page.selectbox(key="mode-1").set_value(rule_form.TRADING).run()
    page.selectbox(key="market-1").set_value("XLON")
    page.time_input(key="quiet-from-1").set_value(time(22))
    page.time_input(key="quiet-to-1").set_value(time(7))
    page.selectbox(key="zone-1").set_value("Europe/Berlin")
    press(page, SAVE)
    assert rows(
        url,
        """SELECT id, name, level, rate, spec->'routes', spec->>'market', spec->'quiet', spec->>'zone', who
                        FROM rules""",
    ) == [(1, "Surge", 2.1, 0.8, ["desk"], "XLON", ["22:00", "07:00"], "Europe/Berlin", "grace")]


def test_the_channels_that_are_set_up_are_offered_and_a_strange_one_is_told(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("""UPDATE rules SET spec = '{"budget": 1, "routes": ["gone"]}'""")
    page = run_page("rules")
    assert page.multiselect(key="routes-1").options == ["desk", "gone"]
    assert "Not set up here, so nothing reaches it: gone." in words(page)


def test_every_fault_is_said_by_the_form_s_own_names_with_its_mend(url: str) -> None:
    page = run_page("rules", rule="new")
    page.pills(key="kinds-0").set_value([])
    page.time_input(key="quiet-from-0").set_value(time(22))
    page.segmented_control(key="how-0").set_value(rule_form.FIXED).run()
    page.number_input(key="fixed-0").set_value(2)
    said = words(press(page, TRY))
    assert "Name must not be empty" in said
    assert "Kinds must be one or more of news" in said
    assert "Quiet hours must be two different times, such as 22:00 and 07:00" in said
    assert "Stories within an hour, at least must be 4 or more, or “Stories, at least” less" in said
    assert len(saved(url)) == 1


def test_a_fault_names_other_fields_as_the_form_does() -> None:
    assert rule_form.told(Fault("zone", "is unknown")) == "Time zone is unknown"


def test_the_name_of_another_rule_is_refused(url: str) -> None:
    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Negative surge")
    assert "is another rule's; choose another" in words(press(press(page, TRY), SAVE)).replace("&#x27;", "'")
    assert len(saved(url)) == 1


def test_a_rule_is_switched_off_and_on(url: str) -> None:
    page = run_page("rules")
    page.button(key="switch").click().run()
    assert rows(url, "SELECT enabled, who FROM rules") == [(False, "grace")]
    assert page.button(key="switch").label == "Switch on"


def test_a_rule_is_deleted_and_what_it_rang_stays(url: str) -> None:
    page = run_page("rules")
    page.button(key="delete").click().run()
    assert saved(url) == []
    assert rows(url, "SELECT count(*), count(rule) FROM episodes") == [(2, 0)]


@pytest.mark.usefixtures("url")
def test_a_rule_that_is_gone_is_a_sentence() -> None:
    assert "This rule is not here." in words(run_page("rules", rule="77"))


def test_a_watch_list_is_made_changed_watched_and_kept_while_it_is(url: str) -> None:
    page = run_page("rules", list="new")
    page.text_input(key="list-name-new").set_value("Carmakers")
    page.multiselect(key="list-companies-new").set_value(["NRVN", "KEPL"])
    press(page, "Save the list")
    assert rows(url, "SELECT name, companies, who FROM watchlists") == [("Carmakers", ["KEPL", "NRVN"], "grace")]

    page = run_page("rules", rule="new")
    page.text_input(key="name-0").set_value("Cars")
    page.multiselect(key="watchlists-0").set_value(["Carmakers"])
    press(press(page, TRY), SAVE)
    assert rows(url, "SELECT spec->'watchlists' FROM rules WHERE name = 'Cars'") == [(["Carmakers"],)]

    page = run_page("rules", list="Carmakers")
    assert "Watched by Cars" in words(page)
    assert "Delete the list" not in [button.label for button in page.button]
    page.text_input(key="list-name-Carmakers").set_value("Cars and vans")
    press(page, "Save the list")
    assert rows(url, "SELECT spec->'watchlists' FROM rules WHERE name = 'Cars'") == [(["Cars and vans"],)]


def test_an_unwatched_list_is_deleted(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO watchlists VALUES ('Old', '{NRVN}', 'ada', now())")
    press(run_page("rules", list="Old"), "Delete the list")
    assert rows(url, "SELECT * FROM watchlists") == []


def test_a_list_without_companies_is_refused(url: str) -> None:
    page = run_page("rules", list="new")
    page.text_input(key="list-name-new").set_value("Empty")
    assert "companies must be one or more" in words(press(page, "Save the list"))
    assert rows(url, "SELECT * FROM watchlists") == []


def test_a_rule_says_what_it_asks() -> None:
    assert asks(Rule(budget=0.5)) == "at most 0.5 false alarms a week"
    assert asks(Rule(budget=1.0)) == "at most 1 false alarm a week"
    assert asks(Rule(budget=None, at_least=7)) == "7 stories within an hour"


@pytest.mark.parametrize(
    ("rule", "scope"),
    [
        (Rule(), "all"),
        (Rule(companies=("NRVN",)), "company:NRVN"),
        (Rule(listed=("NRVN",), topics=("Macro",)), "company:NRVN|topic:Macro"),
        (Rule(companies=("NRVN",), topics=("Macro", "Politics")), "company:NRVN"),
        (Rule(topics=("Macro",)), "topic:Macro"),
        (Rule(topics=("Macro", "Politics")), "all"),
        (Rule(companies=("NRVN",), listed=("C1",)), "all"),
    ],
)
def test_a_trial_draws_what_its_rule_is_about(rule: Rule, scope: str) -> None:
    assert trial.charted(rule) == scope


def test_only_what_changes_an_alarm_asks_for_a_new_trial() -> None:
    assert is_same_alarm(Rule(), Rule(name="Other", routes=("desk",), market="XNYS", zone="Asia/Tokyo"))
    assert not is_same_alarm(Rule(), Rule(watchlists=("Cars",)))
    assert not is_same_alarm(Rule(), Rule(budget=2.0))
    assert rule_form.LABELS.keys() >= UNHEARD


def test_what_is_one_event_is_one_alarm_told_by_its_rarest_scope() -> None:
    wide = replace(EPISODE, id="e2", scope="all", peak=2.0)
    later = replace(EPISODE, id="e3", incident="i3", detected=EPISODE.detected + timedelta(days=1))
    assert [[one.id for one in group] for group in trial.incidents([wide, EPISODE, later])] == [["e3"], ["e1", "e2"]]


def test_a_rate_is_held_against_what_is_allowed() -> None:
    tried = Trial((EPISODE,), {}, 2.0, 0.333, {}, 3.0, True)
    assert trial.rates(Rule(budget=1.0), tried).startswith("0.33 false alarms a week on that past, where you allow 1.")
    assert "allow" not in trial.rates(Rule(budget=None, at_least=9), tried)
    assert "Crash would have silenced it are counted" in trial.rates(Rule(inhibited_by=("Crash",)), tried)
