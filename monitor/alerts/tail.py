"""How often evidence this strong comes up in this very scope: evidence -> log10 of "once in N weeks". Pure.

Nominal p-values are off by orders of magnitude on real streams, so each scope counts its own false starts: for a grid
of evidence levels, how many separate stretches (apart by GAP) reached it, per week watched. The bulk of them, which no
crisis dominates, gives the tail's slope; rarer evidence is extrapolated. A young scope leans on the nominal tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WEEK_S = 7 * 86400.0
GAP_S = 6 * 3600.0
GRID = np.concatenate([np.arange(0.5, 6.0, 0.5), 6.0 * 1.25 ** np.arange(20)])
KEEP_S = 10 * WEEK_S
"""Counted stretches are half forgotten after so long: streams change their character."""
PRIOR_WEEKS = 0.5
PRIOR_LOG_RATE = np.log(60.0)
PRIOR_SCALE = 1.0
PRIOR_STRETCHES = 10.0
BULK_PER_WEEK = 2.0
BULK_STRETCHES = 6.0


@dataclass(frozen=True, slots=True)
class Tail:
    """Per scope and level of GRID: stretches counted, and seconds since the level was last reached."""

    stretches: Array
    """(S, K)"""
    since: Array
    """(S, K)"""
    watched_s: Array
    """(S,)"""


def unwatched(scopes: int) -> Tail:
    shape = (scopes, len(GRID))
    return Tail(np.zeros(shape), np.full(shape, GAP_S * 2), np.zeros(scopes))


def count(tail: Tail, evidence: Array, known: Array, bucket_s: float) -> Tail:
    """Take in (S, T) evidence: a stretch begins where a level is reached after GAP below it."""
    gap = max(GAP_S, 2 * bucket_s)
    stretches, since = tail.stretches.copy(), tail.since.copy()
    for t in range(evidence.shape[1]):
        since += bucket_s
        reached = evidence[:, t, None] >= GRID
        stretches += reached & (since > gap)
        since[reached] = 0.0
    kept = 0.5 ** (bucket_s * evidence.shape[1] / KEEP_S)
    return Tail(stretches * kept, since, (tail.watched_s + bucket_s * known.sum(1)) * kept)


def log_rates(tail: Tail) -> Array:
    """(S, K) natural log of the stretches a week that reach each level."""
    weeks = tail.watched_s / WEEK_S
    counts = tail.stretches
    last = _last_bulk_level(counts, weeks)
    rows = np.arange(len(weeks))
    scale = _scale(counts, last)
    prior = np.exp(PRIOR_LOG_RATE - GRID / PRIOR_SCALE)
    own = np.log((counts + PRIOR_WEEKS * prior) / (weeks + PRIOR_WEEKS)[:, None])
    beyond = own[rows, last][:, None] - (GRID[None] - GRID[last][:, None]) / scale[:, None]
    rates = np.where(np.arange(len(GRID))[None] <= last[:, None], own, beyond)
    return np.minimum.accumulate(rates, axis=1)


def _last_bulk_level(counts: Array, weeks: Array) -> NDArray[np.intp]:
    """The rarest level that still came up often enough to be ordinary."""
    enough = counts >= np.maximum(BULK_STRETCHES, BULK_PER_WEEK * weeks)[:, None]
    ordinary = np.where(enough, np.arange(len(GRID))[None], -1)
    return np.maximum(ordinary.max(axis=1), 0)


def _scale(counts: Array, last: NDArray[np.intp]) -> Array:
    """Mean excess over the levels of the bulk: time spent under the survival curve over the stretches that ended."""
    steps = np.diff(GRID)
    levels = np.arange(len(GRID) - 1)[None]
    first = np.argmax(counts * (np.arange(len(GRID)) <= last[:, None]), axis=1)
    inside = (levels >= first[:, None]) & (levels < last[:, None])
    ended = np.where(inside, np.maximum(counts[:, :-1] - counts[:, 1:], 0.0), 0.0).sum(1)
    middle = 0.5 * (counts[:, :-1] + counts[:, 1:])
    spent = np.where(inside, middle * steps[None], 0.0).sum(1)
    return (spent + PRIOR_SCALE * PRIOR_STRETCHES) / (ended + PRIOR_STRETCHES)


def severity(log_rate: Array, evidence: Array) -> Array:
    """(S, T) evidence -> log10 of "once in how many weeks", by the (S, K) rates; straight beyond the grid's ends."""
    k = np.clip(np.searchsorted(GRID, evidence, side="right") - 1, 0, len(GRID) - 2)
    low = np.take_along_axis(log_rate, k, axis=1)
    high = np.take_along_axis(log_rate, k + 1, axis=1)
    part = (evidence - GRID[k]) / (GRID[k + 1] - GRID[k])
    return -(low + part * (high - low)) / np.log(10.0)
