"""Examples -> a network. Reads top to bottom; evaluates nothing but the validation score that it stops by.

    tocsin train --data FOLDER --encoder FOLDER --out FOLDER

One encoder and three heads learn together: each batch holds examples of all sets, and each head's loss counts only
the examples that carry its label. Batches are made of texts of equal length. A checkpoint after each epoch holds
everything, so a killed run goes on from there.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from tokenizers import Tokenizer
from torch import Tensor, nn

from monitor.classifier.network import Network, encoder_from, save_network
from monitor.classifier.reading import mark
from training.data import Example

CHECKPOINT = "checkpoint.pt"
# "$TICK - ", "$AAPL", and what is left at the beginning without them.
_CASHTAG = re.compile(r"\$[A-Z.]{1,6}\b")
_LEFT_OVER = re.compile(r"^[\s,\-\u2013:]+")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides the weights, besides the data. The defaults made the shipped `small`."""

    epochs: int = 4
    batch: int = 32
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.06
    """Share of the steps in which the rate rises; afterwards it falls linearly."""
    label_smoothing: float = 0.05
    topic_weight_power: float = 0.3
    """Class weights are (1 / frequency) ** power: 0 is none, 1 makes every class count the same."""
    sentiment_weight_power: float = 0.5
    strip_cashtags: float = 0.3
    """Share of posts read without "$TICK", anew each epoch: news names companies by name."""
    max_tokens: int = 128
    seed: int = 0


