"""How many articles an hour of the week brings. Pure: the phase comes from an anchor, never from a clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

ANCHOR_HOUR = 34
"""Hours since Monday 00:00 at the anchor: Tuesday, 10:00."""

HOURLY = (1, 1, 1, 1, 1.5, 2, 3, 5, 8, 13, 18, 13, 8, 8, 10, 8, 6, 4.5, 3, 2, 1.5, 1.5, 1, 1)
"""Original articles in each hour of a working day: the rush at 10, Wall Street's opening at 14, quiet nights."""

WEEKEND_SHARE = (0.25, 0.2)
"""Saturday's and Sunday's part of a working day."""


def rate(at: datetime, anchor: datetime) -> float:
    """Expected articles an hour at `at`, where `anchor` is a Tuesday, 10:00."""
    hours = (ANCHOR_HOUR + (at - anchor).total_seconds() / 3600) % 168
    day, hour = divmod(hours, 24)
    share = WEEKEND_SHARE[int(day) - 5] if day >= 5 else 1.0
    return HOURLY[int(hour)] * share


def arrivals(rng: random.Random, start: datetime, length: timedelta, anchor: datetime) -> Iterator[datetime]:
    """A Poisson stream of the rhythm's rate, by thinning."""
    peak = max(HOURLY)
    at = start
    while True:
        at += timedelta(hours=rng.expovariate(peak))
        if at >= start + length:
            return
        if rng.random() * peak < rate(at, anchor):
            yield at
