"""What a rule watches and asks: scopes, level, evidence, hours, readers. Pure; what makes one wrong says rule_spec."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from monitor.alerts.readings import Reading
from monitor.alerts.state import Levels
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
    """Keys."""
    watchlists: tuple[str, ...] = ()
    """Names of watch-lists whose companies are watched, too."""
    listed: tuple[str, ...] = ()
    """Keys of the companies on those lists. Filled in by whoever reads the rule; never stored with it."""
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
    market: str = ""
    """An exchange's code: told at once while it trades, when it opens next otherwise."""
    zone: str = "UTC"
    """Whose clock `hours`, `quiet` and `digest` go by."""
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


def watches(rule: Rule, scope: Scope) -> bool:
    """Does the rule look at this scope? A company rule looks at the company and at its topics."""
    if shape_of(scope) not in rule.shapes:
        return False
    if (rule.companies or rule.watchlists) and scope.company not in (*rule.companies, *rule.listed):
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
