"""Exchanges' zones, holidays and half days as the detector takes them. The only exchange_calendars import.

Their calendars reach twenty years back and to the end of what the exchange has announced; beyond that every weekday
counts as a working day.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache

from monitor.alerts.calendar import ANYWHERE, EVERYWHERE, Market, Markets
from monitor.entities import INDIA, WORLD, listed_companies, read_watchlist
from monitor.errors import UsageError

MUMBAI = "XBOM"
SUFFIXES = {
    "AS": "XAMS",
    "BO": MUMBAI,
    "BR": "XBRU",
    "CO": "XCSE",
    "DE": "XFRA",
    "HE": "XHEL",
    "HK": "XHKG",
    "KS": "XKRX",
    "L": "XLON",
    "MC": "XMAD",
    "MI": "XMIL",
    "NS": MUMBAI,
    "PA": "XPAR",
    "ST": "XSTO",
    "SW": "XSWX",
    "T": "XTKS",
    "TO": "XTSE",
}
"""What follows the dot of a company's key -> its exchange."""


class _Listed(Mapping[str, Market]):
    """By codes of exchanges; loads an exchange when somebody is first listed there."""

    def __init__(self, codes: Mapping[str, str]) -> None:
        self._codes = codes

    def __getitem__(self, name: str) -> Market:
        return _market(self._codes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)


@cache
def load_markets(default: str) -> Markets:
    """Companies by their listing; `default`, an exchange's code, is the market of all else.

    24/7 stands for no market: every scope lives by UTC and knows no holiday. UsageError for an unknown code.
    """
    if default == EVERYWHERE.name:
        return ANYWHERE
    codes = {one.company: one.market for one in listed_companies() if one.market and not _says(one.company)}
    # Written by hand, the others' keys without a suffix are their tickers in New York.
    codes |= {one.company: "XNYS" for one in read_watchlist(WORLD) if not _says(one.company)}
    codes |= dict.fromkeys((one.company for one in read_watchlist(INDIA)), MUMBAI)
    return Markets(default=_market(default), by_company=_Listed(codes), by_suffix=_Listed(SUFFIXES))


def _says(company: str) -> bool:
    """Does the key itself say where?"""
    return "." in company and company.rpartition(".")[2] in SUFFIXES


def exchange(code: str) -> Market:
    """One exchange by its code. UsageError where there is none."""
    return _market(code)


@cache
def _market(code: str) -> Market:
    import exchange_calendars  # brings pandas: a second that only alerts shall pay
    from exchange_calendars.errors import InvalidCalendarName
    from pandas import bdate_range

    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # theirs, of pandas
            calendar = exchange_calendars.get_calendar(code)
    except InvalidCalendarName as error:
        raise UsageError(f"setting TOCSIN_MARKET: {code!r} is no exchange; name one like XNYS, XLON or 24/7") from error
    working = bdate_range(calendar.first_session, calendar.last_session)
    closes = calendar.closes.dt.tz_convert(calendar.tz)
    return Market(
        name=code,
        zone=str(calendar.tz),
        closed=frozenset(day.date() for day in working.difference(calendar.sessions)),
        early={day.date(): closes[day].time() for day in calendar.early_closes},
        opens=calendar.open_times[-1][1],
        closes=calendar.close_times[-1][1],
    )
