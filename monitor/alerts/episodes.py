"""An episode with its evidence, and which of several rising scopes it is about. Pure; steps no state, tells nobody."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.alerts.readings import Reason
from monitor.alerts.state import EpisodeState, Phase, Transition
from monitor.types import BUCKET, Kind, Scope, Sentiment

EXPLAINS = 0.7
"""A scope whose stories make so much of a wider scope's excess explains it: the wider one opens nothing."""
RELATED = 0.3
"""Sharing so much of the smaller one's evidence, two episodes are one incident; if one scope lies in the other, one."""
CALM: frozenset[Phase] = frozenset({"easing", "closed"})
EVIDENCE_LIMIT = 200
"""Stories kept per episode; its counts go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A distinct story that was counted live for a scope; never a copy, never a back-fill."""

    story: str
    article: str
    title: str
    url: str | None
    publisher: str
    at: datetime
    families: tuple[str, ...]
    """Every witness that tells it, copies included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stretch in which a scope is above its own normal, as stored and told."""

    id: str
    incident: str
    rule: int
    scope: str
    number: int
    kinds: tuple[Kind, ...]
    sentiment: Sentiment
    model: int
    phase: Phase
    since: datetime
    detected: datetime
    opened_at: datetime
    ended: datetime | None
    expected: float
    """Stories that are usual in the time in which `seen` were."""
    seen: int
    """Since `since`; once it calms down, up to the last abnormal bucket."""
    severity: float
    peak: float
    reason: Reason
    volume_only: bool
    publishers: int
    also: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class Rising:
    """A scope that wants to open an episode, with what speaks for it."""

    transition: Transition
    evidence: tuple[Evidence, ...]

    @property
    def scope(self) -> str:
        return self.transition.state.scope

    @property
    def excess(self) -> float:
        return self.transition.reading.seen - self.transition.reading.expected

    @property
    def stories(self) -> frozenset[str]:
        return frozenset(one.story for one in self.evidence)


@dataclass(frozen=True, slots=True)
class Running:
    """An episode that is open, or was until lately, with the stories behind it."""

    rule: int
    episode: str
    incident: str
    scope: str
    stories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of rising scopes: `opens` with the incident each joins (None: its own), `joins` a running one."""

    opens: tuple[tuple[Rising, str | None], ...]
    joins: tuple[tuple[Rising, str], ...]
    """Rising scope, and the episode that explains it."""


def identity(rule: int, scope: str, number: int) -> str:
    """An episode's id: of its key and number alone, so that the same opening twice is the same episode."""
    return hashlib.sha256(f"{rule}\0{scope}\0{number}".encode()).hexdigest()[:12]


def suffices(evidence: Sequence[Evidence], min_stories: int, min_publishers: int) -> bool:
    """Enough distinct stories, told by enough distinct witnesses?"""
    return len(evidence) >= min_stories and len(witnesses(evidence)) >= min_publishers


def witnesses(evidence: Collection[Evidence]) -> frozenset[str]:
    return frozenset(family for one in evidence for family in one.families)


def choose(rule: int, rising: Sequence[Rising], running: Sequence[Running], ids: Mapping[str, str]) -> Choice:
    """The narrowest scope that explains an excess opens an episode; wider and sibling scopes join it.

    `running` holds every rule's episodes: those of another rule are at most the same incident. `ids` names the
    episode that each rising scope would open.
    """
    opens: list[tuple[Rising, str | None]] = []
    joins: list[tuple[Rising, str]] = []
    taken = _Told(running)
    for one in _narrowest_first(rising):
        near = taken.sharing(one, rule)
        if host := _host([other for other in near if other.rule == rule], one):
            joins.append((one, host.episode))
            continue
        kin = next((other for other in near if _share(other.stories, one.stories) >= RELATED), None)
        opens.append((one, kin.incident if kin else None))
        id = ids[one.scope]
        taken.add(Running(rule, id, kin.incident if kin else id, one.scope, one.stories))
    return Choice(tuple(opens), tuple(joins))


class _Told:
    """Episodes by story, so that thousands that rise at once are not compared each with each."""

    def __init__(self, running: Iterable[Running]) -> None:
        self._by_story: dict[str, list[Running]] = {}
        for one in running:
            self.add(one)

    def add(self, one: Running) -> None:
        for story in one.stories:
            self._by_story.setdefault(story, []).append(one)

    def sharing(self, one: Rising, rule: int) -> list[Running]:
        """Other episodes that share a story, those that share most first; its own last one is none of them."""
        found = {other.episode: other for story in one.stories for other in self._by_story.get(story, ())}
        others = [other for other in found.values() if (other.rule, other.scope) != (rule, one.scope)]
        return sorted(others, key=lambda other: (-len(other.stories & one.stories), other.episode))


