"""What is normal for each scope: level x hour of the week, and its usual negative share. Pure; keeps no history.

All arrays hold one row per scope. A bucket's expectation is `level * season[slot]`; both are learned from counts that
are clipped at a multiple of the spread, so that a past crisis does not become the normal. Sparse and young scopes are
shrunk: hour of the week -> hour of the day x day of the week -> the parent scope's season -> flat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SLOTS = 168
LEVEL_HALF_LIFE_S = 21 * 86400.0
SEASON_KEEP_PER_VISIT = 0.9
"""A slot is seen once a week: half of what is known of it is older than 6.6 weeks."""
SPREAD_OF_HOUR = 0.5
SPREAD_OF_DAY = 0.2
SPREAD_OF_SLOT = 0.02
"""Prior variances of the seasonal factors: hours of a day differ by much, days less, a day's own shape least."""
JEFFREYS = 0.5
"""Stories that a scope is taken to have had before its first, in next to no time: Jeffreys' prior of a rate."""
SHARE_PRIOR = 0.3
SHARE_PRIOR_STORIES = 8.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Sufficient statistics of the normal, one row per scope."""

    stories: Array
    """(S,) negative stories learned from, forgotten exponentially."""
    exposure: Array
    """(S,) buckets learned from, each weighted by its season."""
    slot_seen: Array
    """(S, 168) clipped negatives per hour of the week."""
    slot_expected: Array
    """(S, 168) what the level alone expected there."""
    share_negative: Array
    share_total: Array
    buckets: Array
    """(S,) buckets with data so far, never forgotten: how long has this scope been learned?"""


@dataclass(frozen=True, slots=True)
class Normal:
    """What the statistics say: cheap to ask."""

    level: Array
    """(S,) negatives per bucket in an average hour."""
    season: Array
    """(S, 168) factors with mean 1."""
    share: Array
    """(S,) usual negative share."""
    doubt: Array
    """(S,) relative variance of the level itself, from how little has been seen."""


def unlearned(scopes: int) -> Baseline:
    zero = np.zeros(scopes)
    slots = np.zeros((scopes, SLOTS))
    return Baseline(zero, zero, slots, slots, zero, zero, zero)


def normal(baseline: Baseline, season: Array) -> Normal:
    """The normal as known now, with the season as it was learned last."""
    share = (baseline.share_negative + SHARE_PRIOR * SHARE_PRIOR_STORIES) / (baseline.share_total + SHARE_PRIOR_STORIES)
    return Normal(level(baseline), season, share, 1.0 / (baseline.stories + JEFFREYS))


def level(baseline: Baseline) -> Array:
    """(S,) negatives per bucket in an average hour."""
    return (baseline.stories + JEFFREYS) / (baseline.exposure + 1.0)


def season(baseline: Baseline, noise: Array, parent: NDArray[np.intp]) -> Array:
    """(S, 168) factors, shrunk in two steps; `noise`: (S,) variance of an hour's count over its mean.

    A scope leans on its parent's rhythm, hour by hour of its own market's week: people everywhere work by day.
    """
    shape = (len(noise), 7, 24)
    seen, expected = baseline.slot_seen.reshape(shape), baseline.slot_expected.reshape(shape)
    prior = np.ones(shape)
    over = np.unique(parent[parent >= 0])
    if len(over):
        lent = _two_steps(seen[over], expected[over], prior[over], noise[over])
        leans = parent >= 0
        prior[leans] = lent[np.searchsorted(over, parent[leans])]
    factors = _two_steps(seen, expected, prior, noise).reshape(-1, SLOTS)
    return np.asarray(factors / factors.mean(axis=1, keepdims=True))


def _two_steps(seen: Array, expected: Array, prior: Array, noise: Array) -> Array:
    weight = noise[:, None]
    under_prior = expected * prior
    hour = (seen.sum(1) + weight / SPREAD_OF_HOUR) / (under_prior.sum(1) + weight / SPREAD_OF_HOUR)
    under_hour = under_prior * hour[:, None, :]
    day = (seen.sum(2) + weight / SPREAD_OF_DAY) / (under_hour.sum(2) + weight / SPREAD_OF_DAY)
    rough = prior * hour[:, None, :] * day[:, :, None]
    strength = noise[:, None, None] / SPREAD_OF_SLOT
    return np.asarray((seen + strength * rough) / (expected + strength))


def expected(normal: Normal, slots: NDArray[np.intp]) -> Array:
    """(S, T) negatives expected in buckets of the given (S, T) hours of the week."""
    return np.asarray(normal.level[:, None] * np.take_along_axis(normal.season, slots, axis=1))


def fading(known: Array, keep: float) -> tuple[Array, Array]:
    """(S, T) what is left of each bucket at the block's end, and (S,) of what was there before it.

    Only known buckets age a scope, so a gap in its data forgets nothing.
    """
    after = known[:, ::-1].cumsum(axis=1)[:, ::-1] - known
    return np.asarray(keep**after), np.asarray(keep ** known.sum(axis=1))


def learn(
    baseline: Baseline,
    normal: Normal,
    slots: NDArray[np.intp],
    known: Array,
    negative: Array,
    share_negative: Array,
    total: Array,
    *,
    bucket_s: float,
) -> Baseline:
    """Take in a block: (S, T) counts already clipped, `known` 1 where the bucket is known, else 0."""
    fades, keep = fading(known, 0.5 ** (bucket_s / LEVEL_HALF_LIFE_S))
    negative, share_negative, total = negative * known, share_negative * known * fades, total * known * fades
    season = np.take_along_axis(normal.season, slots, axis=1)
    slot_seen, slot_expected = baseline.slot_seen.copy(), baseline.slot_expected.copy()
    keep_slot, rows = SEASON_KEEP_PER_VISIT ** min(1.0, bucket_s / 3600.0), np.arange(len(slots))
    for t in range(slots.shape[1]):
        here, kept = (rows, slots[:, t]), keep_slot ** known[:, t]
        slot_seen[here] = slot_seen[here] * kept + negative[:, t]
        slot_expected[here] = slot_expected[here] * kept + normal.level * known[:, t]
    return replace(
        baseline,
        stories=baseline.stories * keep + (negative * fades).sum(1),
        exposure=baseline.exposure * keep + (season * known * fades).sum(1),
        slot_seen=slot_seen,
        slot_expected=slot_expected,
        share_negative=baseline.share_negative * keep + share_negative.sum(1),
        share_total=baseline.share_total * keep + total.sum(1),
        buckets=baseline.buckets + known.sum(1),
    )
