"""Labels and an encoder -> a version's folder that serves: the story of a training, from data to calibration.

tocsin train base --data FOLDER --version base-1
tocsin train small --data FOLDER --version small-1 --teacher base-1
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from monitor.classifier.network import Network, encoder_from, load_network
from monitor.classifier.transformer import TransformerClassifier
from monitor.encoders import keep_encoder
from monitor.entities import Companies
from monitor.errors import UsageError
from monitor.registry import read_manifest
from training.commands import Tell, calibrate_model, show_balance, write_manifest
from training.config import TrainConfig
from training.data import FILES, Example, file_hashes, kept_out, read_examples, split, unlike
from training.distil import taught, unlabelled
from training.feed import Item
from training.freezing import freeze
from training.train import train

SOFT = "soft"
"""Where the teacher's answers lie while a pupil is made."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Who teaches, and the companies that the unlabelled texts are searched for."""

    teacher: TransformerClassifier
    companies: Companies


def make_version(
    version: str,
    data: Path,
    encoder: Path,
    data_dir: Path,
    config: TrainConfig,
    now: datetime,
    lesson: Lesson | None = None,
    more: Sequence[Example] = (),
    tell: Tell = print,
) -> Path:
    """Train, calibrate on the validation split, write a version's folder. A killed run goes on where it was.

    `encoder` is a folder of config.json, model.safetensors and tokenizer.json: a pretrained encoder's, or that of a
    whole version, from whose weights and heads the training then goes on. `more` are examples besides the files', for
    the training split alone; those alike to a text of another split are left out.
    """
    out = data_dir / "models" / version
    if not (encoder / "config.json").is_file():
        raise UsageError(f"{encoder} holds no encoder (config.json, model.safetensors, tokenizer.json)")
    splits = split(read_examples(data))
    splits["train"] += unlike(more, lambda one: one.text, kept_out(splits))
    show_balance(splits, tell)
    started = time.monotonic()
    items = [Item(one) for one in splits["train"]]
    if lesson:
        texts = unlabelled(data, splits, lesson.companies, config.unlabelled, config.seed)
        items = taught(lesson.teacher, splits["train"], texts, out / SOFT, tell)
        tell(f"{len(items):,} texts to learn from, {len(texts):,} of them without a label")
    topics = sorted({one.topic for one in splits["train"] if one.topic is not None})
    network = begin(encoder, topics, config)
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    train(network, tokenizer, topics, items, [Item(one) for one in splits["validation"]], out, config, tell)
    shutil.copyfile(encoder / "tokenizer.json", out / "tokenizer.json")
    learned_from = sha256(encoder / "model.safetensors")
    if config.freeze == "lora":
        keep_encoder(encoder, learned_from, data_dir)
    about = {
        "version": version,
        "made_at": now.isoformat(timespec="seconds"),
        "topics": topics,
        "encoder": {"name": encoder.name, "sha256": learned_from},
        **({"adapter": {"rank": config.rank, "alpha": config.alpha}} if config.freeze == "lora" else {}),
        **({"teacher": lesson.teacher.version} if lesson else {}),
        "examples": {name: len(examples) for name, examples in splits.items()},
        "learned_from": len(items),
        "seconds": round(time.monotonic() - started),
    }
    write_manifest(out, {**about, **_how(data, out, config)})
    calibrate_model(out, data_dir, splits["validation"], tell)
    if lesson:
        shutil.rmtree(out / SOFT)
    tell(f"{version} is in {out}; `tocsin evaluate {version}` measures it")
    return out


def begin(encoder: Path, topics: Sequence[str], config: TrainConfig) -> Network:
    """The network before the first step, with what does not learn frozen."""
    torch.manual_seed(config.seed)
    if (encoder / "manifest.json").is_file():
        manifest = read_manifest(encoder)
        if manifest.adapter_scale:
            raise UsageError(
                f"{manifest.version} holds only an adapter; go on from a whole version, or from its encoder"
            )
        if list(manifest.topics) != list(topics):
            raise UsageError(f"{manifest.version} knows other topics than the labelled files; start from an encoder")
        network = load_network(encoder, len(topics)).train()
    else:
        network = Network(encoder_from(encoder, pretrained=True, dropout=config.encoder_dropout), len(topics))
    freeze(network, config)
    return network


def _how(data: Path, out: Path, config: TrainConfig) -> Mapping[str, Any]:
    return {
        "temperatures": {"topic": 1.0, "sentiment": 1.0, "company": 1.0},
        "max_tokens": config.max_tokens,
        "configuration": asdict(config),
        "data": {head: {"file": FILES[head], "sha256": digest} for head, digest in file_hashes(data).items()},
        "weights_sha256": sha256(out / "model.safetensors"),
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
