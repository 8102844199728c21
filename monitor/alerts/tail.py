"""How often evidence this strong comes up in this very scope: evidence -> log10 of "once in N weeks". Pure.

Nominal p-values are off by orders of magnitude on real streams, so each scope counts its own false starts: for a grid
of evidence levels, how many separate stretches (apart by GAP) reached it, per week watched. The bulk of them, which no
crisis dominates, gives the tail's slope; rarer evidence is extrapolated. A young scope leans on the nominal tail.
"""

from __future__ import annotations

import math
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
PRIOR_LOG_RATE = 3.74
PRIOR_SCALE = 1.2
PRIOR_STRETCHES = 30.0
"""What well-behaved streams show: 42 * exp(-evidence / 1.2) stretches a week; weighs as much as so many weeks and
stretches of the scope's own."""
EVENTS_ALLOWED = 3.0
EVENTS_PER_WEEK = 0.8
"""Stretches a scope may owe to real events: what comes up more often than that is how this scope behaves."""
USUAL_PER_WEEK = 8.0
BULK_SPAN = 1.5
"""The tail is fitted from the level reached so often to the one reached a fifth as often: rarer stretches may be
real events, which must not teach that events are normal."""
EVENT_SPAN = 4.0
SURELY_EVENTS_PER_WEEK = 0.3
"""What reaches so many scales above the usual level is an event, up to so many a week: set aside before the tail is
fitted, for on its way up it passed every level below, too."""
BLIND_S = 0.75 * GAP_S
"""After each stretch so long counts no other: of frequent ones some are missed, and a tail fitted to what is left would
look too long. Less than GAP, for stretches come in clusters."""
MOST_SHOWN = math.exp(-1.0)
"""Per BLIND_S: however many stretches there are, no more of them show."""


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
    keep = 0.5 ** (bucket_s / KEEP_S)
    watched_s = tail.watched_s
    for t in range(evidence.shape[1]):
        since += bucket_s
        stretches *= keep
        watched_s = watched_s * keep + bucket_s * known[:, t]
        reached = evidence[:, t, None] >= GRID
        stretches += reached & (since > gap)
        since[reached] = 0.0
    return Tail(stretches, since, watched_s)


def log_rates(tail: Tail) -> Array:
    """(S, K) natural log of the stretches a week that reach each level: counted where usual, fitted where rare."""
    weeks = tail.watched_s / WEEK_S
    prior = np.minimum(np.exp(PRIOR_LOG_RATE - GRID / PRIOR_SCALE), 2 * USUAL_PER_WEEK)
    usual = _usual_level(tail.stretches, weeks)
    apart = _missed(tail.stretches, weeks)
    scale = np.full(len(weeks), PRIOR_SCALE)
    for _ in range(3):
        ordinary = tail.stretches - _events(tail.stretches, weeks, GRID[usual] + EVENT_SPAN * scale)
        scale = _scale(ordinary * apart, GRID[usual], GRID[usual] + BULK_SPAN * scale)
    own = np.log((np.maximum(ordinary, 0.0) + PRIOR_WEEKS * prior) / (weeks + PRIOR_WEEKS)[:, None])
    at_usual = own[np.arange(len(weeks)), usual]
    fitted = at_usual[:, None] - (GRID[None] - GRID[usual][:, None]) / scale[:, None]
    fitted = np.maximum(fitted, _too_often(tail.stretches, weeks, scale))
    rates = np.where(np.arange(len(GRID))[None] <= usual[:, None], own, fitted)
    return np.asarray(np.minimum.accumulate(rates, axis=1))


def _missed(counts: Array, weeks: Array) -> Array:
    """How many stretches there were for each one counted: the true rate r shows as r * exp(-r * BLIND)."""
    shown = np.minimum(counts / np.maximum(weeks, PRIOR_WEEKS)[:, None] * (BLIND_S / WEEK_S), MOST_SHOWN)
    true = shown
    for _ in range(4):
        true = shown * np.exp(true)
    return np.asarray(np.where(shown > 0, true / np.maximum(shown, 1e-12), 1.0))


def _too_often(counts: Array, weeks: Array, scale: Array) -> Array:
    """What rare levels show beyond the events a scope may well have had; from there on it falls as the bulk does."""
    allowed = EVENTS_ALLOWED + EVENTS_PER_WEEK * weeks
    extra = np.maximum(counts - allowed[:, None], 1e-300) / np.maximum(weeks, PRIOR_WEEKS)[:, None]
    lifted = np.maximum.accumulate(np.log(extra) + GRID[None] / scale[:, None], axis=1)
    return np.asarray(lifted - GRID[None] / scale[:, None])


def _events(counts: Array, weeks: Array, level: Array) -> Array:
    """(S, 1) stretches that reached what ordinary ones never do, as far as a scope may have had events."""
    beyond = np.take_along_axis(counts, np.minimum(np.searchsorted(GRID, level), len(GRID) - 1)[:, None], axis=1)
    return np.asarray(np.minimum(beyond, (SURELY_EVENTS_PER_WEEK * weeks)[:, None]))


def _usual_level(counts: Array, weeks: Array) -> NDArray[np.intp]:
    """The lowest level that is reached no more often than USUAL_PER_WEEK, above where stretches run together."""
    after_peak = np.arange(len(GRID))[None] >= counts.argmax(axis=1)[:, None]
    rare_enough = counts <= (USUAL_PER_WEEK * np.maximum(weeks, PRIOR_WEEKS))[:, None]
    return np.asarray((after_peak & rare_enough).argmax(axis=1))


def _scale(counts: Array, low: Array, high: Array) -> Array:
    """Mean excess between two levels (censored at the upper): time under the survival curve over stretches that end."""
    steps = np.diff(GRID)
    part = np.clip((high[:, None] - GRID[:-1]) / steps, 0.0, 1.0) * (GRID[:-1] >= low[:, None])
    drop = counts[:, :-1] - counts[:, 1:]
    spent = ((counts[:, :-1] - 0.5 * drop * part) * steps * part).sum(1)
    ended = np.maximum((drop * part).sum(1), 0.0)
    return np.asarray((spent + PRIOR_SCALE * PRIOR_STRETCHES) / (ended + PRIOR_STRETCHES))


def severity(log_rate: Array, evidence: Array) -> Array:
    """(S, T) evidence -> log10 of "once in how many weeks", by the (S, K) rates; straight beyond the grid's ends."""
    k = np.clip(np.searchsorted(GRID, evidence, side="right") - 1, 0, len(GRID) - 2)
    low = np.take_along_axis(log_rate, k, axis=1)
    high = np.take_along_axis(log_rate, k + 1, axis=1)
    part = (evidence - GRID[k]) / (GRID[k + 1] - GRID[k])
    return np.asarray(-(low + part * (high - low)) / np.log(10.0))
