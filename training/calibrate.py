"""Logits and labels -> the temperature that makes probabilities honest, and how honest they are. Pure.

One temperature a head (Guo et al. 2017, "On Calibration of Modern Neural Networks"): it keeps every answer and
changes only how sure it is, so that of a thousand answers given with 0.8, eight hundred are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

LOWEST, HIGHEST = 0.2, 5.0
BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the reliability diagram."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def temperature_for(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least negative log likelihood; 1 where none is better than none."""
    if not len(labels):
        return 1.0
    found = minimize_scalar(
        lambda log_t: nll(logits, labels, float(np.exp(log_t))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    temperature = float(np.exp(found.x))
    return temperature if nll(logits, labels, temperature) < nll(logits, labels, 1.0) else 1.0


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the labels."""
    scaled = logits.astype(np.float64) / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    logs = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> list[Bin]:
    """Answers sorted into equal steps of confidence: how sure they were, and how often right. Empty steps left out."""
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(at / bins, (at + 1) / bins, int(here.sum()), float(confidence[here].mean()), float(right[here].mean()))
        for at in range(bins)
        if (here := place == at).any()
    ]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """The mean distance of confidence from accuracy over the steps, weighted by their answers."""
    steps = reliability(probabilities, labels, bins)
    return sum(step.count * abs(step.confidence - step.accuracy) for step in steps) / max(1, len(labels))


def error_by_chance(
    probabilities: np.ndarray, bins: int = BINS, draws: int = 400, seed: int = 0
) -> tuple[float, float]:
    """The calibration error that so many answers show where every probability is true: its mean and 95 % quantile.

    Labels are drawn from the probabilities themselves (Vaicenavicius et al. 2019, "Evaluating model calibration in
    classification"); what is measured below the quantile cannot be told from honest.
    """
    drawn = np.random.default_rng(seed).random((draws, len(probabilities), 1))
    steps = probabilities.astype(np.float64).cumsum(-1)
    errors = [expected_calibration_error(probabilities, (steps < one * steps[:, -1:]).sum(-1), bins) for one in drawn]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))
