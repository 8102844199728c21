"""What is worth telling -> who is told what, now or later: one line of stages, each narrowing. Pure; sends nothing.

Nothing is dropped in silence: what a stage takes out is held until a time, or withheld with a reason that is kept.

    inhibited   a rule that matters more rings for a scope that holds this one: asked again in a while
    silenced    somebody asked for silence here, until ...
    routed      one notice per channel that the rule names; where none of them is set up, every channel
    gathered    into the next digest
    in hours    quiet hours and office hours of the rule's zone
    deduped     by the log of what was told: first | worse | reminder | closed | unwatched
    limited     so many a channel in ten minutes; the rest in one message: "N more, here they are"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from monitor.alerts.dedup import deduped
from monitor.alerts.episodes import Episode, holds
from monitor.alerts.evaluate import ENDS
from monitor.alerts.hours import next_digest, silent_until
from monitor.alerts.notices import Context, Held, Notice, Plan, Silence, Withheld
from monitor.types import Scope

LIMIT = 6
LIMIT_WINDOW = timedelta(minutes=10)
ASK_AGAIN = timedelta(minutes=10)
"""Whether the rule that inhibits this one still rings."""

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
    """Asked again every few minutes: what still rings once the other rule has gone quiet is told then."""
    kept = []
    for one in notices:
        by = context.rules[one.episode.rule].inhibited_by if one.episode.rule in context.rules else ()
        name = next((name for name in by if _rings_around(name, one.episode, context)), None)
        if name and one.reason not in ENDS:
            why = f"inhibited: {name} rings for a scope that holds it"
            answer.held.append(Held(one, why, context.now + ASK_AGAIN))
        else:
            kept.append(one)
    return kept


def _rings_around(name: str, episode: Episode, context: Context) -> bool:
    here = Scope.of(episode.scope)
    return any(
        context.rules[other.rule].name == name and (other.scope == episode.scope or holds(Scope.of(other.scope), here))
        for other in context.running
        if other.rule in context.rules and other.id != episode.id
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
    """To the channels that its rule names. Where none of them is set up any more: to all, rather than to nobody."""
    kept = []
    for one in notices:
        names = _asked_for(one, context)
        if not context.channels:
            answer.withheld.append(Withheld(one, "no channel is set up: name one in TOCSIN_NOTIFY"))
            continue
        unknown = [name for name in names if name not in context.channels]
        for name in unknown:
            why = f"channel {name!r} is not set up: name it in TOCSIN_NOTIFY"
            answer.withheld.append(Withheld(one._replace(channel=name), why))
        if len(unknown) < len(names):
            kept += [one._replace(channel=name) for name in names if name in context.channels]
        else:
            astray = f"The rule's channel {' and '.join(names)} is not set up, so every channel hears of this."
            kept += [one._replace(channel=name, note=astray) for name in context.channels]
    return kept


def _asked_for(notice: Notice, context: Context) -> list[str]:
    if notice.channel in context.channels:
        return [notice.channel]  # held for this one
    rule = context.rules.get(notice.episode.rule)
    return list(dict.fromkeys([*(rule.routes if rule else ())] or context.channels))


def in_hours(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept = []
    for one in notices:
        rule = context.rules.get(one.episode.rule)
        until = rule and silent_until(rule, context.now, context.exchanges)
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
        # A time to come is a clock's that was set back since: it must not hold anything for long.
        recent = sorted(min(at, context.now) for at in context.sent.get(channel, ()) if context.now - at < LIMIT_WINDOW)
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


# The log is asked of what goes out now: who still waits was told nothing, and must silence nobody.
STAGES: tuple[Stage, ...] = (inhibited, silenced, routed, gathered, in_hours, deduped, limited)
