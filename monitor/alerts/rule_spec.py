"""A rule <-> what is stored of it, and what makes one wrong: each fault names its field and the mend. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.alerts.calendar import EXCHANGES, Market
from monitor.alerts.hours import NO_EXCHANGES, told_at
from monitor.alerts.rules import DEFAULT_NAME, SHAPES, Rule
from monitor.errors import UsageError
from monitor.types import KINDS

ANY_MONDAY = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""Hours repeat every week, save where clocks change: who may be told at all may be soon after such a Monday."""
_NOT_STORED = frozenset(("id", "name", "listed"))


class Fault(NamedTuple):
    """What is wrong with a rule: `mend` goes on where the field's name leaves off."""

    field: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field} {self.mend}"


def spec_of(rule: Rule) -> dict[str, Any]:
    """What is stored of it besides id and name."""
    return {name: value for name, value in asdict(rule).items() if name not in _NOT_STORED}


def rule_of(spec: Mapping[str, Any], *, id: int = 0, name: str = DEFAULT_NAME) -> Rule:
    """A checked rule. UsageError names the first wrong field and the mend."""
    rule = unchecked(spec, id=id, name=name)
    refuse_faults(rule)
    return rule


def unchecked(spec: Mapping[str, Any], *, id: int, name: str) -> Rule:
    """The rule of a spec, right or wrong: what is stored was checked before. UsageError for unknown fields."""
    known = {field.name for field in fields(Rule)} - _NOT_STORED
    if unknown := sorted(set(spec) - known):
        raise UsageError(f"rule {name!r}: unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    return Rule(id=id, name=name, **values)


def refuse_faults(rule: Rule) -> None:
    """UsageError with the first fault of a rule, where it has one."""
    if fault := next(faults_of(rule), None):
        raise UsageError(f"rule {rule.name!r}: {fault}")


def faults_of(rule: Rule, exchanges: Mapping[str, Market] = NO_EXCHANGES) -> Iterator[Fault]:
    """All that is wrong with a rule. Trading hours are held against quiet hours where its exchange is given."""
    yield from _faulty_scope(rule)
    yield from _faulty_level(rule)
    hours = list(_faulty_hours(rule))
    yield from hours
    if not hours and (not rule.market or rule.market in exchanges) and told_at(rule, ANY_MONDAY, exchanges) is None:
        yield Fault("quiet", "must leave some of the time in which the rule may tell: now it never could")
    if rule.name in rule.inhibited_by:
        yield Fault("inhibited_by", "must not name the rule itself")


def _faulty_scope(rule: Rule) -> Iterator[Fault]:
    if not rule.name.strip():
        yield Fault("name", "must not be empty: people and --rule call it so")
    if not rule.kinds or set(rule.kinds) - set(KINDS):
        yield Fault("kinds", f"must be one or more of {', '.join(KINDS)}")
    if rule.sentiment not in ("negative", "positive"):
        yield Fault("sentiment", "must be negative or positive")
    if not rule.shapes or set(rule.shapes) - set(SHAPES):
        yield Fault("shapes", f"must be one or more of {', '.join(SHAPES)}")
    elif rule.companies or rule.watchlists:
        if not any("company" in shape for shape in rule.shapes):
            yield Fault("shapes", "must have company or company x topic, since only some companies are watched")
    elif rule.topics and not any("topic" in shape for shape in rule.shapes):
        yield Fault("shapes", "must have topic or company x topic, since only some topics are watched")


def _faulty_level(rule: Rule) -> Iterator[Fault]:
    if (rule.budget is None) == (rule.at_least is None):
        yield Fault("budget", "(false alarms a week) or at_least (stories within an hour): give one of both")
    elif rule.budget is not None and not _is_positive(rule.budget):
        yield Fault("budget", "must be a number above 0, such as 1")
    elif rule.at_least is not None and rule.at_least < 1:
        yield Fault("at_least", "must be 1 story or more")
    elif rule.at_least is not None and rule.at_least < rule.min_stories:
        yield Fault("at_least", f"must be {rule.min_stories} or more, or min_stories less: it rings only at both")
    for name in ("min_stories", "min_publishers"):
        if getattr(rule, name) < 1:
            yield Fault(name, "must be 1 or more")


def _faulty_hours(rule: Rule) -> Iterator[Fault]:
    if rule.digest not in ("", "daily", "weekly"):
        yield Fault("digest", "must be empty, daily or weekly")
    if not _is_zone(rule.zone):
        yield Fault("zone", f"{rule.zone!r} is unknown; name one like Europe/Berlin")
    if not _are_hours(rule.hours):
        yield Fault("hours", "must be two different times, such as 09:00 and 17:30")
    if not _are_hours(rule.quiet):
        yield Fault("quiet", "must be two different times, such as 22:00 and 07:00")
    if rule.market and rule.market not in EXCHANGES:
        yield Fault("market", f"{rule.market!r} is unknown; name one of {', '.join(EXCHANGES)}")
    if rule.market and rule.hours:
        yield Fault("market", "and hours exclude each other: keep one of both")


def _is_positive(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _are_hours(hours: tuple[str, str] | None) -> bool:
    if hours is None:
        return True
    try:
        begin, end = (time.fromisoformat(one) for one in hours)
    except (ValueError, TypeError):
        return False
    return begin != end
