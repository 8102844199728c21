"""Labels and an encoder -> a version's folder that serves: the story of a training, from data to calibration.

tocsin train base --data FOLDER --version base-1
tocsin train small --data FOLDER --version small-1 --teacher base-1

A second base of another seed can teach beside the first: --teacher base-1 --teacher base-2.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from monitor.classifier.network import Network, encoder_from, load_adapter, load_network
from monitor.classifier.transformer import TransformerClassifier, damaged, load_classifier, read_tokenizer
from monitor.encoders import ENCODERS, encoder_folder, keep_encoder
from monitor.entities import Companies
from monitor.errors import UsageError
from monitor.registry import folders, read_manifest, version_in
from monitor.store.labels import LabelledText
from training.answers import answers_of
from training.calibrate import temperature_for
from training.config import Freeze, TrainConfig
from training.data import (
    FILES,
    Example,
    balance_lines,
    examples_of,
    file_hashes,
    kept_out,
    read_examples,
    refuse_gaps,
    split,
)
from training.distil import UNLABELLED, taught, unlabelled
from training.feed import Item
from training.freezing import freeze
from training.kept import keep_labels
from training.manifest import noted, write_manifest
from training.metrics import accuracy, confusion, macro_f1
from training.tell import Tell
from training.train import CHECKPOINTS, train, training_device
from training.transfer import transferred

ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SOFT = "soft"
"""Where the teacher's answers lie while a pupil is made."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a training's examples come from."""

    data: Path
    """The folder of labelled sets."""
    companies: Companies
    """Those that texts are searched for where no label names them."""
    said: Sequence[LabelledText] | None = None
    """What persons said of articles: learned from where it judges no version. None: they are not asked."""
    teachers: Sequence[TransformerClassifier] = ()
    """Their answers are learned from, too, to labelled and to unlabelled texts."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from and what is measured by."""

    splits: Mapping[str, Sequence[Example]]
    topics: Sequence[str]
    items: Sequence[Item]
    persons: Mapping[str, Any]
    """Of what persons said: how many labels are learned from, and when the last of all was given."""


def make_version(
    version: str,
    sources: Sources,
    encoder: Path,
    data_dir: Path,
    config: TrainConfig,
    now: datetime,
    tell: Tell = print,
    device: str = "auto",
) -> Path:
    """Train, calibrate on the validation split, write a version's folder. A killed run goes on where it was.

    `encoder` is a folder of config.json, model.safetensors and tokenizer.json: a pretrained encoder's, or that of a
    version of ours, from whose weights and heads the training then goes on. UsageError where the version is here
    already.
    """
    out = data_dir / "models" / version
    refuse_name(version, data_dir)
    training_device(device)
    tokenizer = check_encoder(encoder)
    started = time.monotonic()
    lesson = gather(sources, config, out, tell)
    topics = lesson.topics
    origin = origin_of(encoder, config.freeze)
    network = begin(encoder, topics, config, data_dir)
    if config.freeze == "lora" and not origin.is_adapter:
        keep_encoder(encoder, origin.sha256, data_dir)  # now: without it hours of training would end in nothing
    made_from = {**file_hashes(sources.data), "encoder": origin.sha256, "items": len(lesson.items)}
    if teachers := {one.version: one.manifest.everything["weights_sha256"] for one in sources.teachers}:
        made_from["teachers"] = teachers
    validation = [Item(one) for one in lesson.splits["validation"]]
    train(network, tokenizer, topics, lesson.items, validation, out, config, tell, made_from=made_from, device=device)
    shutil.copyfile(encoder / "tokenizer.json", out / "tokenizer.json")
    about = {
        "version": version,
        "made_at": now.isoformat(timespec="seconds"),
        "topics": list(topics),
        "encoder": origin.encoder,
        **({"goes_on_from": origin.version} if origin.version else {}),
        **({"adapter": {"rank": config.rank, "alpha": config.alpha}} if config.freeze == "lora" else {}),
        **({"teachers": teachers} if teachers else {}),
        "examples": {name: len(examples) for name, examples in lesson.splits.items()},
        "learned_from": len(lesson.items),
        "persons": lesson.persons,
        "seconds": round(time.monotonic() - started),
    }
    write_manifest(out, {**about, **_how(sources.data, out, config, with_unlabelled=bool(teachers))})
    calibrate_model(out, data_dir, lesson.splits["validation"], tell, device)
    for needless in (CHECKPOINTS, SOFT):  # only now: a kill before goes on from them
        shutil.rmtree(out / needless, ignore_errors=True)
    tell(f"{version} is in {out}; `tocsin evaluate {version}` measures it")
    return out


def refuse_name(version: str, data_dir: Path) -> None:
    """UsageError for a name that is no folder's, or that a finished version has: workers find versions by it."""
    if not NAME.fullmatch(version):
        raise UsageError(f"a version's name is made of letters, digits, '.', '_' and '-', unlike {version!r}")
    for folder in folders(data_dir):
        is_finished = not (folder / CHECKPOINTS).is_dir()
        if is_finished and version in (folder.name, version_in(folder)):
            raise UsageError(f"{version} is here already, at {folder}; give what is made another --version")


def check_encoder(folder: Path) -> Tokenizer:
    """Its tokenizer. TocsinError where the folder holds no whole encoder: now, not after hours of teachers' answers."""
    if missing := [name for name in ENCODER_FILES if not (folder / name).is_file()]:
        raise UsageError(f"{folder} holds no encoder ({', '.join(ENCODER_FILES)}), it lacks {', '.join(missing)}")
    try:
        with torch.device("meta"):
            encoder_from(folder, pretrained=False)
        with safe_open(folder / "model.safetensors", "pt"):
            pass
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(folder, error) from error
    return read_tokenizer(folder)


