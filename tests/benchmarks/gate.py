"""How often does the gate refuse a version that is as good as the one in service, or let it through? Prints a table.

    python -m tests.benchmarks.gate CHAMPION CANDIDATE [--data DIR] [--pairs 100]

Of two real versions' answers to the gate split each text's pair is swapped by chance: what comes out are pairs of
equally good versions that differ as much as these two. Beside the gate stands the bare rule that no class of 20 labels
or more may lose two points. As audits serve 300 of a head's labels, drawn anew for each pair; chance may win with one
pair of twenty.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from monitor.classifier.transformer import load_classifier
from monitor.settings import read_settings
from tests.benchmarks.precision import NEWS
from training.answers import answers_of
from training.data import Example, read_examples, split
from training.gate import LOSS, Trial, decide
from training.metrics import class_scores, confusion

FEWEST = 20
AUDITS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("champion")
    parser.add_argument("candidate")
    parser.add_argument("--data", type=Path, default=NEWS)
    parser.add_argument("--pairs", type=int, default=100)
    options = parser.parse_args()
    gate = split(read_examples(options.data))["gate"]
    title = f"{options.pairs} pairs as good as each other, answering like {options.champion} and {options.candidate}"
    table = Table("head", "labels", "answered differently", "refused by the bare rule", "by the gate", title=title)
    table.add_column("let through on audits")
    rng = np.random.default_rng(0)
    for trial in trials(options.champion, options.candidate, gate):
        equals = [swapped(trial, rng) for _ in range(options.pairs)]
        bare = sum(map(loses_two_points, equals)) / len(equals)
        ours = sum(not decide([one], [], "no audits").promoted for one in equals) / len(equals)
        through = sum(decide([], [some(one, rng)], "no gate split").promoted for one in equals) / len(equals)
        differ = (trial.champion != trial.candidate).mean()
        shares = (f"{differ:.1%}", f"{bare:.0%}", f"{ours:.0%}", f"{through:.0%}")
        table.add_row(trial.head, f"{len(trial.labels):,}", *shares)
    Console().print(table)


def trials(champion: str, candidate: str, gate: Sequence[Example]) -> list[Trial]:
    data_dir = read_settings().data_dir
    old, new = (answers_of(load_classifier(name, data_dir), gate) for name in (champion, candidate))
    return [
        Trial(
            head,
            [str(name) for name in range(said.logits.shape[1])],
            said.labels,
            said.predictions(),
            new[head].predictions(),
        )
        for head, said in old.items()
    ]


def swapped(trial: Trial, rng: np.random.Generator) -> Trial:
    keep = rng.random(len(trial.labels)) < 0.5
    one, other = trial.champion, trial.candidate
    return replace(trial, champion=np.where(keep, one, other), candidate=np.where(keep, other, one))


def some(trial: Trial, rng: np.random.Generator) -> Trial:
    at = rng.choice(len(trial.labels), min(AUDITS, len(trial.labels)), replace=False)
    return replace(trial, labels=trial.labels[at], champion=trial.champion[at], candidate=trial.candidate[at])


def loses_two_points(trial: Trial) -> bool:
    size = len(trial.classes)
    old, new = (class_scores(confusion(trial.labels, said, size)) for said in (trial.champion, trial.candidate))
    return any(a.support >= FEWEST and a.f1 - b.f1 > LOSS for a, b in zip(old, new, strict=True))


if __name__ == "__main__":
    main()
