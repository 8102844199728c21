"""What a rule watches and asks: scopes, level, evidence, hours, readers. Pure; refuses wrong rules in words."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.alerts.readings import Reading
from monitor.alerts.state import Levels
from monitor.errors import UsageError
from monitor.types import BUCKET, KINDS, Kind, Scope, Sentiment

Digest = Literal["", "daily", "weekly"]
Shape = Literal["all", "topic", "company", "company x topic"]
SHAPES: tuple[Shape, ...] = ("all", "topic", "company", "company x topic")
DEFAULT_NAME = "Negative surge"
HOUR = timedelta(hours=1)
RECENT = timedelta(minutes=90)
"""What a reading's `recent_expected` adds up to: 18 buckets' worth of a steady stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as stored. Empty `topics`, `companies` ...: no narrowing by them."""

    id: int = 0
    name: str = DEFAULT_NAME
    kinds: tuple[Kind, ...] = ("news", "report")
    sentiment: Sentiment = "negative"
    shapes: tuple[Shape, ...] = SHAPES
    topics: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    """Keys; a watch-list is its companies' keys."""
    publishers: tuple[str, ...] = ()
    """Only stories told by one of these families are evidence."""
    text: str = ""
    """Only stories whose headline holds all these words are evidence."""
    budget: float | None = 1.0
    """At most so many false alarms a week, over all the rule's scopes together."""
    at_least: int | None = None
    """Instead of a budget: this many stories within an hour, whatever is usual."""
    min_stories: int = 4
    min_publishers: int = 3
    volume_only: bool = False
    """Ring, too, where more stories are negative only because there are more stories."""
    hours: tuple[str, str] | None = None
    """("09:00", "17:30"): told at once within these hours of working days, at their start otherwise."""
    quiet: tuple[str, str] | None = None
    """("22:00", "07:00"): nothing is sent then but waits for the morning."""
    zone: str = "UTC"
    routes: tuple[str, ...] = ()
    """Channel names; empty: every channel."""
    digest: Digest = ""
    """Instead of at once: gathered into one message."""
    inhibited_by: tuple[str, ...] = ()
    """While a rule of these names rings for a scope that holds this one, this rule is not told."""

    @property
    def series(self) -> str:
        """Which counts it reads, shared with every rule that reads the same."""
        series = f"{'+'.join(kind for kind in KINDS if kind in self.kinds)}/{self.sentiment}"
        if not narrows_stories(self):
            return series
        asked = json.dumps([sorted(self.publishers), sorted(self.text.casefold().split())])
        return f"{series}/{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRule:
    """A rule with what was measured of it and who changed it last."""

    rule: Rule
    enabled: bool
    level: float | None
    rate: float | None
    measured_at: datetime | None
    who: str
    changed_at: datetime


def spec_of(rule: Rule) -> dict[str, Any]:
    """What is stored of it besides id and name."""
    return {name: value for name, value in asdict(rule).items() if name not in ("id", "name")}


def rule_of(spec: Mapping[str, Any], *, id: int = 0, name: str = DEFAULT_NAME) -> Rule:
    """A checked rule. UsageError names the first wrong field and the mend."""
    known = {field.name for field in fields(Rule)} - {"id", "name"}
    if unknown := sorted(set(spec) - known):
        raise UsageError(f"rule {name!r}: unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    rule = Rule(id=id, name=name, **values)
    if fault := fault_of(rule):
        raise UsageError(f"rule {name!r}: {fault}")
    return rule


def fault_of(rule: Rule) -> str | None:
    """The first thing wrong with a rule and its mend, in one line; None where it can be saved."""
    checks = (
        (not rule.name.strip(), "give it a name"),
        (not rule.kinds or set(rule.kinds) - set(KINDS), f"kinds must be some of {', '.join(KINDS)}"),
        (rule.sentiment not in ("negative", "positive"), "sentiment must be negative or positive"),
        (not rule.shapes or set(rule.shapes) - set(SHAPES), f"shapes must be some of {', '.join(SHAPES)}"),
        ((rule.budget is None) == (rule.at_least is None), "give either a budget (false alarms a week) or at_least"),
        (rule.budget is not None and not _is_positive(rule.budget), "budget must be a number above 0, such as 1"),
        (rule.at_least is not None and rule.at_least < 1, "at_least must be 1 story or more"),
        (rule.min_stories < 1 or rule.min_publishers < 1, "min_stories and min_publishers must be 1 or more"),
        (rule.digest not in ("", "daily", "weekly"), "digest must be empty, daily or weekly"),
        (not _is_zone(rule.zone), f"zone {rule.zone!r} is unknown; name one like Europe/Berlin"),
        (not _are_hours(rule.hours), 'hours must be two times like ["09:00", "17:30"]'),
        (not _are_hours(rule.quiet), 'quiet must be two times like ["22:00", "07:00"]'),
        (rule.name in rule.inhibited_by, "a rule cannot inhibit itself"),
    )
    return next((mend for wrong, mend in checks if wrong), None)


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


def watches(rule: Rule, scope: Scope) -> bool:
    """Does the rule look at this scope? A company rule looks at the company and at its topics."""
    if shape_of(scope) not in rule.shapes:
        return False
    if rule.companies and scope.company not in rule.companies:
        return False
    return not rule.topics or scope.topic in rule.topics


def shape_of(scope: Scope) -> Shape:
    if scope.company:
        return "company x topic" if scope.topic else "company"
    return "topic" if scope.topic else "all"


def narrows_stories(rule: Rule) -> bool:
    """Does it ask for publishers or words, which counts alone cannot tell?"""
    return bool(rule.publishers or rule.text.strip())


def levels_of(rule: Rule, level: float | None, scopes: int) -> Levels:
    """The level calibrated on the past where there is one; else the budget spread evenly over the scopes watched."""
    if rule.at_least is not None:
        return Levels(open=0.0)
    assert rule.budget is not None
    even = Levels.of_budget(rule.budget / max(scopes, 1))
    return even if level is None else replace(even, open=level)


def as_asked(rule: Rule, reading: Reading) -> Reading:
    """The reading as this rule sees it: a fixed level judges the last hour's count alone."""
    if rule.at_least is not None:
        return _by_the_hour(rule.at_least, reading)
    if reading.volume_only and not rule.volume_only:
        return replace(reading, severity=min(reading.severity, -1.0))
    return reading


def _by_the_hour(at_least: int, reading: Reading) -> Reading:
    """Where the hour is as usual its stretch of abnormal buckets is short or none: the hour itself is told then."""
    over = reading.hour_seen >= at_least
    if over and reading.seen < reading.hour_seen:
        expected = reading.recent_expected * (HOUR / RECENT)
        reading = replace(reading, since=reading.at - HOUR + BUCKET, seen=reading.hour_seen, expected=expected)
    severity = max(reading.severity, 0.0) if over else -1.0
    # Incomplete data may hide stories but add none: what was counted is reached, however rare.
    return replace(
        reading, severity=severity, count_severity=severity, elevated=over, learning_days=0.0, reason="count"
    )
