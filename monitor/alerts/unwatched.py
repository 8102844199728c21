"""Running episodes that no rule watches any more, and how they end. Pure; nothing else would step them to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.alerts.episodes import Episode
from monitor.alerts.evaluate import Standing, Tell
from monitor.alerts.rules import Rule, StoredRule, watches
from monitor.alerts.state import EpisodeState
from monitor.types import Scope, bucket_of


@dataclass
class Ends:
    """What ends now."""

    standings: dict[tuple[int, str], Standing] = field(default_factory=dict)
    """By rule and scope; of a deleted rule none is left."""
    tells: list[Tell] = field(default_factory=list)


def ends(
    running: Sequence[Episode],
    rules: Mapping[int, StoredRule],
    standings: Mapping[tuple[int, str], Standing],
    now: datetime,
) -> Ends:
    """Close what its rule no longer watches.

    Switched on again, a rule goes on with the same episode; one that now counts other stories begins anew.
    """
    into = Ends()
    for one in running:
        stored = rules.get(one.rule)
        if stored and is_watched(one, stored):
            continue
        standing = standings.get((one.rule, one.scope))
        if stored and standing:
            goes_on = replace(standing.state, phase="closed")
            state = goes_on if _counts(stored.rule, one) else EpisodeState(scope=one.scope)
            into.standings[one.rule, one.scope] = standing._replace(state=state)
        ended = (standing and standing.state.last_elevated) or bucket_of(now)
        into.tells.append(Tell(replace(one, phase="closed", ended=ended), "unwatched", now))
    return into


def is_watched(episode: Episode, stored: StoredRule) -> bool:
    """Does its rule still look at this scope, and at any of what the episode counted?"""
    return stored.enabled and watches(stored.rule, Scope.of(episode.scope)) and _counts(stored.rule, episode)


def _counts(rule: Rule, episode: Episode) -> bool:
    return rule.sentiment == episode.sentiment and bool(set(rule.kinds) & set(episode.kinds))
