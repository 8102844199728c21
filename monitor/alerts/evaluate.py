"""Readings -> episodes and what is worth telling, one rule at a time. Pure but for the evidence it asks for.

Final buckets move the machine; buckets that are still open may only open an episode or let it grow, so that late
stories can speed an alarm up but never bring an early all-clear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np

from monitor.alerts import detector
from monitor.alerts.episodes import (
    Episode,
    Evidence,
    Rising,
    Running,
    choose,
    identity,
    moved,
    opened,
    suffices,
    with_joined,
)
from monitor.alerts.readings import Reading
from monitor.alerts.rules import RECENT, Rule, as_asked, watches
from monitor.alerts.state import EpisodeState, Levels, Transition, step
from monitor.alerts.watch import LATE, NOBODY, Glance
from monitor.types import Scope

Reason = Literal["first", "worse", "reminder", "closed", "unwatched"]
ENDS: dict[Reason, str] = {
    "closed": "back to normal",
    "unwatched": "the rule was switched off or no longer watches this",
}
REASON_OF: dict[str, Reason] = {"opened": "first", "grew": "worse", "reopened": "worse", "closed": "closed"}
NO_RULE = -1
"""Whose an episode is, for a rule that does not watch its scope."""
URGENT = frozenset({"opened", "grew", "reopened", "resumed"})
"""What a bucket that is not final yet may do."""

Ask = Callable[[Mapping[str, datetime]], Mapping[str, tuple[Evidence, ...]]]
"""Scope key -> since: the stories counted live for it since then."""


class Standing(NamedTuple):
    """Where the machine stands for one scope of a rule."""

    state: EpisodeState
    number: int
    """Episodes of this key so far."""
    stepped_to: datetime
    """The newest bucket taken in."""


class Tell(NamedTuple):
    """Something worth telling about an episode."""

    episode: Episode
    reason: Reason
    at: datetime


@dataclass
class Judgement:
    """What one evaluation changes for one rule."""

    standings: dict[str, Standing] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)
    evidence: dict[str, tuple[Evidence, ...]] = field(default_factory=dict)
    """By episode id."""
    tells: list[Tell] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What one evaluation of a rule knows."""

    rule: Rule
    levels: Levels
    model: int
    standings: Mapping[str, Standing]
    running: Mapping[str, Episode]
    """Episodes by scope: the last of each machine that is not quiet."""
    behind: Sequence[Running]
    """Stories of every rule's open and recent episodes."""
    missing: Sequence[str]
    """What is incomplete, in words."""
    ask: Ask
    ripe: Callable[[str], bool]
    """False while more evidence for this scope is on its way: the first message shall hold most of it."""
    now: datetime
    took_over: datetime | None = None
    """When the version in service followed another: stories counted before, which it judged later, open nothing."""


def judge(desk: Desk, seen: Glance, *, final: bool, into: Judgement) -> None:
    """Step the rule's machines over each bucket of a glance, in order; what changes goes `into` the judgement."""
    row_of = {name: row for row, name in enumerate(seen.bank.scopes)}
    for column, at in enumerate(seen.times):
        judge_bucket(desk, _readings(desk, seen, column, row_of, into), at, final=final, into=into)


def judge_bucket(desk: Desk, readings: Sequence[Reading], at: datetime, *, final: bool, into: Judgement) -> None:
    """Step the rule's machines over the readings of one bucket that may matter."""
    asked = [as_asked(desk.rule, one) for one in readings]
    _settle(desk, _admitted(desk, asked, at, final, into), at, final, into)


def _readings(desk: Desk, seen: Glance, column: int, row_of: Mapping[str, int], into: Judgement) -> list[Reading]:
    """Of scopes that may ring or whose machine is awake; all others would change nothing."""
    loud = {int(row) for row in np.flatnonzero(_may_ring(desk, seen.surface, column))}
    awake = {name for name, one in {**desk.standings, **into.standings}.items() if one.state.phase != "quiet"}
    names = {seen.bank.scopes[row] for row in loud} | (awake & row_of.keys())
    rows = sorted(row_of[name] for name in names - {NOBODY} if watches(desk.rule, Scope.of(name)))
    return detector.readings(seen.bank, seen.block, seen.surface, column, rows, complete=not desk.missing)


