"""Whose hours and holidays a scope keeps: real exchanges' calendars, clock changes, half days, and what they spare."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from monitor.alerts import calendar, watch
from monitor.alerts.calendar import ANYWHERE, EVERYWHERE, Market
from monitor.alerts.state import Levels
from monitor.alerts.watch import Tally
from monitor.errors import UsageError
from monitor.markets import load_markets
from monitor.types import BUCKET
from tests.alerts.streams import block_of, draw, moments, opened, rhythm, run

SUNDAY = 6


def days_and_hours(market: Market, *moments: datetime) -> list[tuple[int, int]]:
    slots = calendar.slots(np.array([one.timestamp() for one in moments]), market)
    return [(slot // 24, slot % 24) for slot in slots.tolist()]


@pytest.mark.parametrize(
    ("scope", "market"),
    [
        ("company:AAPL", "XNYS"),
        ("company:BRK.B", "XNYS"),
        ("company:SAP.DE", "XFRA"),
        ("company:SAP.DE|topic:M&A | Investments", "XFRA"),
        ("company:4519.T", "XTKS"),
        ("company:WIPRO", "XBOM"),
        ("company:Some Private House Ltd.", "XNYS"),
        ("topic:Macro", "XNYS"),
        ("all", "XNYS"),
    ],
)
def test_a_company_lives_by_its_listing_and_all_else_by_the_default(scope: str, market: str) -> None:
    assert load_markets("XNYS").of(scope).name == market


@pytest.mark.parametrize(
    ("scope", "market"),
    [
        ("company:AAPL", "XNYS"),
        ("company:AOS", "XNYS"),  # of whose exchange the list says nothing
        ("company:BRK.B|topic:Earnings", "XNYS"),
        ("company:SNAP", "XNYS"),
        ("company:1U1", "XFRA"),
        ("company:MAERSK-B.CO", "XCSE"),
        ("company:WIPRO", "XBOM"),
        ("company:Some Private House Ltd.", "XLON"),
        ("all", "XLON"),
    ],
)
def test_an_american_company_keeps_new_yorks_hours_wherever_the_default_lies(scope: str, market: str) -> None:
    assert load_markets("XLON").of(scope).name == market


def test_without_a_market_everything_is_utc_and_an_unknown_one_is_refused_with_the_mend() -> None:
    assert load_markets("24/7").of("company:SAP.DE") == EVERYWHERE
    with pytest.raises(UsageError, match="XNYS"):
        load_markets("WALL-STREET")


def test_the_bell_rings_at_the_same_hour_of_the_week_before_and_after_a_clock_change() -> None:
    new_york, frankfurt = load_markets("XNYS").default, load_markets("XFRA").default
    friday, monday = datetime(2026, 3, 6, 14, 30, tzinfo=UTC), datetime(2026, 3, 9, 13, 30, tzinfo=UTC)

    assert days_and_hours(new_york, friday, monday) == [(4, 9), (0, 9)]
    assert days_and_hours(frankfurt, friday, monday) == [(4, 15), (0, 14)]  # Europe's clocks change three weeks later


def test_thanksgiving_is_a_sunday_and_the_day_after_one_from_its_early_close_on() -> None:
    new_york = load_markets("XNYS").default
    thursday = datetime(2026, 11, 26, 15, tzinfo=UTC)
    morning, afternoon = datetime(2026, 11, 27, 17, 55, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)

    assert days_and_hours(new_york, thursday, morning, afternoon) == [(SUNDAY, 10), (4, 12), (SUNDAY, 13)]
    assert days_and_hours(load_markets("XFRA").default, thursday) == [(3, 16)]


def test_a_half_hour_zone_is_read_to_the_quarter() -> None:
    mumbai = load_markets("XBOM").default

    assert days_and_hours(mumbai, datetime(2026, 2, 9, 3, 25, tzinfo=UTC)) == [(0, 8)]
    assert days_and_hours(mumbai, datetime(2026, 2, 9, 3, 30, tzinfo=UTC)) == [(0, 9)]


def test_the_day_after_a_holiday_is_expected_to_be_as_busy_as_ever() -> None:
    """A holiday's silence must not teach that Mondays are quiet."""
    at = moments(4)
    monday = date(2026, 1, 26)
    mean = 2 * rhythm(at)
    mean[at // 86400 == datetime(2026, 1, 26, tzinfo=UTC).timestamp() // 86400] *= 0.3
    negative = draw(7, mean)
    aware = Market(name="X", closed=frozenset({monday}))

    knows, _, changes = run(block_of(at, negative, negative * 3, aware), Levels.of_budget(0.02))
    not_so, _, _ = run(block_of(at, negative, negative * 3), Levels.of_budget(0.02))

    assert opened(changes) == []
    assert knows.known.normal.season[0, 14] > not_so.known.normal.season[0, 14]


def test_a_stored_watch_goes_on_by_its_own_market_and_learns_anew_by_another() -> None:
    first = datetime(2026, 3, 2, tzinfo=UTC)
    tallies = [Tally("all", first + timedelta(hours=hour), 4, 1, 4, 1) for hour in range(72)]
    markets = load_markets("XNYS")
    known = watch.learn(watch.new_watch({"all"}, first, markets), tallies, first + timedelta(days=3))

    after = watch.from_bytes(watch.to_bytes(known), markets)

    assert after is not None
    assert (after.at, after.markets) == (known.at, markets)
    assert watch.from_bytes(watch.to_bytes(known), ANYWHERE) is None
    _, seen = watch.glance(after, [], known.at + BUCKET)
    assert seen.block.slots.tolist() == [calendar.slots(seen.block.at, markets.default)[0]]
