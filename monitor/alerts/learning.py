"""What a bank learns from a block: the normal and its spread, robustly. Pure.

Every bucket is weighted by the known ones after it, so that any cutting of the stream teaches the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import baseline as base
from monitor.alerts.bank import BLOCK, DISPERSION_PRIOR, DISPERSION_RANGE, Bank

Array = NDArray[np.float64]

CLIP_SPREADS = 6.0
CLIP_SPREADS_ALARMED = 1.0
"""A bucket teaches no more than so many spreads above normal; while the scope is alarmed, fewer."""
ALARMED_SEVERITY = 0.5
SHARE_CLIP_SPREADS = 3.0
UNUSUAL_SEVERITY = 4.0
"""A look this rare is an event: it says nothing of how far the normal strays."""
DISPERSION_CLIP = 100.0
"""Any other look counts at most so many times its variance: bursty streams must show that they are."""


def learn(
    bank: Bank, slots: NDArray[np.intp], severity: Array, counts: tuple[Array, ...], known: Array
) -> base.Baseline:
    """The baseline after a block. `counts`: negative, expected, total, usual (S, T); `known`: 1 where it teaches."""
    negative, mean, total, usual = counts
    first = seen_before(bank, known) < BLOCK
    spreads = np.where((severity >= ALARMED_SEVERITY) & ~first, CLIP_SPREADS_ALARMED, CLIP_SPREADS)
    cap = np.where(first, np.inf, ceiling(bank, mean, spreads) - 1.0)
    share_cap = np.where(first, np.inf, usual + SHARE_CLIP_SPREADS * np.sqrt(usual) + 1.0)
    return base.learn(
        bank.baseline,
        bank.known.normal,
        slots,
        known,
        np.minimum(negative, cap),
        np.minimum(negative, share_cap),
        total,
        bucket_s=bank.bucket_s,
    )


def ceiling(bank: Bank, mean: Array, spreads: Array | float) -> Array:
    """(S, T) so many spreads above the mean, and two stories."""
    relative = (bank.known.dispersion[0, 0] + bank.known.normal.doubt)[:, None]
    return np.asarray(mean + spreads * np.sqrt(mean + relative * mean**2) + 2.0)


def seen_before(bank: Bank, known: Array) -> Array:
    """(S, T) buckets learned before each of the block."""
    return np.asarray(bank.baseline.buckets[:, None] + known.cumsum(axis=1) - known)


def spread(bank: Bank, rolled: Array, typical: Array, known: Array) -> Array:
    """The sums from which extra variance is estimated, after a block; each look weighs what it can tell."""
    fading, kept = base.fading(known, 0.5 ** (bank.bucket_s / base.LEVEL_HALF_LIFE_S))
    after: Array = bank.spread * kept
    counts = (rolled[:, 0], rolled[:, 1], rolled[:, 1], typical)
    shares = (rolled[:, 2], rolled[:, 3], _binomial(bank, rolled), rolled[:, 3])
    for channel, (seen, mean, variance, scale) in enumerate((counts, shares)):
        mean = np.maximum(mean, 1e-9)
        phi = np.clip(bank.known.dispersion[channel], DISPERSION_PRIOR, DISPERSION_RANGE[1])[..., None]
        off = np.minimum((seen - mean) ** 2, DISPERSION_CLIP * (variance + phi * mean * scale))
        weight = mean / (1.0 + 2.0 * mean) * known * fading
        after[channel, 0] += (weight * (off - variance)).sum(-1)
        after[channel, 1] += (weight * mean * scale).sum(-1)
    return after


def _binomial(bank: Bank, rolled: Array) -> Array:
    return np.asarray(rolled[:, 3] * (1.0 - np.minimum(bank.known.normal.share, 0.999))[None, :, None])