def _may_ring(desk: Desk, surface: detector.Surface, column: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if desk.rule.at_least is not None:
        return np.asarray(surface.hour_seen[:, column] >= desk.rule.at_least)
    return np.asarray((surface.severity[:, column] >= desk.levels.open) & surface.elevated[:, column])


def _standing(desk: Desk, into: Judgement, scope: str) -> Standing | None:
    return into.standings.get(scope) or desk.standings.get(scope)


def _admitted(
    desk: Desk, readings: Sequence[Reading], at: datetime, final: bool, into: Judgement
) -> list[tuple[Reading, Transition | None]]:
    """Each reading with the change it would make; what came late, or was taken in before, makes none."""
    out: list[tuple[Reading, Transition | None]] = []
    for reading in readings:
        before = _standing(desk, into, reading.scope)
        if before and (at < before.stepped_to or (final and at == before.stepped_to)):
            continue
        if desk.now - at > LATE:
            reading = replace(reading, severity=min(reading.severity, -1.0))
        state = before.state if before else EpisodeState(scope=reading.scope)
        _, change = step(state, reading, desk.levels)
        out.append((reading, change))
    return out


def _settle(
    desk: Desk, admitted: Sequence[tuple[Reading, Transition | None]], at: datetime, final: bool, into: Judgement
) -> None:
    wants = {reading.scope: change for reading, change in admitted if change and change.change in URGENT}
    stories = desk.ask({scope: change.reading.since for scope, change in wants.items()})
    rising = [
        Rising(change, stories.get(scope, ()))
        for scope, change in wants.items()
        if change.change == "opened" and _is_backed(desk, stories.get(scope, ()), change)
    ]
    ids = {one.scope: identity(desk.rule.id, one.scope, _number(desk, into, one.scope) + 1) for one in rising}
    behind = _stories_behind(desk, wants, stories, into) if rising else ()
    choice = choose(desk.rule.id, rising, behind, ids)
    joined = {one.scope for one, _ in choice.joins}
    incident_of = {one.scope: incident for one, incident in choice.opens}
    for reading, change in admitted:
        scope = reading.scope
        held = (
            change is not None
            and change.change in URGENT
            and (scope in joined or not _is_backed(desk, stories.get(scope, ()), change))
        )
        if held and change and change.change == "opened":
            continue
        if not final and (held or change is None or change.change not in URGENT):
            continue
        _take(desk, replace(reading, severity=-1.0) if held else reading, incident_of.get(scope), stories, at, into)
    _join(desk, [(one.scope, host) for one, host in choice.joins], into)


def _number(desk: Desk, into: Judgement, scope: str) -> int:
    before = _standing(desk, into, scope)
    return before.number if before else 0


def _is_backed(desk: Desk, stories: Sequence[Evidence], change: Transition) -> bool:
    """Opening asks for the rule's evidence; growing and coming back ask for its witnesses."""
    if change.change == "opened" and desk.took_over is not None:
        stories = [one for one in stories if one.at >= desk.took_over]
    least = desk.rule.min_stories if change.change in ("opened", "reopened") else 1
    enough = suffices(stories, least, desk.rule.min_publishers)
    return enough and (change.change != "opened" or desk.ripe(change.state.scope))


def _stories_behind(
    desk: Desk, wants: Mapping[str, Transition], stories: Mapping[str, tuple[Evidence, ...]], into: Judgement
) -> list[Running]:
    """Every episode's stories, with those that came since: of this rule's, and of what comes back this very moment.

    At a scope that the rule no longer watches an episode is nobody's: it explains nothing, but is the same incident.
    """
    latest = {one.id: one for one in [*desk.running.values(), *into.episodes.values()]}
    own = {id: {story.story for story in into.evidence.get(id, ())} for id in latest}
    for one in latest.values():
        if one.scope in wants and wants[one.scope].change != "opened":
            own[one.id] |= {story.story for story in stories.get(one.scope, ())}
    known = {one.episode: one for one in desk.behind}
    for id, more in own.items():
        if more:
            one = latest[id]
            before = known[id].stories if id in known else frozenset()
            known[id] = Running(one.rule, id, one.incident, one.scope, before | more)
    return [one if watches(desk.rule, Scope.of(one.scope)) else replace(one, rule=NO_RULE) for one in known.values()]


def _join(desk: Desk, joins: Sequence[tuple[str, str]], into: Judgement) -> None:
    known = {one.id: one for one in desk.running.values()} | into.episodes
    for scope, host in joins:
        if host in known and scope not in known[host].also:
            into.episodes[host] = known[host] = with_joined(known[host], {scope})


def _take(
    desk: Desk,
    reading: Reading,
    incident: str | None,
    stories: Mapping[str, tuple[Evidence, ...]],
    at: datetime,
    into: Judgement,
) -> None:
    """Step one machine for good, and carry the change to its episode."""
    scope = reading.scope
    before = _standing(desk, into, scope) or Standing(EpisodeState(scope=scope), 0, at)
    state, change = step(before.state, reading, desk.levels)
    passed = at - before.stepped_to
    lately = reading.recent_usual if state.reason == "share" else reading.recent_expected
    expected = before.state.lull + lately * (passed / RECENT)
    goes_on = state.last_elevated == at
    state = replace(state, lull=0.0 if goes_on or state.phase == "quiet" else expected)
    number = before.number + (change is not None and change.change == "opened")
    if state == before.state and change is None and state.phase == "quiet":
        return
    into.standings[scope] = Standing(state, number, max(at, before.stepped_to))
    if (change.change == "forgotten") if change else state.phase == "closed":
        return  # the machine may open a new episode; the old one stays as it closed
    behind = stories.get(scope, ())
    if change is not None and change.change == "opened":
        rule = desk.rule
        one = opened(
            Rising(change, behind),
            rule.id,
            number,
            incident,
            rule.kinds,
            rule.sentiment,
            desk.model,
            desk.missing,
            desk.now,
        )
    else:
        known = _episode(desk, into, scope)
        if known is None:
            return
        one = moved(known, state, merged(into.evidence.get(known.id, ()), behind))
        if goes_on:
            one = replace(one, expected=one.expected + expected)
        if change is not None and change.change in ("grew", "reopened"):
            one = replace(one, missing=tuple(desk.missing))
    into.episodes[one.id] = one
    into.evidence[one.id] = merged(into.evidence.get(one.id, ()), behind)
    if change is not None and change.change in REASON_OF:
        into.tells.append(Tell(one, REASON_OF[change.change], desk.now))


def merged(before: Sequence[Evidence], now: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Each story once, as it was seen last."""
    return tuple({one.story: one for one in [*before, *now]}.values())


def _episode(desk: Desk, into: Judgement, scope: str) -> Episode | None:
    fresh = [one for one in into.episodes.values() if one.scope == scope and one.rule == desk.rule.id]
    return fresh[-1] if fresh else desk.running.get(scope)
