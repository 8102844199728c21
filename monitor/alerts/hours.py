"""When a rule's readers may be told: quiet hours, office and trading hours, digests, all by their own clock. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from monitor.alerts.calendar import Market
from monitor.alerts.rules import Rule

DIGEST_AT = time(7)
LONGEST_WAIT = timedelta(days=15)
"""Longer than any exchange rests; who may never be told waits longer."""
NO_EXCHANGES: Mapping[str, Market] = MappingProxyType({})


def silent_until(rule: Rule, now: datetime, exchanges: Mapping[str, Market] = NO_EXCHANGES) -> datetime | None:
    """When the rule's readers may be told again; None: now. `exchanges` holds the rule's market by its code."""
    local = now.astimezone(ZoneInfo(rule.zone))
    if rule.quiet and _within(local.time(), *map(time.fromisoformat, rule.quiet)):
        return _next(local, time.fromisoformat(rule.quiet[1]))
    if rule.hours:
        begin, end = map(time.fromisoformat, rule.hours)
        if local.weekday() > 4 or not _within(local.time(), begin, end):
            # Hours of the night go on at the midnight that begins a working day.
            starts = {begin, time(0)} if begin > end else {begin}
            return min(_next(local, one, lambda day: day.weekday() <= 4) for one in starts)
    if rule.market:
        return _opens(exchanges[rule.market], now)
    return None


def told_at(rule: Rule, at: datetime, exchanges: Mapping[str, Market] = NO_EXCHANGES) -> datetime | None:
    """When readers hear of what is noticed at `at`: at once or with the digest, once the hours allow it; else None."""
    end = at + LONGEST_WAIT
    when = next_digest(rule, at) if rule.digest else at
    while until := silent_until(rule, when, exchanges):
        if until > end:
            return None
        when = until
    return when


def _opens(market: Market, now: datetime) -> datetime | None:
    """When the exchange trades next; None where it does now."""
    local = now.astimezone(ZoneInfo(market.zone))
    closes = market.early.get(local.date(), market.closes)
    if _trades(market, local) and market.opens <= local.time() < closes:
        return None
    return _next(local, market.opens, lambda day: _trades(market, day))


def _trades(market: Market, day: datetime) -> bool:
    return day.weekday() <= 4 and day.date() not in market.closed


def _within(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin < end else at >= begin or at < end


def _next(local: datetime, at: time, suits: Callable[[datetime], bool] = lambda _: True) -> datetime:
    """The next such wall-clock time after `local`, in UTC; a day whose clock skips it takes the hour after."""
    day = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    while day <= local or not suits(day):
        day += timedelta(days=1)
    return day.astimezone(UTC)


def next_digest(rule: Rule, now: datetime) -> datetime:
    """Seven in the morning in the rule's zone; weekly ones on Mondays."""
    local = now.astimezone(ZoneInfo(rule.zone))
    return _next(local, DIGEST_AT, lambda day: rule.digest != "weekly" or day.weekday() == 0)
