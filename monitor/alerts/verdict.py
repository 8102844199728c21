"""Rolled counts -> what is seen, per scope and bucket: how rare, why, since when, still going on? Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import onset, tail, windows
from monitor.alerts.bank import Bank

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALWAYS_NEGATIVE = 0.95
"""Where the usual share is at least this, a share cannot rise: only the count is tested."""
COUNT_SAYS_IT = 0.5
"""Where the count alone gives so much of the share's evidence, it is the count that rose."""
VOLUME_ONLY_SHARE = 1.1
"""A share below so many times the usual one is as usual."""
ONE_STORY = 1.001
"""A single story is no rise, however quiet a scope has been."""
STORIES_TO_SHOW = 4.0
FAINT_NATS = 2.0
STORIES_MISSED = 3.0
"""At its pace so far a rise would have brought so many in an hour that brought none: it is over, though long windows
still hold it. One hour in twenty is as empty by chance."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What was seen, (S, T) each."""

    severity: Array
    count_severity: Array
    """By the count alone, which incomplete data cannot fake."""
    by_share: Flags
    volume_only: Flags
    elevated: Flags
    expected: Array
    seen: Array
    since: Array
    recent_expected: Array
    recent_usual: Array
    recent_seen: Array
    hour_seen: Array
    """Exact, where `recent_seen` fades."""
    learning_days: Array


@dataclass(frozen=True, slots=True)
class Evidence:
    """(2, W, S, T) each: by count, by share."""

    nats: Array
    seen: Array
    normal: Array


def weigh(bank: Bank, rolled: Array) -> Evidence:
    """Deviance above normal in every window. `rolled`: (W, 5, S, T) as windows.roll gives it."""
    normal = np.maximum(np.stack([rolled[:, 1], rolled[:, 3]]), 1e-9)
    seen = np.stack([rolled[:, 0], rolled[:, 2]])
    doubt = bank.known.normal.doubt[:, None]
    by_count = bank.known.dispersion[0][..., None] * typical(bank, rolled) / normal[0] + doubt
    by_share = np.broadcast_to(bank.known.dispersion[1][..., None] + doubt, by_count.shape)
    testable = (bank.known.normal.share < ALWAYS_NEGATIVE) & (bank.baseline.share_total > 0)
    nats = np.stack(
        [
            windows.count_evidence(seen[0], normal[0], by_count),
            windows.share_evidence(seen[1], normal[1], rolled[:, 4], by_share) * testable[None, :, None],
        ]
    )
    several = seen > ONE_STORY * windows.scale(bank.bucket_s)[:, None, None]
    return Evidence(nats * several, seen, normal)


def typical(bank: Bank, rolled: Array) -> Array:
    """(W, S, T) what a window would hold in an average hour.

    Extra variance grows with the mean, not with its square: a stream's bursts by night are as large as by day only in
    absolute terms.
    """
    average = bank.known.normal.level[:, None] * windows.full(bank.bucket_s)[:, None, None]
    return np.asarray(np.clip(average, rolled[:, 1] / 8.0, rolled[:, 1] * 8.0 + 1e-9))


def judge(
    bank: Bank, evidence: Evidence, trail: onset.Onset, at: Array, hour_seen: Array, learning_days: Array
) -> Surface:
    """The strongest window decides, and which of count and share it was."""
    best = evidence.nats.max(axis=1)
    by_share = best[1] * COUNT_SAYS_IT > best[0]
    window = np.where(by_share, evidence.nats[1].argmax(axis=0), evidence.nats[0].argmax(axis=0))
    seen, normal, nats = (_channel(one, by_share) for one in (evidence.seen, evidence.normal, evidence.nats))
    ratio = _at(seen / normal, window)
    since, expected, so_far = onset.best(trail, by_share, ratio)
    share_ratio = _at(evidence.seen[1] / evidence.normal[1], window)
    testable = (bank.known.normal.share < ALWAYS_NEGATIVE)[:, None]
    recent = min(1, len(seen) - 1)
    scale = windows.scale(bank.bucket_s)[recent]
    strongest = best.max(axis=0)
    return Surface(
        severity=tail.severity(bank.known.log_rate, strongest),
        count_severity=tail.severity(bank.known.log_rate, best[0]),
        by_share=by_share,
        volume_only=~by_share & testable & (share_ratio < VOLUME_ONLY_SHARE),
        elevated=_elevated(seen, normal, nats, window, ratio)
        & ~_fell_silent(hour_seen, so_far, since, at, bank.bucket_s),
        expected=expected,
        seen=so_far,
        since=np.where(so_far > 0, since, at[None]),
        recent_expected=evidence.normal[0, recent] / scale,
        recent_usual=evidence.normal[1, recent] / scale,
        recent_seen=evidence.seen[0, recent] / scale,
        hour_seen=hour_seen,
        learning_days=learning_days,
    )


def _channel(values: Array, by_share: Flags) -> Array:
    return np.asarray(np.where(by_share[None], values[1], values[0]))


def _at(values: Array, window: NDArray[np.intp]) -> Array:
    return np.asarray(np.take_along_axis(values, window[None], axis=0)[0])


def _elevated(seen: Array, normal: Array, nats: Array, window: NDArray[np.intp], ratio: Array) -> Flags:
    """Is it still going on? Asked of the shortest window in which a rise like this one would bring some stories."""
    would_show = (ratio[None] * normal >= STORIES_TO_SHOW) & (np.arange(len(seen))[:, None, None] <= window[None])
    asked = np.where(would_show.any(axis=0), would_show.argmax(axis=0), window)
    still = _at(seen, asked) > _at(normal, asked) * np.sqrt(ratio)
    return np.asarray(still & (_at(nats, asked) >= FAINT_NATS))


def _fell_silent(hour_seen: Array, so_far: Array, since: Array, at: Array, bucket_s: float) -> Flags:
    """No story for an hour at whose pace since the rise began several were due."""
    if bucket_s > windows.HOUR_S:
        return np.zeros(hour_seen.shape, bool)
    hours = np.maximum(at[None] + bucket_s - since, windows.HOUR_S) / windows.HOUR_S
    return np.asarray((hour_seen < 0.5) & (so_far >= STORIES_MISSED * hours))
