"""What was held until now, once more down the line; what a digest or a limit gathered goes out as one list. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.alerts.dedup import deduped, heard
from monitor.alerts.evaluate import ENDS
from monitor.alerts.notices import Context, Held, Notice, Plan, Withheld
from monitor.alerts.stages import gathered, in_hours, inhibited, limited, routed, silenced

NOT_YET = ("silenced", "inhibited")
"""Held because readers need not hear of it: what is over meanwhile is not told, what goes on is told as if new."""


def release(due: Sequence[Held], context: Context) -> Plan:
    """A digest's and a limit's notices as one list per channel, the rest one by one."""
    answer = Plan()
    left = _still_news(due, context, answer)
    for stage in (inhibited, silenced, routed):
        left = stage(left, context, answer)
    whys = {(one.notice.episode.id, one.notice.channel): one.why for one in due}

    def is_fresh(one: Notice) -> bool:
        return whys.get((one.episode.id, one.channel), "silenced").startswith(NOT_YET)

    # All else has waited for its digest, if its rule has one: a limit lasts minutes, not until the next.
    new = gathered([one for one in left if is_fresh(one)], context, answer)
    left = new + [one for one in left if not is_fresh(one)]
    left = deduped(in_hours(left, context, answer), context, answer)
    apart = [one for one in left if is_fresh(one)]
    together = [one for one in left if not is_fresh(one)]
    lists: dict[str, list[Notice]] = {}
    for channel in dict.fromkeys(one.channel for one in together):
        mine = [one for one in together if one.channel == channel]
        if len(mine) > 1:
            lists[channel] = mine
        else:
            apart += mine
    answer.single = limited(apart, context, answer)
    for channel, mine in lists.items():  # with what the limit puts into a list: one message
        answer.bundles[channel] = mine + answer.bundles.get(channel, [])
    return answer


def _still_news(due: Sequence[Held], context: Context, answer: Plan) -> list[Notice]:
    """Of what waited for one reader about one alert, the notice that still says something: the rest is in it."""
    waiting: dict[tuple[str, str], list[Held]] = {}
    for one in due:
        waiting.setdefault((one.notice.episode.id, one.notice.channel), []).append(one)
    kept = []
    for group in waiting.values():
        episode, channel = group[0].notice.episode, group[0].notice.channel
        was_told = bool(heard(episode.incident, channel, context.told))
        best = _newsworthy(group, was_told=was_told)
        for one in group:
            if one is not best:
                answer.withheld.append(Withheld(one.notice, f"{one.why}; told together with what followed"))
        if best.notice.reason in ENDS and episode.phase != "closed":
            answer.withheld.append(Withheld(best.notice, f"{best.why}; it came back before that ended"))
        elif episode.phase == "closed" and (best.why.startswith(NOT_YET) or best.notice.reason == "worse"):
            answer.withheld.append(Withheld(best.notice, f"{best.why}, and over before that ended"))
        else:
            kept.append(best.notice)
    return kept


def _newsworthy(group: Sequence[Held], *, was_told: bool) -> Held:
    """The end, where the event is over and its start was told; else what it became before what it was."""
    is_over = group[0].notice.episode.phase == "closed"
    wanted = ["first", "worse", "reminder"]
    wanted = [*ENDS, *wanted] if is_over and was_told else [*wanted, *ENDS]
    return min(reversed(group), key=lambda one: wanted.index(one.notice.reason))
