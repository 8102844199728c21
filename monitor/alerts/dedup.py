"""By the log of what was told: is this news to this reader, and why? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.alerts.evaluate import ENDS, Reason
from monitor.alerts.notices import Context, Held, Notice, Plan, ToldBefore, Withheld

WORSE_BY = 1.0
"""Ten times rarer than when last told: worth a second message within one incident."""
BREATH = timedelta(minutes=10)
REMIND_AFTER = timedelta(days=1)


def deduped(notices: list[Notice], context: Context, answer: Plan) -> list[Notice]:
    kept: list[Notice] = []
    log = list(context.told)
    for one in sorted(notices, key=lambda notice: -notice.episode.severity):
        reason = reason_to_tell(one, log, context)
        if reason is None:
            answer.withheld.append(Withheld(one, why_not(one, log, context)))
            continue
        if reason == "worse" and (free := _free_at(one, log, context.now)) > context.now:
            answer.held.append(Held(one, "told just before", free))
            continue
        log.append(ToldBefore(one.episode.incident, one.channel, reason, one.episode.peak, context.now))
        kept.append(one._replace(reason=reason))
    return kept


def heard(incident: str, channel: str, log: Sequence[ToldBefore]) -> list[ToldBefore]:
    """What a channel's readers were told of an event; reasons for silence are in the log, too, but are no messages."""
    lines = [line for line in log if (line.incident, line.channel) == (incident, channel)]
    return [line for line in lines if line.reason in ("first", "worse", "reminder", *ENDS)]


def _free_at(notice: Notice, log: Sequence[ToldBefore], now: datetime) -> datetime:
    """So soon after a message about an event its growth waits: the reader is just reading."""
    return min(heard(notice.episode.incident, notice.channel, log)[-1].at, now) + BREATH


def reason_to_tell(notice: Notice, log: Sequence[ToldBefore], context: Context) -> Reason | None:
    """Why this reader hears of it now; None where it would be nothing new."""
    episode = notice.episode
    if episode.id in context.noise:
        return None
    before = heard(episode.incident, notice.channel, log)
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
    before = heard(notice.episode.incident, notice.channel, log)
    return f"same event, told {before[-1].at:%d %b %H:%M} UTC, not much worse" if before else "nothing new"
