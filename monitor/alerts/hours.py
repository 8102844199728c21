"""When a rule's readers may be told: quiet hours, office hours, digests, all by the clock of their zone. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from monitor.alerts.rules import Rule

DIGEST_AT = time(7)


def silent_until(rule: Rule, now: datetime) -> datetime | None:
    """When the rule's readers may be told again; None: now."""
    local = now.astimezone(ZoneInfo(rule.zone))
    if rule.quiet and _within(local.time(), *map(time.fromisoformat, rule.quiet)):
        return _next(local, time.fromisoformat(rule.quiet[1]))
    if rule.hours:
        begin, end = map(time.fromisoformat, rule.hours)
        if local.weekday() > 4 or not _within(local.time(), begin, end):
            return _next(local, begin, lambda day: day.weekday() <= 4)
    return None


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
