"""What is usual for a series at that hour of the week, from the weeks before. Pure; for drawing, never for alarms.

Alarms have a detector of their own (monitor/alerts); this is the pale band behind a chart, cheap enough for any scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from monitor.store.reads import Span

WEEK = timedelta(days=7)
WEEKS = (1, 2, 3, 4)
LEAST_WEEKS = 2
"""Fewer weeks of history and there is no usual: the page says "learning"."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Expected stories per step, and the upper edge that negative stories pass about once in fifty steps."""

    total: pd.Series
    negative: pd.Series
    upper: pd.Series


def usual(history: pd.DataFrame, steps: pd.DatetimeIndex, step: timedelta, begins: datetime | None) -> Usual | None:
    """From `history` (index: UTC steps; columns total, negative), for each of `steps`; None while learning.

    A step's usual is the mean over the same hour of the week, one to four weeks before, with both neighbours.
    The spread is that of the same sample, at least a Poisson's.
    """
    weeks = [ago for ago in WEEKS if begins is not None and steps[0] - ago * WEEK >= begins]
    if len(weeks) < LEAST_WEEKS:
        return None
    shifts = [ago * WEEK + near * step for ago in weeks for near in (-1, 0, 1)]
    negative = _samples(history, "negative", steps, shifts)
    total = _samples(history, "total", steps, shifts)
    mean = negative.mean(axis=1)
    spread = np.sqrt(np.maximum(negative.var(axis=1), mean))
    return Usual(total.mean(axis=1), mean, mean + 2 * spread)


def _samples(history: pd.DataFrame, column: str, steps: pd.DatetimeIndex, shifts: list[timedelta]) -> pd.DataFrame:
    known = history[column]
    return pd.DataFrame(
        {number: known.reindex(steps - shift, fill_value=0).to_numpy(float) for number, shift in enumerate(shifts)},
        index=steps,
    )


def days_to_go(begins: datetime | None, since: datetime) -> int:
    """Days of history still missing before a usual is known."""
    if begins is None:
        return LEAST_WEEKS * 7
    return max(0, -(-((LEAST_WEEKS * WEEK) - (since - begins)) // timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Mover:
    """A scope whose negative stories differ from its own usual by `surprise` spreads."""

    now: Span
    expected: float
    surprise: float


LEAST_SURPRISE = 1.2


def movers(spans: Sequence[Span], weeks: int) -> list[Mover]:
    """The scopes that moved, most surprising first: more negative stories than usual, or fewer."""
    now = {span.scope: span for span in spans if span.weeks_ago == 0}
    before: dict[str, list[int]] = {}
    for span in spans:
        if span.weeks_ago:
            before.setdefault(span.scope, []).append(span.negative)
    found = []
    for scope in now.keys() | before.keys():
        past = before.get(scope, [])
        span = now.get(scope, Span(scope, 0, 0, 0, 0, 0.0))
        expected, off = surprise(span.negative, past + [0] * (weeks - len(past)))
        if abs(off) >= LEAST_SURPRISE:
            found.append(Mover(span, expected, off))
    return sorted(found, key=lambda mover: (-abs(mover.surprise), mover.now.scope))


def surprise(seen: int, before: Sequence[int]) -> tuple[float, float]:
    """(expected, how many spreads off), from the same span of the weeks before; small numbers stay unsurprising."""
    expected = sum(before) / len(before)
    spread = max(expected, float(np.var(before, ddof=1)) if len(before) > 1 else 0.0) + 1
    return expected, (seen - expected) / spread**0.5
