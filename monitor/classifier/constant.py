"""A classifier without a model, for tests and benchmarks of what is around it: a hash decides. Serves nobody."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from monitor.types import Judgement, Passage, Probabilities

TOPICS = ("Company | Product News", "Earnings", "Legal | Regulation", "Macro", "Stock Movement")
_KINDS = (Probabilities(0.8, 0.15, 0.05), Probabilities(0.1, 0.8, 0.1), Probabilities(0.05, 0.15, 0.8))


class ConstantClassifier:
    """The same text gets the same judgement in every process."""

    version = "constant"

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        return [_judge(passage) for passage in passages]


def _judge(passage: Passage) -> Judgement:
    digest = zlib.crc32(passage.text.encode("utf-8", "replace"))
    kind = _KINDS[digest % 3]
    return Judgement(TOPICS[digest // 3 % len(TOPICS)], 0.9, kind, (kind,) * len(passage.entities))
