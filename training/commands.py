"""The bodies of `tocsin train`, `evaluate` and `models`: plain functions over folders. Decides nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.encoders import encoder_folder, find_encoder
from monitor.entities import Companies
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import find_model, folders, read_manifest
from monitor.settings import Settings
from monitor.store.labels import LabelledText
from training.data import Example, balance, read_examples, split

Tell = Callable[[str], None]
SPLITS = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Order:
    """What `tocsin train` was asked for."""

    recipe: str
    version: str
    data: Path
    encoder: Path | None
    """None is the recipe's own, as `tocsin models fetch` puts it."""
    teachers: Sequence[str]
    changes: Mapping[str, Any]
    """Of the recipe, by name."""
    more_changes: Sequence[str]
    """The same as NAME=VALUE."""


def train_version(order: Order, settings: Settings, labels: bool, now: datetime, tell: Tell = print) -> Path:
    """Make a version by a recipe; with `labels` from what persons said in the database, too. Its folder."""
    from monitor import app as wiring
    from monitor.classifier.transformer import load_classifier
    from monitor.store.labels import labels as all_labels
    from training.config import configuration, read_changes
    from training.make import Sources, make_version

    home = settings.data_dir
    config = configuration(order.recipe, {**order.changes, **read_changes(order.more_changes)})
    encoder = order.encoder or encoder_folder(find_encoder(order.recipe).sha256, home)
    teachers = [load_classifier(name, home) for name in order.teachers]
    said: list[LabelledText] = []
    if labels:
        with wiring.database(settings) as database:
            said = list(all_labels(database))
    sources = Sources(order.data, wiring.companies(settings), said, teachers)
    return make_version(order.version, sources, encoder, home, config, now, tell)


def calibrate_model(folder: Path, data_dir: Path, examples: Sequence[Example], tell: Tell = print) -> None:
    """Set the manifest's temperatures to those that make the examples likeliest, and note the scores."""
    from monitor.classifier.transformer import load_classifier
    from training.answers import answers_of
    from training.calibrate import temperature_for
    from training.metrics import accuracy, confusion, macro_f1

    everything = read_manifest(folder).everything
    everything["validation"] = {}
    for head, answers in answers_of(load_classifier(str(folder), data_dir), examples).items():
        temperature = temperature_for(answers.logits, answers.labels)
        matrix = confusion(answers.labels, answers.predictions(), answers.logits.shape[1])
        found = noted({"accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)})
        everything["temperatures"][head] = round(temperature, 4)
        everything["validation"][head] = found
        tell(f"{head}: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}, T {temperature:.3f}")
    write_manifest(folder, everything)


def evaluate_version(
    name: str, data_dir: Path, data: Path, part: str, companies: Companies, now: datetime, tell: Tell = print
) -> Path:
    """Measure a version on a split and write its report/; the folder of the report."""
    from monitor.classifier.transformer import load_classifier
    from training.evaluate import evaluate_model
    from training.report import write_report

    if part not in SPLITS:
        raise UsageError(f"--split is {' or '.join(SPLITS)}, not {part!r}")
    folder = find_model(name, data_dir)
    everything = read_manifest(folder).everything
    if part == "test" and "test" in everything:
        tell(f"{name} was measured on the test split before: this repeats it, it is not there to choose versions by")
    classifier = load_classifier(str(folder), data_dir)
    report = evaluate_model(classifier, split(read_examples(data)), part, companies, now, tell)
    everything[part] = {head: noted(found) for head, found in report["heads"].items()}
    # What is measured on the validation split is for working; report/ itself is the release's.
    out = folder / "report" if part == "test" else folder / f"report-{part}"
    try:
        write_report(report, out)
        write_manifest(folder, everything)
    except OSError as error:
        raise UsageError(f"cannot write {out} ({error}); copy the version's folder and name the copy") from error
    for head, found in report["heads"].items():
        tell(
            f"{head}: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}, "
            f"ECE {found['ece_after']:.3f} (by chance {found['ece_by_chance'][0]:.3f}; {found['examples']:,} examples)"
        )
    tell(f"the report is in {out}")
    return out


def noted(found: Mapping[str, Any]) -> dict[str, float]:
    """Of a head's scores, what the manifest keeps."""
    kept = {"accuracy": "accuracy", "macro_f1": "macro_f1", "ece_after": "ece"}
    return {short: round(found[name], 4) for name, short in kept.items() if name in found}


def list_models(data_dir: Path) -> list[str]:
    """One line a version: its name, when it was made, its validation scores, where it lies."""
    lines = []
    for folder in folders(data_dir):
        try:
            manifest = read_manifest(folder)
        except ModelUnavailable as error:
            lines.append(f"{folder.name}  damaged: {error}")
            continue
        scores = manifest.everything.get("validation", {})
        told = ", ".join(f"{head} {found['macro_f1']:.3f}" for head, found in scores.items())
        made = str(manifest.everything.get("made_at", ""))[:10] or "unknown day"
        lines.append(f"{manifest.version}  {made}  macro-F1: {told or 'not measured'}  {folder}")
    return lines or ["no models here; `tocsin train` makes one"]


def show_model(name: str, data_dir: Path) -> str:
    """The manifest as it is, and where the version lies."""
    folder = find_model(name, data_dir)
    return f"{folder}\n{json.dumps(read_manifest(folder).everything, indent=2, ensure_ascii=False)}"


def show_balance(splits: dict[str, list[Example]], tell: Tell) -> None:
    """How often each class stands in each split."""
    counted = {name: balance(examples) for name, examples in splits.items()}
    tell(f"{'':42}" + "".join(f"{name:>12}" for name in splits))
    for head, classes in counted["train"].items():
        for label in sorted(classes):
            cells = "".join(f"{counted[name][head][label]:>12,}" for name in splits)
            tell(f"{head + ': ' + label:42}{cells}")


def write_manifest(folder: Path, everything: dict[str, Any]) -> None:
    """Whole or not at all: a worker may be reading it."""
    beside = folder / "manifest.json.part"
    beside.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, folder / "manifest.json")
