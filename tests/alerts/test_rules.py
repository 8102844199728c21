"""Rules: what makes one wrong, what it watches, and when its readers may be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import exchange_calendars
import pytest

from monitor.alerts.calendar import EXCHANGES
from monitor.alerts.hours import silent_until, told_at
from monitor.alerts.rule_spec import faults_of, rule_of, spec_of
from monitor.alerts.rules import Rule, watches
from monitor.errors import UsageError
from monitor.markets import exchange
from monitor.types import Scope

NEW_YORK = {"XNYS": exchange("XNYS")}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"budget": 0}, "budget must be a number above 0"),
        ({"budget": None}, "budget .* or at_least .*: give one of both"),
        ({"at_least": 7}, "give one of both"),
        ({"budget": None, "at_least": 3}, "at_least must be 4 or more, or min_stories less"),
        ({"kinds": ["tweet"]}, "kinds must be one or more of news, report, comment"),
        ({"shapes": []}, "shapes must be one or more of all, topic"),
        ({"shapes": ["topic"], "companies": ["DELM"]}, "shapes must have company"),
        ({"shapes": ["company"], "topics": ["Macro"]}, "shapes must have topic"),
        ({"zone": "Mars/Olympus"}, "zone 'Mars/Olympus' is unknown"),
        ({"quiet": ["22:00", "25:00"]}, "quiet must be two different times"),
        ({"hours": ["09:00", "09:00"]}, "hours must be two different times"),
        ({"hours": ["09:00", "17:00"], "quiet": ["08:00", "18:00"]}, "quiet must leave some of the time"),
        ({"market": "WALL"}, "market 'WALL' is unknown; name one of XNYS"),
        ({"market": "XNYS", "hours": ["09:00", "17:00"]}, "market and hours exclude each other"),
        ({"min_publishers": 0}, "min_publishers must be 1 or more"),
        ({"inhibited_by": ["mine"]}, "inhibited_by must not name the rule itself"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field_with_the_mend(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rule_of(spec, name="mine")


def test_all_that_is_wrong_is_named_at_once() -> None:
    assert [one.field for one in faults_of(Rule(name=" ", kinds=(), budget=-1.0, zone="x"))] == [
        "name",
        "kinds",
        "budget",
        "zone",
    ]


def test_quiet_hours_that_cover_all_trading_hours_are_wrong() -> None:
    rule = Rule(market="XNYS", quiet=("15:00", "23:30"), zone="Europe/Berlin")
    assert [one.field for one in faults_of(rule, NEW_YORK)] == ["quiet"]
    assert not list(faults_of(replace(rule, quiet=("15:00", "21:30")), NEW_YORK))


def test_a_rule_is_stored_and_read_back_as_it_was() -> None:
    rule = Rule(name="mine", companies=("DELM",), quiet=("22:00", "07:00"), zone="Asia/Tokyo", digest="daily")
    rule = replace(rule, watchlists=("Cars",), market="XTKS", inhibited_by=("Crash",), routes=("desk",))
    assert rule_of(spec_of(rule), name="mine") == rule
    assert "listed" not in spec_of(replace(rule, listed=("NRVN",)))


def test_a_company_rule_watches_the_company_and_its_topics() -> None:
    rule = Rule(companies=("DELM",))
    assert watches(rule, Scope("DELM", None))
    assert watches(rule, Scope("DELM", "Macro"))
    assert not watches(rule, Scope(None, "Macro"))
    assert not watches(rule, Scope("NRVN", None))


def test_a_watch_list_s_companies_are_watched_beside_those_named() -> None:
    rule = Rule(companies=("DELM",), watchlists=("Cars",), listed=("NRVN",))
    assert watches(rule, Scope("DELM", None))
    assert watches(rule, Scope("NRVN", "Macro"))
    assert not watches(rule, Scope("ALBT", None))
    assert not watches(rule, Scope(None, None))


def test_a_watch_list_without_companies_watches_nothing_rather_than_everything() -> None:
    assert not watches(Rule(watchlists=("Gone",)), Scope("DELM", None))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-03T13:00:00+00:00", "2026-03-03T14:30:00+00:00"),  # before the bell
        ("2026-03-03T14:30:00+00:00", None),
        ("2026-03-03T20:59:00+00:00", None),
        ("2026-03-03T21:00:00+00:00", "2026-03-04T14:30:00+00:00"),
        ("2026-03-06T21:30:00+00:00", "2026-03-09T13:30:00+00:00"),  # Friday; clocks change over the weekend
        ("2026-04-03T15:00:00+00:00", "2026-04-06T13:30:00+00:00"),  # Good Friday
        ("2026-11-27T18:30:00+00:00", "2026-11-30T14:30:00+00:00"),  # a half day: closed at one
        ("2026-11-27T17:30:00+00:00", None),
    ],
)
def test_a_rule_bound_to_an_exchange_tells_while_that_trades(at: str, until: str | None) -> None:
    found = silent_until(Rule(market="XNYS"), datetime.fromisoformat(at), NEW_YORK)
    assert found == (datetime.fromisoformat(until) if until else None)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(), "2026-03-06T21:30:00+00:00"),
        (Rule(market="XNYS"), "2026-03-09T13:30:00+00:00"),
        (Rule(market="XNYS", quiet=("14:00", "15:00"), zone="Europe/Berlin"), "2026-03-09T14:00:00+00:00"),
        (Rule(digest="daily", zone="Europe/Berlin"), "2026-03-07T06:00:00+00:00"),
        (Rule(hours=("22:00", "06:00"), zone="Asia/Tokyo"), "2026-03-08T15:00:00+00:00"),
        (Rule(digest="daily", hours=("09:00", "17:00"), zone="Europe/Berlin"), "2026-03-09T08:00:00+00:00"),
    ],
)
def test_when_readers_hear_of_it_follows_every_hour_that_the_rule_names(rule: Rule, told: str) -> None:
    assert told_at(rule, datetime(2026, 3, 6, 21, 30, tzinfo=UTC), NEW_YORK) == datetime.fromisoformat(told)


def test_every_exchange_that_the_form_offers_has_a_calendar() -> None:
    assert not EXCHANGES.keys() - set(exchange_calendars.get_calendar_names(include_aliases=True))
