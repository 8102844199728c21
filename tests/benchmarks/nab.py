"""The Numenta anomaly benchmark's score, standard profile. Pure.

Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms" (2015): a window's first detection earns by how
early it is, a detection outside costs by how far it is from the window before, a missed window costs one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

FALSE_POSITIVE_WEIGHT = 0.11
PROBATION_SHARE, PROBATION_ROWS = 0.15, 5000
FAR = 3.0


class Score(NamedTuple):
    points: float
    windows: int
    found: int
    false: int

    def __add__(self, other: object) -> Score:
        assert isinstance(other, Score)
        return Score(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def normalised(self) -> float:
        """0: detects nothing; 100: every window at its first row and nothing else."""
        return 100 * (self.points + self.windows) / (2 * self.windows)


def probation(rows: int) -> int:
    """Rows at the start in which nothing counts."""
    return min(math.floor(PROBATION_SHARE * rows), round(PROBATION_SHARE * PROBATION_ROWS))


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


def score(rows: int, windows: Sequence[tuple[int, int]], detections: Sequence[int]) -> Score:
    """`windows` are first and last rows, both included; `detections` rows, in order."""
    points, false, found = 0.0, 0, set()
    for row in detections:
        if row < probation(rows):
            continue
        inside = next((number for number, (first, last) in enumerate(windows) if first <= row <= last), None)
        if inside is None:
            points += FALSE_POSITIVE_WEIGHT * _cost(windows, row)
            false += 1
        elif inside not in found:
            found.add(inside)
            first, last = windows[inside]
            points += sigmoid(-(last - row + 1) / (last - first + 1)) / sigmoid(-1)
    points -= len(windows) - len(found)
    return Score(points, len(windows), len(found), false)


def _cost(windows: Sequence[tuple[int, int]], row: int) -> float:
    before = [window for window in windows if window[1] < row]
    if not before:
        return -1.0
    first, last = before[-1]
    position = (row - last) / max(last - first, 1)
    return sigmoid(position) if position <= FAR else -1.0
