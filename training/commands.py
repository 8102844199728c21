"""The bodies of `tocsin train`, `evaluate` and `models`: plain functions over folders. Decides nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import find_model, folders, read_manifest
from training.data import FILES, Example, balance, file_hashes, read_examples, split

Tell = Callable[[str], None]
SPLITS = ("validation", "test")


def train_model(
    data: Path, encoder: Path, out: Path, version: str, now: datetime, options: dict[str, Any], tell: Tell = print
) -> Path:
    """Train, calibrate on the validation split, write a version's folder that serves. Resumes a killed run."""
    from training.train import TrainConfig, train

    if not (encoder / "config.json").is_file():
        raise UsageError(f"{encoder} holds no encoder (config.json, model.safetensors, tokenizer.json)")
    try:
        config = TrainConfig(**options)
    except TypeError as error:
        raise UsageError(f"unknown option of a training: {error}") from error
    splits = split(read_examples(data))
    show_balance(splits, tell)
    started = time.monotonic()
    train(splits, encoder, out, config, tell)
    shutil.copyfile(encoder / "tokenizer.json", out / "tokenizer.json")
    manifest = {
        "version": version,
        "made_at": now.isoformat(timespec="seconds"),
        "topics": sorted({one.topic for one in splits["train"] if one.topic is not None}),
        "temperatures": {"topic": 1.0, "sentiment": 1.0, "company": 1.0},
        "max_tokens": config.max_tokens,
        "encoder": {"folder": encoder.name, "sha256": _sha256(encoder / "model.safetensors")},
        "configuration": asdict(config),
        "data": {head: {"file": FILES[head], "sha256": digest} for head, digest in file_hashes(data).items()},
        "examples": {name: len(examples) for name, examples in splits.items()},
        "weights_sha256": _sha256(out / "model.safetensors"),
        "seconds": round(time.monotonic() - started),
    }
    write_manifest(out, manifest)
    calibrate_model(out, splits["validation"], tell)
    tell(f"{version} is in {out}; `tocsin evaluate {out}` measures it")
    return out


def calibrate_model(folder: Path, examples: list[Example], tell: Tell = print) -> None:
    """Set the manifest's temperatures to those that make the examples likeliest, and note the scores."""
    from training.answers import answers_of
    from training.calibrate import temperature_for
    from training.metrics import accuracy, confusion, macro_f1

    everything = read_manifest(folder).everything
    everything["validation"] = {}
    for head, answers in answers_of(folder, examples).items():
        temperature = temperature_for(answers.logits, answers.labels)
        matrix = confusion(answers.labels, answers.predictions(), answers.logits.shape[1])
        found = {"accuracy": round(accuracy(matrix), 4), "macro_f1": round(macro_f1(matrix), 4)}
        everything["temperatures"][head] = round(temperature, 4)
        everything["validation"][head] = found
        tell(f"{head}: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}, T {temperature:.3f}")
    write_manifest(folder, everything)


def evaluate_version(name: str, data_dir: Path, data: Path, part: str, now: datetime, tell: Tell = print) -> Path:
    """Measure a version on a split and write its report/; the folder of the report."""
    from training.evaluate import evaluate_model
    from training.report import write_report

    if part not in SPLITS:
        raise UsageError(f"--split is {' or '.join(SPLITS)}, not {part!r}")
    folder = find_model(name, data_dir)
    report = evaluate_model(folder, split(read_examples(data)), part, now, tell)
    # What is measured on the validation split is for working; report/ itself is the release's.
    out = folder / "report" if part == "test" else folder / f"report-{part}"
    try:
        write_report(report, out)
    except OSError as error:
        raise UsageError(f"cannot write {out} ({error}); copy the version's folder and name the copy") from error
    for head, found in report["heads"].items():
        tell(
            f"{head}: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}, "
            f"ECE {found['ece_after']:.3f} ({found['examples']:,} examples)"
        )
    tell(f"the report is in {out}")
    return out


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
