"""Champion, candidate and people's labels -> may the candidate serve? Pure: reads no store, flips nothing.

A candidate serves only if it is not worse on the frozen gate split and better on the newest audit labels, and on
neither does any class lose more than two points that chance does not explain. Audit labels are drawn uniformly;
corrections are the champion's own errors, on which any candidate would beat it, and never come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.labelling import FEWEST_AUDITS
from training.metrics import chance_of_better, chance_of_such_lead, class_scores, confusion, macro_f1

BY_CHANCE = 0.05
"""So often, at most, may a version that is only as good win on audit labels: on any head, all of them together."""
CLEARLY_WORSE = 0.05
"""On the gate split it is worse if it wins on a smaller share than this: chance alone does not hold it back."""
LOSS = 0.02
"""Of a class's F1. Of 40 labels a single one moves it by so much, and some class of twenty loses it nearly always, so
it must be clear, too: all classes of a head together raise a false alarm no more often than its whole score does
(Bonferroni). `tests.benchmarks.gate` prints how often equal versions are refused.
"""

MEND = "name the labelled files with --data, label on the dashboard's page Label, or say why with --force REASON"


@dataclass(frozen=True, slots=True)
class Trial:
    """One head's labels, and what both versions answer to the same texts, as class indices."""

    head: str
    classes: Sequence[str]
    labels: np.ndarray
    champion: np.ndarray
    candidate: np.ndarray


@dataclass(frozen=True, slots=True)
class Verdict:
    """May it serve, and the reasons: why not, or what it was let through on."""

    promoted: bool
    reasons: tuple[str, ...]


def decide(gate: Sequence[Trial], audits: Sequence[Trial], force: str = "", no_gate: str = "no gate split") -> Verdict:
    """The decision over all heads.

    `force`, a person's reason, stands in for evidence that is not there: too few audit labels, no gate split, which
    `no_gate` tells. It never stands against evidence.
    """
    count = sum(len(trial.labels) for trial in audits)
    has_gate, has_audits = any(len(trial.labels) for trial in gate), count >= FEWEST_AUDITS
    lacking = [] if has_gate else [no_gate]
    lacking += [] if has_audits else [f"{count} of {FEWEST_AUDITS} audit labels"]
    against = [reason for trial in gate for reason in _worse(trial)]
    against += _not_better(audits) if has_audits else []
    if lacking and not force.strip():
        against.append(f"{', '.join(lacking)}: {MEND}")
    if against:
        return Verdict(False, tuple(against))
    passed = ["not worse on the gate split"] if has_gate else []
    passed += [f"better on {count} audit labels"] if has_audits else []
    return Verdict(True, (*passed, *([f"forced with {', '.join(lacking)}: {force.strip()}"] if lacking else [])))


def _worse(trial: Trial) -> list[str]:
    if not len(trial.labels):
        return []
    chance = chance_of_better(trial.labels, trial.candidate, trial.champion, len(trial.classes))
    found = [f"{trial.head}: worse on the gate split, {_scores(trial)}"] if chance < CLEARLY_WORSE else []
    return found + _losses(trial, "the gate split")


def _not_better(audits: Sequence[Trial]) -> list[str]:
    """It must lead on one head's audit labels at least by more than chance gives (Bonferroni), and lose on none."""
    trials = [trial for trial in audits if len(trial.labels)]
    chances = [chance_of_better(trial.labels, trial.candidate, trial.champion, len(trial.classes)) for trial in trials]
    found = [
        f"{trial.head}: worse on the audit labels, {_scores(trial)}"
        for trial, chance in zip(trials, chances, strict=True)
        if chance < CLEARLY_WORSE
    ]
    leads = [chance_of_such_lead(one.labels, one.candidate, one.champion, len(one.classes)) for one in trials]
    if min(leads) > (most := BY_CHANCE / len(trials)):
        told = "; ".join(
            f"{trial.head} {_scores(trial)}, as good a lead by chance in {lead:.1%}"
            for trial, lead in zip(trials, leads, strict=True)
        )
        found.append(f"not surely better on the audit labels (at most {most:.1%} by chance is asked): {told}")
    return found + [reason for trial in trials for reason in _losses(trial, "the audit labels")]


def _losses(trial: Trial, where: str) -> list[str]:
    size = len(trial.classes)
    old = class_scores(confusion(trial.labels, trial.champion, size))
    new = class_scores(confusion(trial.labels, trial.candidate, size))
    return [
        f"{trial.head}: {name} loses {100 * (old[at].f1 - new[at].f1):.1f} points of F1 on {where}"
        for at, name in enumerate(trial.classes)
        if old[at].f1 - new[at].f1 > LOSS and _chance_of_class(trial, at) < CLEARLY_WORSE / size
    ]


def _chance_of_class(trial: Trial, at: int) -> float:
    def f1(matrix: np.ndarray) -> float:
        return class_scores(matrix)[at].f1

    return chance_of_better(trial.labels, trial.candidate, trial.champion, len(trial.classes), f1)


def _scores(trial: Trial) -> str:
    size = len(trial.classes)
    new = macro_f1(confusion(trial.labels, trial.candidate, size))
    old = macro_f1(confusion(trial.labels, trial.champion, size))
    return f"macro-F1 {new:.3f} against {old:.3f}"
