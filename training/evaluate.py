"""A version of ours -> its report, measured through the code that serves. Writes report/ in the version's folder.

The test split belongs to released tables alone; `validation` is the split to look at while working.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from monitor.classifier.transformer import TransformerClassifier
from monitor.entities import Companies
from monitor.types import SENTIMENTS
from training.answers import Answers, answers_of
from training.baselines import baselines
from training.calibrate import error_by_chance, expected_calibration_error, nll, reliability
from training.data import Example
from training.metrics import (
    accuracy,
    class_scores,
    confusion,
    interval,
    macro_f1,
    recall_at_precision,
    weighted_f1,
)
from training.tell import Tell
from training.transfer import transferred

PRECISION = 0.80
SHORT, LONG = 10, 20
"""Words: headlines of news lie between."""
FEWEST = 30
"""A slice of fewer examples says nothing; it is left out of the table."""
_CASHTAG = re.compile(r"\$[A-Z]")


def evaluate_model(
    classifier: TransformerClassifier,
    splits: Mapping[str, Sequence[Example]],
    split: str,
    companies: Companies,
    now: datetime,
    tell: Tell = print,
) -> dict[str, Any]:
    """The whole report as one JSON object: per head scores, intervals, classes, calibration, slices, baselines.

    Beside a head's own examples stand those that another set's labels make without doubt: `transferred`.
    """
    manifest = classifier.manifest
    tell(f"{manifest.version} reads {len(splits[split]):,} examples of the {split} split")
    temperatures = dict(zip(("topic", "sentiment", "company"), manifest.temperatures, strict=True))
    heads = {}
    for head, answers in answers_of(classifier, splits[split]).items():
        names = manifest.topics if head == "topic" else SENTIMENTS
        heads[head] = head_report(answers, names, temperatures[head], sentiment=head != "topic")
        heads[head]["slices"] |= {} if head == "topic" else by_topic(answers, manifest.topics)
        tell(f"{head}: baselines")
        rivals = baselines(splits["train"], answers.examples, manifest.topics, head)
        heads[head]["baselines"] = {name: scores(answers.labels, answer, len(names)) for name, answer in rivals.items()}
    for head, answers in answers_of(classifier, transferred(splits[split], companies)).items():
        if head in heads:
            heads[head]["transferred"] = scores(answers.labels, answers.predictions(), len(SENTIMENTS))
    return {"version": manifest.version, "split": split, "made_at": now.isoformat(timespec="seconds"), "heads": heads}


def head_report(answers: Answers, names: Sequence[str], temperature: float, *, sentiment: bool) -> dict[str, Any]:
    """Everything about one head but its baselines."""
    labels, said = answers.labels, answers.predictions()
    before, after = answers.probabilities(), answers.probabilities(temperature)
    matrix = confusion(labels, said, len(names))
    report: dict[str, Any] = {
        **scores(labels, said, len(names)),
        "temperature": temperature,
        "nll_before": nll(answers.logits, labels),
        "nll_after": nll(answers.logits, labels, temperature),
        "ece_before": expected_calibration_error(before, labels),
        "ece_after": expected_calibration_error(after, labels),
        "ece_by_chance": error_by_chance(after),
        "reliability": [asdict(step) for step in reliability(after, labels)],
        "reliability_before": [asdict(step) for step in reliability(before, labels)],
        "classes": {name: asdict(score) for name, score in zip(names, class_scores(matrix), strict=True)},
        "confusion": {"classes": list(names), "rows": matrix.tolist()},
        "slices": slices(answers, len(names)),
    }
    if sentiment:
        found = recall_at_precision(after[:, 0], labels == 0, PRECISION)
        report["negative_recall_at_precision_80"] = found
    return report


def scores(labels: np.ndarray, said: np.ndarray, classes: int) -> dict[str, Any]:
    """The row of the table: how many, accuracy, macro and weighted F1, with 95 % intervals."""
    matrix = confusion(labels, said, classes)
    return {
        "examples": len(labels),
        "accuracy": accuracy(matrix),
        "accuracy_95": interval(labels, said, classes, accuracy),
        "macro_f1": macro_f1(matrix),
        "macro_f1_95": interval(labels, said, classes, macro_f1),
        "weighted_f1": weighted_f1(matrix),
    }


def slices(answers: Answers, classes: int) -> dict[str, dict[str, Any]]:
    """Where it is better and worse: by length, by cashtag, and by how many companies the text names."""
    texts = [one.text for one in answers.examples]
    chosen = {
        name: np.array([belongs(one) for one in answers.examples], dtype=bool)
        for name, belongs in _slices(texts).items()
    }
    return _sliced(answers, chosen, classes)


def by_topic(answers: Answers, topics: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Slices by the topic that the version itself tells: no set labels both."""
    chosen = {f"topic told: {name}": answers.topics == index for index, name in enumerate(topics)}
    return _sliced(answers, chosen, len(SENTIMENTS))


def _sliced(answers: Answers, chosen: Mapping[str, np.ndarray], classes: int) -> dict[str, dict[str, Any]]:
    said, table = answers.predictions(), {}
    for name, at in chosen.items():
        if at.sum() >= FEWEST:
            matrix = confusion(answers.labels[at], said[at], classes)
            table[name] = {"examples": int(at.sum()), "accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)}
    return table


def _slices(texts: Sequence[str]) -> dict[str, Callable[[Example], bool]]:
    seen: dict[str, int] = {}
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
    return {
        f"under {SHORT} words": lambda one: len(one.text.split()) < SHORT,
        f"{SHORT} to {LONG} words": lambda one: SHORT <= len(one.text.split()) <= LONG,
        f"over {LONG} words": lambda one: len(one.text.split()) > LONG,
        "with a cashtag": lambda one: bool(_CASHTAG.search(one.text)),
        "without a cashtag": lambda one: not _CASHTAG.search(one.text),
        "one company asked for": lambda one: one.company is not None and seen[one.text] == 1,
        "several companies asked for": lambda one: one.company is not None and seen[one.text] > 1,
    }
