"""What persons had said when a training began: kept beside its checkpoints, so that a killed run learns the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor.store.labels import LabelledText
from training.tell import Tell

LABELS = "labels.json"


def keep_labels(said: Sequence[LabelledText], checkpoints: Path, tell: Tell) -> list[LabelledText]:
    """Those that are kept there from a run that was killed; else `said`, which are kept from now on."""
    path = checkpoints / LABELS
    if path.is_file():
        found = msgspec.json.decode(path.read_bytes(), type=list[LabelledText])
        tell(f"going on with the {len(found):,} labels of persons that this training began with")
        return found
    checkpoints.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(list(said)))
    part.replace(path)
    return list(said)
