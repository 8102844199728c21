"""The classifier's seam. Imports no model library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitor.types import Judgement, Passage


class Classifier(Protocol):
    """Judges passages; the same passage gets the same judgement whatever its neighbours."""

    @property
    def version(self) -> str:
        """The model's name in the database: scores of different versions never mix."""

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        """One judgement a passage, in order; `entities` answers the passage's entities in order."""
