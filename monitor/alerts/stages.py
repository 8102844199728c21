"""What is worth telling -> who is told what, now or later: one line of stages, each narrowing. Pure; sends nothing.

Nothing is dropped in silence: what a stage takes out is held until a time, or withheld with a reason that is kept.

    inhibited   a rule that matters more rings for a scope that holds this one
    silenced    somebody asked for silence here, until ...
    routed      one notice per channel that the rule names
    deduped     by the log of what was told: first | worse | reminder | closed | unwatched
    in hours    quiet hours and office hours of the rule's zone
    gathered    into the next digest
    limited     so many a channel in ten minutes; the rest in one message: "N more, here they are"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.alerts.episodes import Episode, holds
from monitor.alerts.evaluate import ENDS, Reason
from monitor.alerts.hours import next_digest, silent_until
from monitor.alerts.rules import Rule
from monitor.types import Scope

LIMIT = 6
LIMIT_WINDOW = timedelta(minutes=10)
WORSE_BY = 1.0
"""Ten times rarer than when last told: worth a second message within one incident."""
BREATH = timedelta(minutes=10)
REMIND_AFTER = timedelta(days=1)


class Notice(NamedTuple):
    """A tell on its way to one channel; before routing the channel is ""."""

    episode: Episode
    reason: Reason
    at: datetime
    channel: str = ""


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


Stage = Callable[[list[Notice], Context, Plan], list[Notice]]


def plan(notices: Iterable[Notice], context: Context) -> Plan:
    """Send the notices down the line."""
    answer = Plan()
    left = list(notices)
    for stage in STAGES:
        left = stage(left, context, answer)
    answer.single = left
    return answer


def inhibited(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept = []
    for one in notices:
        by = context.rules[one.episode.rule].inhibited_by if one.episode.rule in context.rules else ()
        if name := next((name for name in by if _rings_around(name, one.episode, context)), None):
            answer.withheld.append(Withheld(one, f"{name} rings for a scope that holds it"))
        else:
            kept.append(one)
    return kept


def _rings_around(name: str, episode: Episode, context: Context) -> bool:
    here = Scope.of(episode.scope)
    return any(
        context.rules[other.rule].name == name and (other.scope == episode.scope or holds(Scope.of(other.scope), here))
        for other in context.running
        if other.rule in context.rules
    )


def silenced(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    """Held until the silence ends: what still rings then is told, what is over is not."""
    kept = []
    for one in notices:
        silence = next((each for each in context.silences if _covers(each, one.episode)), None)
        if silence and one.reason in ENDS:
            answer.withheld.append(Withheld(one, f"silenced by {silence.who}"))
        elif silence:
            answer.held.append(Held(one, f"silenced by {silence.who}", silence.ends))
        else:
            kept.append(one)
    return kept


def _covers(silence: Silence, episode: Episode) -> bool:
    inside = silence.scope == episode.scope or holds(Scope.of(silence.scope), Scope.of(episode.scope))
    return inside and silence.rule in (None, episode.rule)


def routed(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept = []
    for one in notices:
        rule = context.rules.get(one.episode.rule)
        names = [one.channel] if one.channel else [*(rule.routes if rule else ())] or [*context.channels]
        if not names:
            answer.withheld.append(Withheld(one, "no channel is set up: name one in TOCSIN_NOTIFY"))
        for name in dict.fromkeys(names):
            if name in context.channels:
                kept.append(one._replace(channel=name))
            else:
                unknown = f"channel {name!r} is not set up: name it in TOCSIN_NOTIFY"
                answer.withheld.append(Withheld(one._replace(channel=name), unknown))
    return kept


def deduped(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept: list[Notice] = []
    log = list(context.told)
    for one in sorted(notices, key=lambda notice: -notice.episode.severity):
        reason = reason_to_tell(one, log, context)
        if reason is None:
            answer.withheld.append(Withheld(one, why_not(one, log, context)))
            continue
        if reason == "worse" and (free := _free_at(one, log)) > context.now:
            answer.held.append(Held(one, "told just before", free))
            continue
        log.append(ToldBefore(one.episode.incident, one.channel, reason, one.episode.peak, context.now))
        kept.append(one._replace(reason=reason))
    return kept


def _free_at(notice: Notice, log: Sequence[ToldBefore]) -> datetime:
    """So soon after a message about an event its growth waits: the reader is just reading."""
    return max(
        line.at + BREATH for line in log if (line.incident, line.channel) == (notice.episode.incident, notice.channel)
    )


def reason_to_tell(notice: Notice, log: Sequence[ToldBefore], context: Context) -> Reason | None:
    """Why this reader hears of it now; None where it would be nothing new."""
    episode = notice.episode
    if episode.id in context.noise:
        return None
    before = [line for line in log if (line.incident, line.channel) == (episode.incident, notice.channel)]
    before = [line for line in before if line.reason in ("first", "worse", "reminder", *ENDS)]
    if not before or (before[-1].reason in ENDS and notice.reason not in ENDS):
        return None if notice.reason in ENDS else "worse" if before else "first"
    if notice.reason in ENDS:
        others = [one for one in context.running if one.incident == episode.incident and one.id != episode.id]
        return None if before[-1].reason in ENDS or others else notice.reason
    if notice.reason == "reminder":
        return "reminder" if context.now - before[-1].at >= REMIND_AFTER else None
    worst = max(line.severity for line in before)
    return "worse" if episode.peak >= worst + WORSE_BY else None


def why_not(notice: Notice, log: Sequence[ToldBefore], context: Context) -> str:
    """In a person's words, for the log."""
    if notice.episode.id in context.noise:
        return "marked as noise"
    if notice.reason in ENDS:
        return f"{ENDS[notice.reason]}; its start was not told, or the event goes on elsewhere"
    lines = [line for line in log if (line.incident, line.channel) == (notice.episode.incident, notice.channel)]
    return f"same event, told {lines[-1].at:%H:%M}, not much worse" if lines else "nothing new"