def _narrowest_first(rising: Sequence[Rising]) -> list[Rising]:
    """A narrow scope leads only where it explains its company; else the company goes first and the narrow joins it."""
    by_scope = {one.scope: one for one in rising}

    def place(one: Rising) -> tuple[int, int, float]:
        scope = Scope.of(one.scope)
        company = by_scope.get(Scope(company=scope.company).key) if scope.company and scope.topic else None
        led = company is not None and not _carries(one.stories, company)
        breadth = 2 * (scope.company is None) + (scope.topic is None) + 2 * led
        return (breadth, -len(one.stories), -one.transition.reading.severity)

    return sorted(rising, key=place)


def holds(wide: Scope, narrow: Scope) -> bool:
    """Does every story of `narrow` count in `wide`, too?"""
    return (wide.company in (None, narrow.company)) and (wide.topic in (None, narrow.topic)) and wide != narrow


def _carries(stories: frozenset[str], wider: Rising) -> bool:
    """Do these make most of the excess, or leave no more than chance brings?"""
    shared = len(stories & wider.stories)
    chance = 2.0 * math.sqrt(max(wider.transition.reading.expected, 1.0))
    return shared >= EXPLAINS * max(wider.excess, 1.0) or (shared > 0 and wider.excess - shared <= chance)


def _host(near: Sequence[Running], one: Rising) -> Running | None:
    """The episode that a rising scope belongs to; several together may explain what none does alone."""
    if near and _carries(frozenset().union(*(other.stories for other in near)), one):
        return near[0]
    return next((other for other in near if _are_one_company(other, one)), None)


def _are_one_company(host: Running, one: Rising) -> bool:
    """A company and its topics are one event once they share stories, however the rest is spread."""
    here, there = Scope.of(one.scope), Scope.of(host.scope)
    return here.company is not None and here.company == there.company and _share(host.stories, one.stories) >= RELATED


def _share(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(min(len(a), len(b)), 1)


def opened(
    one: Rising,
    rule: int,
    number: int,
    incident: str | None,
    kinds: tuple[Kind, ...],
    sentiment: Sentiment,
    model: int,
    missing: Sequence[str],
    now: datetime,
) -> Episode:
    """The episode that a rising scope becomes."""
    state = one.transition.state
    assert state.start is not None
    assert state.detected is not None
    id = identity(rule, state.scope, number)
    return Episode(
        id=id,
        incident=incident or id,
        rule=rule,
        scope=state.scope,
        number=number,
        kinds=kinds,
        sentiment=sentiment,
        model=model,
        phase=state.phase,
        since=state.start,
        detected=state.detected,
        opened_at=now,
        ended=None,
        expected=state.expected,
        seen=max(state.seen, len(one.evidence)),
        severity=state.severity,
        peak=state.peak,
        reason=state.reason,
        volume_only=state.volume_only,
        publishers=len(witnesses(one.evidence)),
        missing=tuple(missing),
    )


def moved(episode: Episode, state: EpisodeState, evidence: Sequence[Evidence]) -> Episode:
    """The episode after its machine has moved, with the evidence gathered so far.

    Once it calms down, what came after its last abnormal bucket is no part of it.
    """
    counted = len(evidence)
    if state.phase in CALM and state.last_elevated and counted < EVIDENCE_LIMIT:
        seen = sum(one.at < state.last_elevated + BUCKET for one in evidence)
    else:
        seen = max(episode.seen, counted)
    return replace(
        episode,
        phase=state.phase,
        ended=state.last_elevated if state.phase == "closed" else None,
        seen=seen,
        peak=max(episode.peak, state.peak),
        publishers=max(episode.publishers, len(witnesses(evidence))),
        reopened=state.reopened,
    )


def with_joined(episode: Episode, scopes: Collection[str], known: Mapping[str, int] | None = None) -> Episode:
    """The episode, naming the scopes that rise through the same stories; most affected first."""
    counts = known or {}
    names = sorted({*episode.also, *scopes} - {episode.scope}, key=lambda name: (-counts.get(name, 0), name))
    return replace(episode, also=tuple(names[:20]))
