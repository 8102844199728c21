"""Labels and answers -> scores with their intervals. Pure; every score is read off a confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12
"""Two scores that differ by less are the same."""
DRAWS = 1_000
SURE = 0.95


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: of those answered so, how many were so (precision); of those that were so, how many were found."""

    precision: float
    recall: float
    f1: float
    support: int


def confusion(labels: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes): rows are what was true, columns what was answered."""
    return np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)


def class_scores(matrix: np.ndarray) -> list[ClassScore]:
    """By class; a share of nothing is 0."""
    right, true, answered = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    precision, recall, f1 = _share(right, answered), _share(right, true), _share(2 * right, true + answered)
    return [
        ClassScore(float(precision[at]), float(recall[at]), float(f1[at]), int(true[at])) for at in range(len(matrix))
    ]


def accuracy(matrix: np.ndarray) -> float:
    return float(np.trace(matrix) / max(1, matrix.sum()))


def macro_f1(matrix: np.ndarray) -> float:
    """The mean F1 of the classes that occur, in truth or in answers."""
    met = matrix.sum(0) + matrix.sum(1)
    f1 = _share(2 * np.diag(matrix), met)
    return float(f1[met > 0].mean()) if (met > 0).any() else 0.0


def weighted_f1(matrix: np.ndarray) -> float:
    """The mean F1, each class weighted by how often it is true."""
    true = matrix.sum(1)
    f1 = _share(2 * np.diag(matrix), matrix.sum(0) + true)
    return float((f1 * true).sum() / max(1, true.sum()))


def recall_at_precision(scores: np.ndarray, is_class: np.ndarray, wanted: float) -> float:
    """The most of a class that a threshold on its score finds while `wanted` of what it names is right; 0 if none."""
    if not is_class.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(is_class[order])
    named = np.arange(1, len(scores) + 1)
    # A threshold cannot part equal scores: only the last of them ends a set.
    ends = np.append(np.diff(scores[order]) != 0, True)
    fine = ends & (found >= wanted * named)
    return float(found[fine].max() / is_class.sum()) if fine.any() else 0.0


def interval(
    labels: np.ndarray, answers: np.ndarray, classes: int, score: Callable[[np.ndarray], float], seed: int = 0
) -> tuple[float, float]:
    """The bootstrap 95 % interval of a score of the confusion matrix."""
    rng = np.random.default_rng(seed)
    drawn = [score(confusion(labels[at], answers[at], classes)) for at in _draws(len(labels), rng)]
    low, high = np.quantile(drawn, [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)


def chance_of_better(
    labels: np.ndarray,
    answers: np.ndarray,
    rival: np.ndarray,
    classes: int,
    score: Callable[[np.ndarray], float] = macro_f1,
    seed: int = 0,
) -> float:
    """Paired bootstrap: the share of redrawn label sets on which `answers` beat `rival`; a tie is half a win."""
    rng = np.random.default_rng(seed)
    wins = 0.0
    for at in _draws(len(labels), rng):
        mine = score(confusion(labels[at], answers[at], classes))
        other = score(confusion(labels[at], rival[at], classes))
        wins += 0.5 if mine == other else float(mine > other)
    return wins / DRAWS


def chance_of_such_lead(
    labels: np.ndarray, answers: np.ndarray, rival: np.ndarray, classes: int, seed: int = 0
) -> float:
    """Paired randomisation test (Noreen 1989, "Computer-Intensive Methods for Testing Hypotheses"): its p-value.

    Were both equally good, each text's two answers could as well be swapped: the share of such swaps in which `answers`
    lead by as much macro-F1 as they do. However few answers differ, it keeps its level; a bootstrap calls a lead of
    three answers sure.
    """

    def lead(mine: np.ndarray, other: np.ndarray) -> float:
        return macro_f1(confusion(labels, mine, classes)) - macro_f1(confusion(labels, other, classes))

    rng = np.random.default_rng(seed)
    found, as_much = lead(answers, rival) - ROUNDING, 0
    for _ in range(DRAWS):
        swap = rng.random(len(labels)) < 0.5
        as_much += lead(np.where(swap, rival, answers), np.where(swap, answers, rival)) >= found
    return (as_much + 1) / (DRAWS + 1)


def _draws(size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(DRAWS):
        yield rng.integers(0, size, size)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
    return shares
