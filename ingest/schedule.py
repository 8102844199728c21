"""When to ask a source again, and whether what it says now is a catch-up. Pure: the clock and chance are arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from monitor.types import FeedState

JITTER = 0.1
"""Part of a wait that chance decides, so that a thousand readers don't knock together."""

LONGEST_WAIT = timedelta(hours=6)
LONGEST_WISH = timedelta(days=1)
"""A source that asks for more silence than this is asked daily all the same."""

CATCH_UP_CADENCES = 3
KEPT_GAPS = 50


def is_catch_up(state: FeedState, now: datetime, cadence: timedelta) -> bool:
    """Whether what the source shows now may be old news to it: a first fetch, or one after a gap of three cadences."""
    return state.ok_at is None or now - state.ok_at > CATCH_UP_CADENCES * cadence


def after_success(
    state: FeedState, now: datetime, cadence: timedelta, times: Sequence[datetime], rng: random.Random
) -> FeedState:
    """The state after an answer with new articles of these times (none: nothing new)."""
    ordered = sorted(times)
    points = [state.article_at, *ordered] if state.article_at else ordered
    gaps = [int((later - earlier).total_seconds()) for earlier, later in pairwise(points)]
    return replace(
        state,
        failures=0,
        error=None,
        articles=state.articles + len(ordered),
        asked_at=now,
        ok_at=now,
        next_at=now + _jittered(cadence, rng),
        article_at=max(points, default=None),
        gaps_s=(*state.gaps_s, *(gap for gap in gaps if gap > 0))[-KEPT_GAPS:],
    )


def after_failure(
    state: FeedState,
    now: datetime,
    cadence: timedelta,
    reason: str,
    retry_after: timedelta | None,
    rng: random.Random,
) -> FeedState:
    """The state after a refusal or a fault: the wait doubles with each failure in a row; the source's wish counts
    where it is longer. ETag and date are kept, since nothing was read."""
    failures = state.failures + 1
    longest = max(LONGEST_WAIT, cadence)
    wait = min(cadence * 2 ** min(failures - 1, 16), longest)
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_WISH))
    return replace(state, failures=failures, error=reason, asked_at=now, next_at=now + _jittered(wait, rng))


def _jittered(wait: timedelta, rng: random.Random) -> timedelta:
    """Never shorter: a Retry-After is a promise."""
    return wait * (1 + JITTER * rng.random())
