"""How a feed is, in a word and a reason: silent is what the alerts call silent. Pure: `now` is an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dashboard.markup import ago, duration
from monitor.alerts.completeness import SilentFeed
from monitor.store.read_health import FeedHealth

State = Literal["failing", "late", "new", "ok"]
ORDER: tuple[State, ...] = ("failing", "late", "new", "ok")
ROUNDS_MISSED = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """A feed with its state and why."""

    feed: FeedHealth
    state: State
    why: str


def judge(feeds: Sequence[FeedHealth], silent: Mapping[str, SilentFeed], now: datetime) -> list[Judged]:
    """Every feed with its state, worst first; `silent` holds by name those that are so beyond their own rhythm."""
    judged = [Judged(feed, *_state(feed, silent.get(feed.name), now)) for feed in feeds]
    return sorted(judged, key=lambda one: (ORDER.index(one.state), one.feed.name))


def _state(feed: FeedHealth, silent: SilentFeed | None, now: datetime) -> tuple[State, str]:
    if feed.failures:
        times = "once" if feed.failures == 1 else f"{feed.failures} times in a row"
        return "failing", f"{feed.error or 'no answer'} ({times})"
    if feed.asked_at is None:
        return "new", "not asked yet"
    if now - feed.asked_at > ROUNDS_MISSED * feed.cadence + timedelta(minutes=1) and (feed.next_at or now) < now:
        return "late", f"not asked since {duration(now - feed.asked_at)}; is ingest running?"
    if silent is not None and feed.article_at is not None:
        return "late", f"silent for {duration(now - feed.article_at)}, usually at most {duration(silent.usual)}"
    if feed.article_at is None:
        return "new", "no article yet"
    return "ok", f"last article {ago(feed.article_at, now)}"