def in_hours(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept = []
    for one in notices:
        rule = context.rules.get(one.episode.rule)
        until = rule and silent_until(rule, context.now)
        if until:
            answer.held.append(Held(one, "quiet hours", until))
        else:
            kept.append(one)
    return kept


def gathered(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept = []
    for one in notices:
        rule = context.rules.get(one.episode.rule)
        if rule and rule.digest:
            answer.held.append(Held(one, f"{rule.digest} digest", next_digest(rule, context.now)))
        else:
            kept.append(one)
    return kept


def limited(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    """The rarest go out one by one, the rest in one list; where the limit is reached, when it is lifted."""
    kept: list[Notice] = []
    for channel in dict.fromkeys(one.channel for one in notices):
        mine = sorted((one for one in notices if one.channel == channel), key=lambda one: -one.episode.severity)
        recent = sorted(at for at in context.sent.get(channel, ()) if context.now - at < LIMIT_WINDOW)
        room = LIMIT - len(recent)
        if room <= 0:
            until = recent[0] + LIMIT_WINDOW
            answer.held += [Held(one, f"more than {LIMIT} messages in ten minutes", until) for one in mine]
        elif len(mine) <= room:
            kept += mine
        else:
            kept += mine[: room - 1]
            answer.bundles[channel] = mine[room - 1 :]
    return kept


def release(due: Sequence[Held], context: Context) -> Plan:
    """What was held until now: once more down the line, but what a digest or a limit gathered goes out as one list."""
    answer = Plan()
    left = _still_news(due, context, answer)
    for stage in (inhibited, silenced, routed, deduped, in_hours):
        left = stage(left, context, answer)
    lists = {(one.notice.episode.id, one.notice.channel) for one in due if not one.why.startswith("silenced")}
    apart = [one for one in left if (one.episode.id, one.channel) not in lists]
    gathered_now = [one for one in left if (one.episode.id, one.channel) in lists]
    for channel in dict.fromkeys(one.channel for one in gathered_now):
        mine = [one for one in gathered_now if one.channel == channel]
        if len(mine) > 1:
            answer.bundles[channel] = mine
        else:
            apart += mine
    answer.single = limited(apart, context, answer)
    return answer


def _still_news(due: Sequence[Held], context: Context, answer: Plan) -> list[Notice]:
    """Of what waited for one reader about one alert, the notice that still says something: the rest is in it."""
    waiting: dict[tuple[str, str], list[Held]] = {}
    for one in due:
        waiting.setdefault((one.notice.episode.id, one.notice.channel), []).append(one)
    kept = []
    for group in waiting.values():
        episode, channel = group[0].notice.episode, group[0].notice.channel
        was_told = any(line.incident == episode.incident and line.channel == channel for line in context.told)
        over = [one for one in group if one.notice.reason in ENDS]
        best = over[-1] if over and was_told else group[0]
        for one in group:
            if one is not best:
                answer.withheld.append(Withheld(one.notice, f"{one.why}; told together with what followed"))
        if episode.phase == "closed" and (best.why.startswith("silenced") or best.notice.reason == "worse"):
            answer.withheld.append(Withheld(best.notice, f"{best.why}, and over before that ended"))
        else:
            kept.append(best.notice)
    return kept


STAGES: tuple[Stage, ...] = (inhibited, silenced, routed, deduped, in_hours, gathered, limited)
