"""How far counts of the last minutes, hours and days lie above what was expected. Pure; keeps sums, not history.

Each window is an exponentially weighted sum, one number per scope and channel, so its cost does not grow with its
length; the last hour alone is kept bucket by bucket, for rules that name a number of stories. Evidence is the deviance
of the negative binomial (count) or binomial (share) in nats: about -ln p.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]

HOUR_S = 3600.0
SHORTEST_S = 30 * 60.0
LONGEST_S = 2 * 86400.0
GROWTH = 3.0
CONTINUITY = 0.5


def lengths(bucket_s: float) -> Array:
    """Effective window lengths in buckets, geometric from half an hour (or one bucket) to two days (or six buckets)."""
    length, longest = max(1.0, SHORTEST_S / bucket_s), max(6.0, LONGEST_S / bucket_s)
    out = []
    while length <= longest:
        out.append(length)
        length = max(length + 1.0, length * GROWTH)
    return np.array(out)


def full(bucket_s: float) -> Array:
    """(W,) what a steady one per bucket adds up to in each window, scaled as `roll` scales."""
    return np.asarray(lengths(bucket_s) * scale(bucket_s))


def scale(bucket_s: float) -> Array:
    """(W,) what `roll` multiplies its sums by: a single new story is so much."""
    return np.asarray(2.0 - 1.0 / lengths(bucket_s))


class Sums(NamedTuple):
    """Filter state of all windows: (W, C, S). Channels: clipped negatives, expected, negatives, usual, total."""

    state: Array


def empty(scopes: int, bucket_s: float) -> Sums:
    return Sums(np.zeros((len(lengths(bucket_s)), 5, scopes)))


def roll(sums: Sums, channels: Array, wide_channels: Array, bucket_s: float) -> tuple[Sums, Array]:
    """Roll (C, S, T) channels through every window: the new state and (W, C, S, T) sums, scaled to Poisson-like.

    An exponentially weighted sum of a Poisson count with factor a has variance mean / (1 + a), so it is scaled by
    1 + a: mean and variance are then equal again.
    """
    state = np.empty_like(sums.state)
    out = []
    for index, length in enumerate(lengths(bucket_s)):
        keep = 1.0 - 1.0 / length
        source = channels if index < 2 else wide_channels
        rolled, _ = lfilter([1.0], [1.0, -keep], source, zi=(keep * sums.state[index])[..., None])
        state[index] = rolled[..., -1]
        out.append(rolled * (1.0 + keep))
    return Sums(state), np.array(out)


def hour_before(scopes: int, bucket_s: float) -> Array:
    """(S, 11) for five-minute buckets: counts that an hour holds besides its newest bucket's, none yet."""
    return np.zeros((scopes, max(1, round(HOUR_S / bucket_s)) - 1))


def last_hour(before: Array, counts: Array) -> tuple[Array, Array]:
    """What the next bucket's hour holds already, and the exact sums (S, T) of the hour that ends with each bucket."""
    held = np.concatenate([before, counts], axis=1)
    hours = np.lib.stride_tricks.sliding_window_view(held, before.shape[1] + 1, axis=1)
    return held[:, counts.shape[1] :], np.asarray(hours.sum(axis=-1))


def count_evidence(seen: Array, mean: Array, dispersion: Array) -> Array:
    """Deviance of `seen` above `mean` under a negative binomial with variance mean + dispersion * mean**2."""
    seen = np.maximum(seen - CONTINUITY, mean)
    size = 1.0 / np.maximum(dispersion, 1e-9)
    nats = seen * np.log(seen / mean) - (seen + size) * np.log((seen + size) / (mean + size))
    return np.asarray(np.maximum(nats, 0.0))


def share_evidence(seen: Array, usual: Array, total: Array, dispersion: Array) -> Array:
    """Binomial deviance of `seen` of `total` above `usual` of `total`, over its inflation by extra variance."""
    usual = np.maximum(np.minimum(usual, total), 1e-9)
    seen = np.clip(seen - CONTINUITY, usual, np.maximum(total - 1e-9, usual))
    rest, usual_rest = np.maximum(total - seen, 1e-9), np.maximum(total - usual, 1e-9)
    plain = seen * np.log(seen / usual) + rest * np.log(rest / usual_rest)
    inflation = 1.0 + dispersion * usual * np.maximum(total, 1e-9) / usual_rest
    return np.asarray(np.maximum(plain, 0.0) / inflation)


def forget(sums: Sums, dispersion: Array, over: NDArray[np.bool_]) -> Sums:
    """Cap what is left of excursions that are over, lest a long window rings again for what has ended.

    `dispersion` (2, W, S), `over` (S,): the sums of these scopes fall to 1.5 spreads above normal.
    """
    state = sums.state.copy()
    for channel, (seen, mean) in enumerate(((0, 1), (2, 3))):
        normal = state[:, mean]
        cap = normal + 1.5 * np.sqrt(normal + dispersion[channel] * normal**2)
        state[:, seen] = np.where(over[None], np.minimum(state[:, seen], cap), state[:, seen])
    return Sums(state)
