"""What a rule would have rung over a stored past, and the level that keeps its budget there. Pure.

Production's own detector, state machine, evidence and choice of scope, bucket by bucket; only the messages are missing.
The detector runs once; a level is tried on the readings that it left.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import budget, detector, watch
from monitor.alerts.calendar import ANYWHERE, Markets
from monitor.alerts.episodes import Episode, Evidence
from monitor.alerts.evaluate import Desk, Judgement, Standing, judge_bucket
from monitor.alerts.readings import Reading
from monitor.alerts.rules import Rule, levels_of, watches
from monitor.alerts.state import REARM, Levels
from monitor.types import BUCKET, Scope

LEAST_PAST = timedelta(days=14)
"""Less of a past says nothing about a week: no level and no rate is taken from it."""
FOLLOWED = REARM + timedelta(hours=4)
"""So long after its last loud bucket a scope's readings still matter to its episode."""
PRUNE_EVERY = timedelta(days=1)
REMEMBERED = timedelta(days=3)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Past:
    """The readings of a stored past that could matter at some floor, in order of time, with the stories behind."""

    rule: Rule
    scopes: int
    """Scopes that the rule watches."""
    since: datetime
    """What opened earlier is known, but not counted."""
    until: datetime
    readings: Sequence[tuple[datetime, Sequence[Reading]]]
    """From REMEMBERED before `since` on, where so much is known."""
    stories: Mapping[str, Sequence[Evidence]]
    """Per scope, oldest first."""
    told: Mapping[str, Sequence[tuple[datetime, str]]] = field(default_factory=dict)
    """By story, where it has several articles: when each witness told it first."""

    @property
    def weeks(self) -> float:
        return max((self.until - self.since) / timedelta(weeks=1), 1e-9)

    @property
    def is_long_enough(self) -> bool:
        """Can a level and a rate be learned from it?"""
        return self.until - self.since >= LEAST_PAST


class Verdict(NamedTuple):
    """What somebody said of a real episode."""

    scope: str
    since: datetime
    until: datetime
    is_useful: bool
    also: tuple[str, ...] = ()
    """Scopes that rose through the same stories: a rule of another shape would have rung for one of these."""


class Trial(NamedTuple):
    """A rule tried on the past."""

    episodes: tuple[Episode, ...]
    stories: Mapping[str, tuple[Evidence, ...]]
    """By episode id."""
    level: float
    rate: float
    """False alarms a week: incidents that nobody marked as useful."""
    marks: Mapping[str, bool]
    """By incident, where somebody said so: useful, else noise. Of one marked both ways, useful counts."""
    weeks: float
    is_measured: bool
    """The past was long enough for level and rate to be kept with the rule."""

    @property
    def incidents(self) -> int:
        return len({one.incident for one in self.episodes})

    @property
    def marked_useful(self) -> int:
        return sum(self.marks.values())

    @property
    def marked_noise(self) -> int:
        return len(self.marks) - self.marked_useful


def past_of(
    rule: Rule,
    tallies: Sequence[watch.Tally],
    stories: Mapping[str, Sequence[Evidence]],
    since: datetime,
    until: datetime,
    markets: Markets = ANYWHERE,
    *,
    begin: datetime | None = None,
    told: Mapping[str, Sequence[tuple[datetime, str]]] = MappingProxyType({}),
) -> Past:
    """Run the detector over the past once, back-fills as if they had come live.

    From `begin` on it learns what is normal, as production had by `since`; without it, it knows nothing then.
    """
    names = {one.scope for one in tallies}
    watched = [name for name in names if watches(rule, Scope.of(name))]
    floor = 0.0 if rule.budget is None else budget.floor_for(len(watched), rule.budget)
    known = watch.new_watch(names, begin or since, markets)
    kept: list[tuple[datetime, Sequence[Reading]]] = []
    follow = np.full(len(known.bank.scopes), -np.inf)
    may = np.array([name in set(watched) for name in known.bank.scopes])
    ordered = sorted(tallies, key=lambda one: one.at)
    while known.at + BUCKET < until:
        stop = min(known.at + BUCKET * watch.CHUNK, until - BUCKET)
        part = _between(ordered, known.at, stop)
        known, seen = watch.glance(known, [_as_live(one) for one in part], stop)
        kept += [one for one in _loud(rule, seen, may, floor, follow) if one[0] >= since - REMEMBERED]
    return Past(rule, len(watched), since, until, kept, stories, told)


def _between(ordered: Sequence[watch.Tally], after: datetime, until: datetime) -> Sequence[watch.Tally]:
    begin, end = (bisect_right(ordered, moment, key=lambda one: one.at) for moment in (after, until))
    return ordered[begin:end]


def _as_live(one: watch.Tally) -> watch.Tally:
    return one._replace(live_total=one.total, live_marked=one.marked)


def _loud(
    rule: Rule, seen: watch.Glance, may: NDArray[np.bool_], floor: float, follow: NDArray[np.float64]
) -> Iterable[tuple[datetime, Sequence[Reading]]]:
    """Per bucket the readings at the floor or above, and of their scopes for FOLLOWED; `follow` is carried on."""
    surface = seen.surface
    loud = (
        (surface.severity >= floor) & surface.elevated if rule.at_least is None else surface.hour_seen >= rule.at_least
    )
    for column, at in enumerate(seen.times):
        going_on = surface.elevated[:, column] & (follow >= at.timestamp())
        here = (loud[:, column] | going_on) & may
        follow[here] = at.timestamp() + FOLLOWED.total_seconds()
        rows = np.flatnonzero(may & (follow >= at.timestamp()))
        if len(rows):
            yield at, detector.readings(seen.bank, seen.block, surface, column, rows.tolist())