def train(
    splits: dict[str, list[Example]],
    encoder: Path,
    out: Path,
    config: TrainConfig,
    tell: Callable[[str], None] = print,
) -> Network:
    """Train on `splits["train"]`, keep the epoch with the best validation score, write `out`; resumes a killed run."""
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    topics = sorted({one.topic for one in splits["train"] if one.topic is not None})
    network = Network(encoder_from(encoder, pretrained=True), len(topics))
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.max_tokens)
    reader = Reader(tokenizer, topics, config)
    examples = list(splits["train"])
    random.Random(config.seed).shuffle(examples)
    weights = class_weights(examples, topics, config)
    steps = config.epochs * math.ceil(len(examples) / config.batch)
    optimizer, schedule = make_optimizer(network, config, steps)
    state: dict[str, Any] = {"epoch": 0, "best": -1.0, "config": asdict(config)}
    if (out / CHECKPOINT).exists():
        state = resume(out / CHECKPOINT, network, optimizer, schedule, config)
        tell(f"going on after epoch {state['epoch']}")
    for epoch in range(state["epoch"], config.epochs):
        rng = random.Random(f"{config.seed}/{epoch}")
        network.train()
        for number, batch in enumerate(reader.batches(examples, rng)):
            loss = batch.loss(network, weights, config.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            if number % 100 == 0:
                tell(f"epoch {epoch + 1} batch {number}: loss {float(loss.detach()):.4f}")
        scores = validate(network, reader, splits["validation"])
        tell(f"epoch {epoch + 1}: " + ", ".join(f"{name} macro-F1 {value:.4f}" for name, value in scores.items()))
        mean = sum(scores.values()) / len(scores)
        if mean > state["best"]:
            save_network(network, out)
        state = {"epoch": epoch + 1, "best": max(mean, state["best"]), "config": asdict(config)}
        save_checkpoint(out / CHECKPOINT, network, optimizer, schedule, state)
    (out / CHECKPOINT).unlink()
    return network


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and mask, (rows, tokens); labels per head, -100 where an example has none."""

    ids: Tensor
    mask: Tensor
    labels: tuple[Tensor, Tensor, Tensor]

    def loss(self, network: Network, weights: Sequence[Tensor | None], smoothing: float) -> Tensor:
        """Each head's mean cross-entropy over its labelled examples, weighted by their share of the batch."""
        with torch.autocast(self.ids.device.type, torch.bfloat16):
            logits = network(self.ids, self.mask)
        total = torch.zeros((), device=self.ids.device)
        for answer, label, weight in zip(logits, self.labels, weights, strict=True):
            has = label >= 0
            if has.any():
                part = nn.functional.cross_entropy(
                    answer[has].float(), label[has], weight=weight, label_smoothing=smoothing
                )
                total = total + part * has.float().mean()
        return total


@dataclass(frozen=True, slots=True)
class Reader:
    """Examples -> batches of equal length."""

    tokenizer: Tokenizer
    topics: Sequence[str]
    config: TrainConfig

    def batches(self, examples: Sequence[Example], rng: random.Random | None = None) -> Iterator[Batch]:
        """Every example once; shuffled and augmented where `rng` is given, else longest last, in a fixed order."""
        encoded = [encoding.ids for encoding in self.tokenizer.encode_batch([self._read(one, rng) for one in examples])]
        noise = rng.random if rng else lambda: 0.0
        order = sorted(range(len(examples)), key=lambda index: len(encoded[index]) + 4 * noise())
        rows = self.config.batch
        groups = [order[start : start + rows] for start in range(0, len(order), rows)]
        if rng:
            rng.shuffle(groups)
        for group in groups:
            yield self._batch([examples[index] for index in group], [encoded[index] for index in group])

    def _read(self, one: Example, rng: random.Random | None) -> str | tuple[str, str]:
        if one.company is not None:
            return mark(one.text, one.company), one.company
        if rng and rng.random() < self.config.strip_cashtags:
            bare = " ".join(_LEFT_OVER.sub("", _CASHTAG.sub("", one.text)).split())
            return bare or one.text
        return one.text

    def _batch(self, examples: Sequence[Example], encoded: Sequence[Sequence[int]]) -> Batch:
        width = max(map(len, encoded))
        ids, mask = torch.zeros((len(encoded), width), dtype=torch.long), torch.zeros((len(encoded), width))
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        topic = [self.topics.index(one.topic) if one.topic in self.topics else -100 for one in examples]
        sentiment = [-100 if one.sentiment is None else one.sentiment for one in examples]
        company = [-100 if one.company_sentiment is None else one.company_sentiment for one in examples]
        return Batch(ids, mask.long(), (torch.tensor(topic), torch.tensor(sentiment), torch.tensor(company)))


def class_weights(
    examples: Sequence[Example], topics: Sequence[str], config: TrainConfig
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Per head, by class, with mean 1. The company's classes are balanced enough."""
    topic = [sum(one.topic == name for one in examples) for name in topics]
    sentiment = [sum(one.sentiment == value for one in examples) for value in range(3)]
    return _weights(topic, config.topic_weight_power), _weights(sentiment, config.sentiment_weight_power), None


def _weights(counts: Sequence[int], power: float) -> Tensor:
    frequency = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    weights = (frequency.sum() / frequency / len(counts)).pow(power)
    return weights / weights.mean()


def make_optimizer(
    network: Network, config: TrainConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with another rate for the heads; the rate rises over `warm_up`, then falls to 2 % of it."""
    encoder = [value for name, value in network.named_parameters() if name.startswith("encoder")]
    heads = [value for name, value in network.named_parameters() if not name.startswith("encoder")]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": config.encoder_rate, "weight_decay": config.weight_decay},
        {"params": heads, "lr": config.head_rate},
    ]
    optimizer = torch.optim.AdamW(groups)
    rising = max(1.0, config.warm_up * steps)

    def rate(step: int) -> float:
        return min((step + 1) / rising, max(0.02, (steps - step) / max(1.0, steps - rising)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


@torch.inference_mode()
def validate(network: Network, reader: Reader, examples: Sequence[Example]) -> dict[str, float]:
    """Macro-F1 per head over the examples that carry its label."""
    network.eval()
    said: list[tuple[list[int], list[int]]] = [([], []) for _ in range(3)]
    for batch in reader.batches(examples):
        for (truth, answers), answer, label in zip(said, network(batch.ids, batch.mask), batch.labels, strict=True):
            has = label >= 0
            truth += label[has].tolist()
            answers += answer[has].argmax(-1).tolist()
    names = ("topic", "sentiment", "company")
    return {
        name: float(f1_score(np.array(truth), np.array(answers), average="macro"))
        for name, (truth, answers) in zip(names, said, strict=True)
        if truth
    }


def save_checkpoint(path: Path, network: Network, optimizer: Any, schedule: Any, state: dict[str, Any]) -> None:
    """Whole or not at all: written beside, then renamed."""
    beside = path.with_suffix(".part")
    torch.save(
        {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "state": state,
        },
        beside,
    )
    beside.rename(path)


def resume(path: Path, network: Network, optimizer: Any, schedule: Any, config: TrainConfig) -> dict[str, Any]:
    """What the run knew after its last epoch. ValueError where it was run with another configuration."""
    found = torch.load(path, weights_only=True)
    if found["state"]["config"] != asdict(config):
        raise ValueError(f"{path} is of a run with another configuration; remove it or use its options")
    network.load_state_dict(found["network"])
    optimizer.load_state_dict(found["optimizer"])
    schedule.load_state_dict(found["schedule"])
    state: dict[str, Any] = found["state"]
    return state
