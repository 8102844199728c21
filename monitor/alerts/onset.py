"""Since when: the first abnormal bucket of the present stretch, by cumulative sums of the excess. Pure.

Six sums per scope: (count | share) x three reference ratios, tuned to mild, clear and violent rises. A sum at zero
starts anew with the next bucket above its reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REFERENCES = np.array([1.25, 2.0, 4.0])
MILD_BELOW, CLEAR_BELOW = 2.0, 5.0
"""Observed ratios up to which the first and the second reference fit: (q - 1) / ln q of a rise by q."""


@dataclass(frozen=True, slots=True)
class Onset:
    """(2, 3, S) each: the sum, its first bucket, negatives expected and seen since then."""

    excess: Array
    since: Array
    expected: Array
    seen: Array


def nothing(scopes: int) -> Onset:
    return Onset(*(np.zeros((2, 3, scopes)) for _ in range(4)))


def follow(
    onset: Onset, at: Array, negative: Array, expected: Array, usual: Array, share: Array
) -> tuple[Onset, Onset]:
    """Take in a block (S, T): the state after it, and the state after each of its buckets (..., T)."""
    excess, since = onset.excess.copy(), onset.since.copy()
    mean, seen = onset.expected.copy(), onset.seen.copy()
    share_references = np.minimum(REFERENCES[:, None], 1.0 + 0.5 * (1.0 / share - 1.0)[None])
    normal = np.stack([expected, usual])[:, None]
    over = negative - np.stack([REFERENCES[:, None, None] * expected, share_references[..., None] * usual])
    trail = [np.empty(over.shape) for _ in range(4)]
    for t, start in enumerate(at):
        carried = excess > 0.0
        excess = np.maximum(excess + over[..., t], 0.0)
        runs = excess > 0.0
        since = np.where(carried, since, start)
        mean = (mean * carried + normal[..., t]) * runs
        seen = (seen * carried + negative[:, t]) * runs
        for kept, now in zip(trail, (excess, since, mean, seen), strict=True):
            kept[..., t] = now
    return Onset(excess, since, mean, seen), Onset(*trail)


def restart(onset: Onset, over: NDArray[np.bool_]) -> Onset:
    """Sums of scopes whose stretch is over begin anew, however high they stood."""
    left = ~over
    return Onset(onset.excess * left, onset.since, onset.expected * left, onset.seen * left)


def best(trail: Onset, by_share: NDArray[np.bool_], ratio: Array) -> tuple[Array, Array, Array]:
    """(since, expected, seen), (S, T), by the reference that fits the ratio seen."""
    fit = np.where(ratio < MILD_BELOW, 0, np.where(ratio < CLEAR_BELOW, 1, 2))
    fit = _first_running(trail.excess, by_share, fit)

    def pick(values: Array) -> Array:
        channel = np.where(by_share[None], values[1], values[0])
        return np.asarray(np.take_along_axis(channel, fit[None], axis=0)[0])

    return pick(trail.since), pick(trail.expected), pick(trail.seen)


def _first_running(excess: Array, by_share: NDArray[np.bool_], fit: NDArray[np.intp]) -> NDArray[np.intp]:
    """The fitting reference, or a milder one where that sum stands at zero."""
    channel = np.where(by_share[None], excess[1], excess[0])
    for _ in range(2):
        stands = np.take_along_axis(channel, fit[None], axis=0)[0] <= 0.0
        fit = np.where(stands, np.maximum(fit - 1, 0), fit)
    return fit
