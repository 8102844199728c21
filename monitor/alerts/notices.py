"""What the stages pass along: a notice on its way, what holds it back, what they know. Values; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from monitor.alerts.calendar import Market
from monitor.alerts.episodes import Episode
from monitor.alerts.evaluate import Reason
from monitor.alerts.rules import Rule


class Notice(NamedTuple):
    """A tell on its way to one channel; before routing the channel is ""."""

    episode: Episode
    reason: Reason
    at: datetime
    channel: str = ""
    note: str = ""
    """What its reader should know of how it came to him."""


class Held(NamedTuple):
    """Told later."""

    notice: Notice
    why: str
    until: datetime


class Withheld(NamedTuple):
    """Never told, and why."""

    notice: Notice
    why: str


class ToldBefore(NamedTuple):
    """A line of the log of what was told."""

    incident: str
    channel: str
    reason: str
    severity: float
    at: datetime


class Silence(NamedTuple):
    """Nothing about this scope and all inside it is told until `ends`."""

    scope: str
    rule: int | None
    ends: datetime
    who: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the stages know."""

    now: datetime
    rules: Mapping[int, Rule]
    channels: Sequence[str]
    told: Sequence[ToldBefore] = ()
    """Of the incidents concerned."""
    silences: Sequence[Silence] = ()
    running: Sequence[Episode] = ()
    noise: frozenset[str] = frozenset()
    """Episodes that somebody marked as noise."""
    exchanges: Mapping[str, Market] = field(default_factory=dict)
    """By code, those whose trading hours a rule keeps."""
    sent: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """Per channel, when messages were written within LIMIT_WINDOW."""


@dataclass
class Plan:
    """The stages' answer."""

    single: list[Notice] = field(default_factory=list)
    """A message each."""
    bundles: dict[str, list[Notice]] = field(default_factory=dict)
    """Per channel, one message that lists them all."""
    held: list[Held] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
