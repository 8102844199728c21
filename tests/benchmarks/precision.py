"""Does the precision in service answer as float32 does? Macro-F1 of both on the validation split. Prints a table.

    python -m tests.benchmarks.precision [--model small] [--data DIR]

Exits 1 where a head's macro-F1 differs by more than 0.3 points.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score

from monitor.classifier.transformer import TransformerClassifier, choose_device, load_classifier
from monitor.registry import find_model, read_manifest
from monitor.settings import read_settings
from monitor.types import Passage
from tests.benchmarks.network_rivals import adapted
from training.data import Example, read_examples, split

NEWS = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
MOST_POINTS = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="small")
    parser.add_argument("--data", type=Path, default=NEWS)
    options = parser.parse_args()
    data_dir = read_settings().data_dir
    folder = find_model(options.model, data_dir)
    served = load_classifier(options.model, data_dir)
    manifest = read_manifest(folder)
    full = TransformerClassifier(
        folder, manifest, choose_device("auto"), adapted(manifest, data_dir), precision=torch.float32
    )
    table = Table("head", "examples", "float32", str(served.dtype), "points", "same answer", title=served.version)
    worst = 0.0
    for head, examples in by_head(split(read_examples(options.data))["validation"]).items():
        labels = np.array([label for _, label in examples])
        ours, theirs = (
            answers(one, head, [example for example, _ in examples], manifest.topics) for one in (served, full)
        )
        score, known = (100 * f1_score(labels, said, average="macro") for said in (ours, theirs))
        worst = max(worst, abs(score - known))
        same = f"{(ours == theirs).mean():.2%}"
        table.add_row(head, f"{len(labels):,}", f"{known:.2f}", f"{score:.2f}", f"{score - known:+.2f}", same)
    Console().print(table)
    raise SystemExit(worst > MOST_POINTS)


def by_head(examples: Sequence[Example]) -> dict[str, list[tuple[Example, object]]]:
    found: dict[str, list[tuple[Example, object]]] = {"topic": [], "sentiment": [], "company": []}
    for one in examples:
        for head, label in (("topic", one.topic), ("sentiment", one.sentiment), ("company", one.company_sentiment)):
            if label is not None:
                found[head].append((one, label))
    return {head: some for head, some in found.items() if some}


def answers(
    classifier: TransformerClassifier, head: str, examples: Sequence[Example], topics: Sequence[str]
) -> np.ndarray:
    pooled = classifier.pooled([Passage(one.text, (one.company,) if one.company else ()) for one in examples])
    if head == "topic":
        return np.array(topics)[pooled.topics.argmax(-1)]
    if head == "sentiment":
        return pooled.sentiments.argmax(-1)
    return np.array([pooled.companies[at, 0].argmax() for at in range(len(examples))])


if __name__ == "__main__":
    main()
