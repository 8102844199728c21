"""Exchanges' zones, holidays and half days as the detector takes them. The only exchange_calendars import.

Their calendars reach twenty years back and to the end of what the exchange has announced; beyond that every weekday
counts as a working day.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache

from monitor.alerts.calendar import ANYWHERE, EVERYWHERE, Market, Markets
from monitor.entities import INDIA, read_watchlist
from monitor.errors import UsageError

MUMBAI = "XBOM"
SUFFIXES = {
    "AS": "XAMS",
    "BO": MUMBAI,
    "BR": "XBRU",
    "DE": "XFRA",
    "HE": "XHEL",
    "HK": "XHKG",
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


class _BySuffix(Mapping[str, Market]):
    """Loads an exchange when a company is first listed there."""

    def __getitem__(self, suffix: str) -> Market:
        return _market(SUFFIXES[suffix])

    def __iter__(self) -> Iterator[str]:
        return iter(SUFFIXES)

    def __len__(self) -> int:
        return len(SUFFIXES)


@cache
def load_markets(default: str) -> Markets:
    """Companies by their listing; `default`, an exchange's code, is the market of all else.

    24/7 stands for no market: every scope lives by UTC and knows no holiday. UsageError for an unknown code.
    """
    if default == EVERYWHERE.name:
        return ANYWHERE
    mumbai = dict.fromkeys((one.company for one in read_watchlist(INDIA)), _market(MUMBAI))
    return Markets(default=_market(default), by_company=mumbai, by_suffix=_BySuffix())


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
