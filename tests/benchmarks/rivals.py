"""What Tocsin's detector is compared with: mean + 3 sd, EARS C2, a seasonal negative binomial, an oracle. Pure.

Each takes (S, T) counts and gives (S, T) statistics, strictly causal: higher is more unusual.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import lfilter

Array = NDArray[np.float64]


def mean_and_deviations(counts: Array, bucket_s: float, days: float = 7.0) -> Array:
    """(x - mean) / sd over the last week, the bucket itself left out: what most tools call an anomaly."""
    width = round(days * 86400 / bucket_s)
    return _standardised(counts, width, gap=0)


def ears_c2(counts: Array, bucket_s: float) -> Array:
    """EARS C2 on counts of the last hour: seven days, a guard band of two days before the hour judged."""
    hour = max(1, round(3600 / bucket_s))
    return _standardised(_sums(counts, hour), round(7 * 86400 / bucket_s), gap=round(2 * 86400 / bucket_s))


def seasonal_negative_binomial(counts: Array, slots: NDArray[np.intp]) -> Array:
    """-log10 p of a bucket under a negative binomial by hour of the week, fitted on all buckets before this week."""
    nats = np.zeros_like(counts)
    week = np.arange(counts.shape[1]) // max(1, round(168 * counts.shape[1] / max(1, _hours(slots))))
    for number in range(1, int(week[-1]) + 1):
        past, now = week < number, week == number
        mean, size = _fit(counts[:, past], slots[past])
        mu = mean[:, slots[now]]
        nats[:, now] = -stats.nbinom.logsf(counts[:, now] - 1, size[:, None], size[:, None] / (size[:, None] + mu))
    return np.asarray(nats / np.log(10))


def _hours(slots: NDArray[np.intp]) -> int:
    return int((np.diff(slots) != 0).sum()) + 1


def _fit(counts: Array, slots: NDArray[np.intp]) -> tuple[Array, Array]:
    total, visits = np.zeros((len(counts), 168)), np.zeros(168)
    np.add.at(visits, slots, 1)
    for slot in np.unique(slots):
        total[:, slot] = counts[:, slots == slot].sum(axis=1)
    overall = counts.mean(axis=1, keepdims=True)
    mean = (total + 3 * overall) / (visits + 3)
    fitted = mean[:, slots]
    extra = ((counts - fitted) ** 2 - fitted).mean(axis=1) / np.maximum((fitted**2).mean(axis=1), 1e-9)
    return np.maximum(mean, 1e-6), 1 / np.clip(extra, 0.02, 50)


def oracle(counts: Array, mean: Array, size: Array, ratio: float) -> Array:
    """Log-likelihood ratio per bucket of a rise by `ratio`, knowing true mean and dispersion: feed it to `cusum`."""
    size = size[:, None]
    risen = mean * ratio
    return np.asarray(
        counts * np.log(ratio * (mean + size) / (risen + size)) - size * np.log((risen + size) / (mean + size))
    )


def cusum(ratios: Array, level: float) -> NDArray[np.bool_]:
    """(S, T) alarms of a CUSUM that starts anew after each."""
    total, alarms = np.zeros(len(ratios)), np.zeros(ratios.shape, bool)
    for t in range(ratios.shape[1]):
        total = np.maximum(0.0, total + ratios[:, t])
        alarms[:, t] = total >= level
        total[alarms[:, t]] = 0.0
    return alarms


def _standardised(counts: Array, width: int, gap: int) -> Array:
    total, squares = _sums(counts, width), _sums(counts**2, width)
    back = gap + 1
    mean = np.zeros_like(counts)
    mean[:, back:] = total[:, :-back] / width
    spread = np.ones_like(counts)
    spread[:, back:] = np.sqrt(np.maximum(squares[:, :-back] / width - mean[:, back:] ** 2, 0.05))
    score = (counts - mean) / spread
    score[:, : width + back] = 0.0
    return np.asarray(score)


def _sums(counts: Array, width: int) -> Array:
    window = np.zeros(width + 1)
    window[0], window[-1] = 1.0, -1.0
    return np.maximum(np.asarray(lfilter(window, [1.0, -1.0], counts, axis=1)), 0.0)


def per_episode(hits: NDArray[np.bool_], apart: int) -> list[int]:
    """Buckets at which a stretch of hits begins; hits less than `apart` buckets after one belong to it."""
    found, last = [], -apart - 1
    for at in np.flatnonzero(hits).tolist():
        if at - last > apart:
            found.append(at)
        last = at
    return found
