"""A rule over the stored past: counts and stories from the store, decisions by production's own machine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TextIO

from monitor.alerts.backtest import PastEpisode, backtest_counts
from monitor.alerts.episodes import EXPLAINS
from monitor.alerts.readings import Reading
from monitor.alerts.rules import Rule, levels_of
from monitor.errors import TocsinError
from monitor.store.counts import counts
from monitor.store.engine import Database
from monitor.store.models import in_service
from monitor.store.past import PastStory, negative_stories
from monitor.store.status import newest_article
from monitor.types import BUCKET, Count, Scope, bucket_of

TOGETHER = timedelta(days=1)
"""Episodes of one event in several scopes are detected within such a time."""
HEADLINES = 5


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """An episode the rule would have had, with the stories that made it ring."""

    episode: PastEpisode
    stories: tuple[PastStory, ...]


def backtest_stored(database: Database, out: TextIO, budget: float | None, days: int, now: datetime) -> None:
    """One JSON line per episode that the default rule would have had in the last `days` of the stored past."""
    rule = Rule() if budget is None else Rule(budget=budget)
    newest = newest_article(database)
    if newest is None:
        raise TocsinError("nothing is stored yet; let `tocsin up` run, or bring old news in with `tocsin replay FILE`")
    until = min(now, newest + BUCKET)
    for one in rehearse(database, rule, until - timedelta(days=days), until):
        out.write(json.dumps(_line(one), ensure_ascii=False) + "\n")


def rehearse(database: Database, rule: Rule, since: datetime, until: datetime) -> list[Rehearsed]:
    """What `rule` would have rung between two moments, the narrowest explaining scopes only."""
    model = in_service(database)
    if model is None:
        raise TocsinError("no model is in service; start a worker once")
    by_scope: dict[str, list[Count]] = defaultdict(list)
    for one in counts(database, model, since, until, kinds=rule.kinds):
        by_scope[one.scope.key].append(one)

    def stories(reading: Reading) -> list[PastStory]:
        return negative_stories(database, model, reading.scope, rule.kinds, reading.since, reading.at)

    def is_backed(reading: Reading) -> bool:
        found = stories(reading)
        families = {family for one in found for family in one.families}
        return len(found) >= rule.min_stories and len(families) >= rule.min_publishers

    episodes = backtest_counts(
        by_scope,
        levels_of(rule, None, len(by_scope)),
        since=bucket_of(since),
        until=until,
        parent={key: _parent(key) for key in by_scope if key != "all"},
        is_backed=is_backed,
    )
    told = [
        Rehearsed(one, tuple(negative_stories(database, model, one.scope, rule.kinds, one.start, one.detected)))
        for one in episodes
    ]
    return narrowest(told)


def narrowest(told: Sequence[Rehearsed]) -> list[Rehearsed]:
    """Without episodes that a narrower scope's, at about the same time, explain through the same stories."""
    kept: list[Rehearsed] = []
    for one in sorted(told, key=lambda each: (-_narrowness(each.episode.scope), each.episode.detected)):
        mine = {story.story for story in one.stories}
        explained: set[str] = set()
        for other in kept:
            if abs(other.episode.detected - one.episode.detected) <= TOGETHER:
                explained |= mine & {story.story for story in other.stories}
        if not mine or len(explained) < EXPLAINS * len(mine):
            kept.append(one)
    return sorted(kept, key=lambda each: each.episode.detected)


def _parent(key: str) -> str:
    scope = Scope.of(key)
    return Scope(company=scope.company).key if scope.company and scope.topic else "all"


def _narrowness(key: str) -> int:
    scope = Scope.of(key)
    return 2 * bool(scope.company) + bool(scope.topic)


def _line(one: Rehearsed) -> dict[str, object]:
    found = one.episode
    return {
        "scope": found.scope,
        "start": found.start.isoformat(),
        "detected": found.detected.isoformat(),
        "end": found.end.isoformat() if found.end else None,
        "severity": round(found.severity, 3),
        "expected": round(found.expected, 3),
        "seen": found.seen,
        "reason": found.reason,
        "headlines": [story.title for story in one.stories[-HEADLINES:]],
    }
