"""Which hour of the week a moment belongs to, where the people of a scope's market live. Pure: knows no clock, no file.

A holiday's hours count as Sunday's, and so do a half day's after its close. With a market's own zone the working day
keeps its hours when clocks change, which in UTC would look like a rise every spring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

EPOCH_HOUR = 72
"""1970-01-01 was a Thursday: its first hour is the 73rd of a week that starts on Monday."""
SUNDAY = 6
QUARTER_S = 900.0
"""Zones lie whole quarters of an hour apart, and clocks change on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """When the people of a market work."""

    name: str = "24/7"
    zone: str = "UTC"
    closed: frozenset[date] = frozenset()
    """Holidays that fall on weekdays."""
    early: Mapping[date, time] = field(default_factory=dict)
    """Half days, and the local time at which they end."""
    opens: time = time.min
    closes: time = time.max
    """Local times of a whole day's trading; a break at noon counts as open."""


EVERYWHERE = Market()
EXCHANGES = {
    "XNYS": "New York",
    "XTSE": "Toronto",
    "BVMF": "São Paulo",
    "XLON": "London",
    "XFRA": "Frankfurt",
    "XPAR": "Paris",
    "XAMS": "Amsterdam",
    "XBRU": "Brussels",
    "XMAD": "Madrid",
    "XMIL": "Milan",
    "XSWX": "Zurich",
    "XSTO": "Stockholm",
    "XHEL": "Helsinki",
    "XCSE": "Copenhagen",
    "XOSL": "Oslo",
    "XJSE": "Johannesburg",
    "XBOM": "Mumbai",
    "XHKG": "Hong Kong",
    "XSHG": "Shanghai",
    "XTKS": "Tokyo",
    "XKRX": "Seoul",
    "XSES": "Singapore",
    "XASX": "Sydney",
}
"""Codes that a rule's trading hours may name, and their cities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Markets:
    """Which market each scope lives by: a company by its listing, all else by the default."""

    default: Market = EVERYWHERE
    by_company: Mapping[str, Market] = field(default_factory=dict)
    by_suffix: Mapping[str, Market] = field(default_factory=dict)
    """Of a company's key: SAP.DE is listed in Frankfurt."""

    def of(self, scope: str) -> Market:
        """The market of a types.Scope.key."""
        if not scope.startswith("company:"):
            return self.default
        company = scope.removeprefix("company:").partition("|topic:")[0]
        listed = self.by_suffix.get(company.rpartition(".")[2], self.default) if "." in company else self.default
        return self.by_company.get(company, listed)


ANYWHERE = Markets()


def slots(at: NDArray[np.float64], market: Market = EVERYWHERE) -> NDArray[np.intp]:
    """Hour of the market's week, 0 for Monday 00:00, of moments in seconds since 1970."""
    if market.zone == "UTC" and not market.closed and not market.early:
        return np.asarray((np.floor(at / 3600.0) + EPOCH_HOUR) % 168, dtype=np.intp)
    quarters, place = np.unique(np.floor(at / QUARTER_S), return_inverse=True)
    zone = ZoneInfo(market.zone)
    local = (datetime.fromtimestamp(float(quarter) * QUARTER_S, UTC).astimezone(zone) for quarter in quarters)
    return np.array([_slot(moment, market) for moment in local], dtype=np.intp)[place]


def _slot(local: datetime, market: Market) -> int:
    day = local.date()
    off = day in market.closed or (day in market.early and local.time() >= market.early[day])
    return (SUNDAY if off else local.weekday()) * 24 + local.hour


def slots_of(at: NDArray[np.float64], scopes: Sequence[str], markets: Markets) -> NDArray[np.intp]:
    """(S, T), each scope by its own market; (T,) where all live by one."""
    names = [markets.of(scope) for scope in scopes]
    known = {market.name: market for market in names}
    if len(known) < 2:
        return slots(at, next(iter(known.values()), markets.default))
    row = {name: number for number, name in enumerate(known)}
    table = np.stack([slots(at, market) for market in known.values()])
    return table[[row[market.name] for market in names]]
