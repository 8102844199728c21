"""The bodies of `tocsin train`, `evaluate` and `models`: plain functions over folders. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.encoders import encoder_folder, find_encoder
from monitor.entities import Companies
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import find_model, folders, read_manifest, shipped_folder
from monitor.settings import Settings
from monitor.store.labels import LabelledText
from training.data import file_hashes, read_examples, split
from training.manifest import noted, write_manifest
from training.tell import Tell

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
    teachers = [load_classifier(name, home, settings.device) for name in order.teachers]
    said: list[LabelledText] | None = None
    if labels:
        with wiring.database(settings) as database:
            said = list(all_labels(database))
    sources = Sources(order.data, wiring.companies(settings), said, teachers)
    return make_version(order.version, sources, encoder, home, config, now, tell, settings.device)


def evaluate_version(
    name: str,
    data_dir: Path,
    data: Path,
    part: str,
    companies: Companies,
    now: datetime,
    tell: Tell = print,
    device: str = "auto",
) -> Path:
    """Measure a version on a split and write its report/; the folder of the report."""
    from monitor.classifier.transformer import load_classifier
    from training.evaluate import evaluate_model
    from training.lineage import lineage, strangers
    from training.report import write_report

    if part not in SPLITS:
        raise UsageError(f"--split is {' or '.join(SPLITS)}, not {part!r}")
    folder = find_model(name, data_dir)
    everything = read_manifest(folder).everything
    if part == "test" and "test" in everything:
        tell(f"{name} was measured on the test split before: this repeats it, it is not there to choose versions by")
    splits = split(read_examples(data))
    if not splits[part]:
        raise UsageError(f"no text of {data} falls into the {part} split; give more labelled texts")
    others = strangers(lineage(everything, lambda known: _said_by(known, data_dir)), [file_hashes(data)])
    if others:
        tell(f"{' and '.join(others)} learned from other labelled files than {data} holds, perhaps these very texts")
    classifier = load_classifier(str(folder), data_dir, device)
    report = {**evaluate_model(classifier, splits, part, companies, now, tell), "learned_from_other_files": others}
    everything[part] = {head: noted(found) for head, found in report["heads"].items()}
    # What is measured on the validation split is for working; report/ itself is the release's. A shipped version, too,
    # is written to for a release alone.
    is_shipped = folder.is_relative_to(shipped_folder())
    home = data_dir / "reports" / folder.name if is_shipped and part != "test" else folder
    out = home / "report" if part == "test" else home / f"report-{part}"
    try:
        write_report(report, out)
        if home == folder:
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


def _said_by(name: str, data_dir: Path) -> Mapping[str, Any] | None:
    try:
        return read_manifest(find_model(name, data_dir)).everything
    except ModelUnavailable:
        return None


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
