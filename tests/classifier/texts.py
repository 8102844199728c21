"""What the tests of the classifier read, and how near two answers must be."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from monitor.classifier.windows import Window
from monitor.types import Judgement

GOOD = "Acme raises its outlook after record quarterly profit and a larger dividend"
BAD = "Acme shares plunge after the auditor resigns over missing cash and fraud claims"
TOLERANCE = 0.03
"""bfloat16 sums in another order beside other neighbours."""


def near(one: Judgement, other: Judgement) -> bool:
    return all(abs(a - b) < TOLERANCE for a, b in zip(one.probabilities, other.probabilities, strict=True))


def windows(lengths: Sequence[int]) -> list[Window]:
    return [Window(np.full(length, 7, dtype=np.int32), index, -1) for index, length in enumerate(lengths)]


def headline_lengths(count: int) -> list[int]:
    """As real headlines and posts are long: most of 10 to 35 tokens, a few much longer."""
    rng = random.Random(5)
    return [min(128, max(4, round(rng.lognormvariate(3.0, 0.45)))) for _ in range(count)]
