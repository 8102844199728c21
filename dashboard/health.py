"""How a feed is, in a word and a reason. Pure: `now` is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dashboard.markup import ago, duration
from monitor.store.read_health import FeedHealth

State = Literal["failing", "late", "new", "ok"]
ORDER: tuple[State, ...] = ("failing", "late", "new", "ok")
LEAST_SILENCE = timedelta(hours=1)
SILENCE_FACTOR = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """A feed with its state and why."""

    feed: FeedHealth
    state: State
    why: str


def judge(feeds: Sequence[FeedHealth], now: datetime) -> list[Judged]:
    """Every feed with its state, worst first."""
    judged = [Judged(feed, *_state(feed, now)) for feed in feeds]
    return sorted(judged, key=lambda one: (ORDER.index(one.state), one.feed.name))


def _state(feed: FeedHealth, now: datetime) -> tuple[State, str]:
    if feed.failures:
        times = "once" if feed.failures == 1 else f"{feed.failures} times in a row"
        return "failing", f"{feed.error or 'no answer'} ({times})"
    if feed.asked_at is None:
        return "new", "not asked yet"
    if now - feed.asked_at > SILENCE_FACTOR * feed.cadence + timedelta(minutes=1) and (feed.next_at or now) < now:
        return "late", f"not asked since {duration(now - feed.asked_at)}; is ingest running?"
    if feed.article_at is None:
        return "new", "no article yet"
    allowed = allowed_silence(feed)
    silent = now - feed.article_at
    if silent > allowed:
        return "late", f"silent for {duration(silent)}, usually at most {duration(allowed)}"
    return "ok", f"last article {ago(feed.article_at, now)}"


def allowed_silence(feed: FeedHealth) -> timedelta:
    """Three times its own longest recent gap, at least an hour."""
    longest = timedelta(seconds=max(feed.gaps_s, default=0))
    return max(SILENCE_FACTOR * max(longest, feed.cadence), LEAST_SILENCE)
