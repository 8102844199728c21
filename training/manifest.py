"""Writes a version's manifest.json; reading it is the registry's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_manifest(folder: Path, everything: dict[str, Any]) -> None:
    """Whole or not at all: a worker may be reading it."""
    beside = folder / "manifest.json.part"
    beside.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, folder / "manifest.json")


def noted(found: Mapping[str, Any]) -> dict[str, float]:
    """Of a head's scores, what the manifest keeps."""
    kept = {"accuracy": "accuracy", "macro_f1": "macro_f1", "ece_after": "ece"}
    return {short: round(found[name], 4) for name, short in kept.items() if name in found}