def calibrate_model(
    folder: Path, data_dir: Path, examples: Sequence[Example], tell: Tell = print, device: str = "auto"
) -> None:
    """Set the manifest's temperatures to those that make the examples likeliest, and note the scores."""
    everything = read_manifest(folder).everything
    everything["validation"] = {}
    for head, answers in answers_of(load_classifier(str(folder), data_dir, device), examples).items():
        temperature = temperature_for(answers.logits, answers.labels)
        matrix = confusion(answers.labels, answers.predictions(), answers.logits.shape[1])
        found = noted({"accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)})
        everything["temperatures"][head] = round(temperature, 4)
        everything["validation"][head] = found
        tell(f"{head}: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}, T {temperature:.3f}")
    write_manifest(folder, everything)


def gather(sources: Sources, config: TrainConfig, out: Path, tell: Tell = print) -> Lesson:
    """The labelled sets divided, and all that the training split is made up of: labels, persons', teachers' answers.

    What persons said and what teachers answered is kept in `out` for a run that goes on.
    """
    splits = split(read_examples(sources.data))
    refuse_gaps(splits)
    for line in balance_lines(splits):
        tell(line)
    persons: dict[str, Any] = {"labels": 0, "until": None}
    if sources.said is not None:
        said = keep_labels(sources.said, out / CHECKPOINTS, tell)
        learned_too = examples_of(said, kept_out(splits))
        splits["train"] += learned_too
        last = max((one.label.at for one in said), default=None)
        persons = {"labels": len(learned_too), "until": last and last.isoformat()}
        tell(f"{len(learned_too):,} of {len(said):,} labels of persons are learned from; the others judge")
    topics = sorted({one.topic for one in splits["train"] if one.topic is not None})
    for teacher in sources.teachers:
        if list(teacher.manifest.topics) != topics:  # before it is asked: its answers take hours
            raise UsageError(f"{teacher.version} knows other topics than the labelled files; name another --teacher")
    more = transferred(splits["train"], sources.companies)
    learned = [*splits["train"], *more]
    tell(f"{len(learned):,} examples to learn from, {len(more):,} of them by what another task's labels say")
    if not sources.teachers:
        return Lesson(splits, topics, [Item(one) for one in learned], persons)
    texts = unlabelled(sources.data, splits, sources.companies, config.unlabelled, config.seed)
    items = taught(sources.teachers, learned, texts, out / SOFT, tell)
    tell(f"{len(items):,} with the teachers' answers, {len(texts):,} texts without a label among them")
    return Lesson(splits, topics, items, persons)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a training starts from."""

    sha256: str
    """Of the weights that the training starts from; of an adapter's encoder where it starts from an adapter."""
    encoder: Mapping[str, Any]
    """The pretrained encoder at the root of it, or the version that a new adapter stands on: name, sha256, licence."""
    version: str | None
    """Of ours, from which the training goes on."""
    is_adapter: bool
    """That version holds only an adapter of the encoder."""


def origin_of(folder: Path, freeze: Freeze) -> Origin:
    """The encoder itself, or the version in the folder; of an adapter, the encoder that it stands on."""
    if not (folder / "manifest.json").is_file():
        found = sha256(folder / "model.safetensors")
        known = next((one for one in ENCODERS if one.sha256 == found), None)
        name, licence = (known.hub, "Apache-2.0") if known else (folder.name, "its maker's")
        return Origin(found, {"name": name, "sha256": found, "licence": licence}, None, is_adapter=False)
    manifest = read_manifest(folder)
    root = manifest.everything["encoder"]
    if manifest.adapter_scale:
        return Origin(manifest.encoder, root, manifest.version, is_adapter=True)
    found = sha256(folder / "model.safetensors")
    if freeze == "lora":  # the adapter serves with this very version beneath it
        root = {"name": manifest.version, "sha256": found, "licence": root["licence"]}
    return Origin(found, root, manifest.version, is_adapter=False)


def begin(encoder: Path, topics: Sequence[str], config: TrainConfig, data_dir: Path) -> Network:
    """The network before the first step, with what does not learn frozen."""
    torch.manual_seed(config.seed)
    manifest = read_manifest(encoder) if (encoder / "manifest.json").is_file() else None
    if manifest and list(manifest.topics) != list(topics):
        raise UsageError(f"{manifest.version} knows other topics than the labelled files; start from an encoder")
    is_adapter = manifest is not None and bool(manifest.adapter_scale)
    if manifest and is_adapter:
        rank, alpha = manifest.everything["adapter"]["rank"], manifest.everything["adapter"]["alpha"]
        if (config.freeze, config.rank, config.alpha) != ("lora", rank, alpha):
            raise UsageError(
                f"{manifest.version} holds an adapter: go on with --freeze lora --set rank={rank} --set alpha={alpha}"
            )
    if manifest and not is_adapter:
        network = load_network(encoder, len(topics), dropout=config.encoder_dropout).train()
    else:
        source = encoder_folder(manifest.encoder, data_dir) if manifest else encoder
        network = Network(encoder_from(source, pretrained=True, dropout=config.encoder_dropout), len(topics))
    freeze(network, config)
    if is_adapter:
        load_adapter(network, encoder)
    return network


def _how(data: Path, out: Path, config: TrainConfig, *, with_unlabelled: bool) -> Mapping[str, Any]:
    return {
        "temperatures": {"topic": 1.0, "sentiment": 1.0, "company": 1.0},
        "max_tokens": config.max_tokens,
        "configuration": asdict(config),
        "data": {head: {"file": FILES[head], "sha256": digest} for head, digest in file_hashes(data).items()},
        **({"unlabelled": {path: sha256(data / path) for path in UNLABELLED}} if with_unlabelled else {}),
        "weights_sha256": sha256(out / "model.safetensors"),
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