def try_rule(past: Past, levels: Levels, verdicts: Sequence[Verdict] = (), *, since: datetime | None = None) -> Trial:
    """Every episode that the rule would have opened at these levels, of events that began in the past or `since`."""
    asked = replace(past, since=max(past.since, since or past.since))
    found = _Run(past, levels).episodes()
    before = {one.incident for one, _ in found.values() if one.opened_at < asked.since}
    counted = {id: one for id, one in found.items() if one[0].incident not in before}
    stories = {id: evidence for id, (_, evidence) in counted.items()}
    episodes = tuple(sorted((one for one, _ in counted.values()), key=lambda one: one.opened_at))
    marks: dict[str, bool] = {}
    for one in episodes:
        if (said := _verdict(one, verdicts)) is not None:
            marks[one.incident] = said or marks.get(one.incident, False)
    rate = (len({one.incident for one in episodes}) - sum(marks.values())) / asked.weeks
    return Trial(episodes, stories, levels.open, rate, marks, asked.weeks, asked.is_long_enough)


def _verdict(episode: Episode, verdicts: Sequence[Verdict]) -> bool | None:
    """Was a real episode of this event and time useful? None: nobody said. Of several, one that was useful counts."""
    end = episode.ended or episode.opened_at
    said = [
        one.is_useful
        for one in verdicts
        if (one.scope in (episode.scope, *episode.also) or episode.scope in one.also)
        and one.since <= end
        and episode.since <= one.until
    ]
    return any(said) if said else None


def calibrated(past: Past, verdicts: Sequence[Verdict] = ()) -> budget.Calibrated:
    """The level at which the rule keeps its budget on this past. Only for rules with a budget."""
    assert past.rule.budget is not None
    even = levels_of(past.rule, None, past.scopes)
    heard = {-inf: past}

    @cache
    def false_at(level: float) -> tuple[int, int]:
        more = heard[max(one for one in heard if one <= level)]  # what matters at a level matters at every lower one
        heard[level] = replace(more, readings=list(_heard(more, level)))
        trial = try_rule(heard[level], replace(even, open=level), verdicts)
        return round(trial.rate * past.weeks), trial.incidents

    return budget.level_for(false_at, past.rule.budget, past.weeks, scopes=past.scopes)


def _heard(past: Past, level: float) -> Iterable[tuple[datetime, Sequence[Reading]]]:
    """The readings that matter at this level: the higher, the fewer. A fixed level judges by other figures."""
    if past.rule.at_least is not None:
        yield from past.readings
        return
    until: dict[str, datetime] = {}
    for at, readings in past.readings:
        heard = []
        for one in readings:
            follows = at <= until.get(one.scope, NEVER)
            if one.elevated and (follows or one.severity >= level):
                until[one.scope] = at + FOLLOWED
                follows = True
            if follows:
                heard.append(one)
        if heard:
            yield at, heard


@dataclass
class _Run:
    """One pass of the machine over the past."""

    past: Past
    levels: Levels
    standings: dict[str, Standing] = field(default_factory=dict)
    running: dict[str, Episode] = field(default_factory=dict)
    done: dict[str, tuple[Episode, tuple[Evidence, ...]]] = field(default_factory=dict)
    now: datetime = field(init=False)

    def episodes(self) -> dict[str, tuple[Episode, tuple[Evidence, ...]]]:
        into = Judgement()
        self.now = pruned = self.past.since
        for at, readings in _heard(self.past, self.levels.open):
            self.now = at + BUCKET
            judge_bucket(self._desk(), readings, at, final=True, into=into)
            if at - pruned > PRUNE_EVERY:
                self._set_aside(into, at)
                pruned = at
        self._set_aside(into, None)
        return self.done

    def _desk(self) -> Desk:
        return Desk(
            rule=self.past.rule,
            levels=self.levels,
            model=0,
            standings=self.standings,
            running=self.running,
            behind=(),
            missing=(),
            ask=self._ask,
            ripe=lambda _: True,
            now=self.now,
        )

    def _ask(self, asked: Mapping[str, datetime]) -> dict[str, tuple[Evidence, ...]]:
        out = {}
        for scope, since in asked.items():
            stories = self.past.stories.get(scope, ())
            begin = bisect_left(stories, since, key=lambda one: one.at)
            end = bisect_left(stories, self.now, key=lambda one: one.at)
            out[scope] = tuple(one for one in map(self._as_then, stories[begin:end]) if self._is_asked(one))
        return out

    def _as_then(self, story: Evidence) -> Evidence:
        """With the witnesses that it had by now: those to come later speak for no alarm yet."""
        if story.story not in self.past.told:
            return story
        return replace(story, families=tuple(who for at, who in self.past.told[story.story] if at < self.now))

    def _is_asked(self, story: Evidence) -> bool:
        return not self.past.rule.publishers or not set(self.past.rule.publishers).isdisjoint(story.families)

    def _set_aside(self, into: Judgement, at: datetime | None) -> None:
        """Keep the work small: what ended days ago explains nothing any more."""
        for id, episode in list(into.episodes.items()):
            self.done[id] = (self._in_full(episode), into.evidence.get(id, ()))
            if at is None or (episode.phase == "closed" and episode.ended and at - episode.ended > REMEMBERED):
                del into.episodes[id]
                self.running[episode.scope] = episode

    def _in_full(self, episode: Episode) -> Episode:
        """With all stories up to its end, as many as what was expected is summed over."""
        stories = self.past.stories.get(episode.scope, ())
        until = episode.ended + BUCKET if episode.ended else self.now
        begin, end = (bisect_left(stories, at, key=lambda one: one.at) for at in (episode.since, until))
        return replace(episode, seen=max(episode.seen, end - begin))
