"""Examples -> batches of tensors, as the network reads them. Augments and pads; knows no loss and no model."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from monitor.classifier.reading import asking
from training.config import TrainConfig
from training.data import Example

HEADS = ("topic", "sentiment", "company")
ABSENT = -100
# "$TICK - ", "$AAPL", and what is left at the beginning without them.
_CASHTAG = re.compile(r"\$[A-Z.]{1,6}\b")
_LEFT_OVER = re.compile(r"^[\s,\-\u2013:]+")


@dataclass(frozen=True, slots=True)
class Item:
    """An example, and a teacher's logits for the heads that it was asked."""

    example: Example
    soft: Mapping[str, np.ndarray] | None = None


class Feed(Dataset[dict[str, object]]):
    """Items as token ids and labels. With `augment` each epoch reads them a little differently; set `epoch` then."""

    def __init__(
        self, items: Sequence[Item], tokenizer: Tokenizer, topics: Sequence[str], config: TrainConfig, *, augment: bool
    ) -> None:
        self.epoch = 0
        self._items, self._tokenizer, self._config, self._augment = items, tokenizer, config, augment
        self._topic = {name: index for index, name in enumerate(topics)}
        self._companies = sorted({item.example.company for item in items if item.example.company})

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, object]:
        item = self._items[index]
        one = self._changed(item.example, index) if self._augment else item.example
        text = self._tokenizer.encode(*(asking(one.text, one.company) if one.company else (one.text,)))
        return {
            "input_ids": text.ids,
            "topic": self._topic.get(one.topic, ABSENT) if one.topic is not None else ABSENT,
            "sentiment": ABSENT if one.sentiment is None else one.sentiment,
            "company": ABSENT if one.company_sentiment is None else one.company_sentiment,
            "soft": item.soft or {},
        }

    def _changed(self, one: Example, index: int) -> Example:
        rng = random.Random(f"{self._config.seed}/{self.epoch}/{index}")
        if one.company is not None:
            if one.company in one.text and rng.random() < self._config.swap_companies:
                other = rng.choice(self._companies)
                swapped = one.text.replace(one.company, other)
                return Example(swapped, one.source, company=other, company_sentiment=one.company_sentiment)
            return one
        if rng.random() < self._config.strip_cashtags:
            bare = " ".join(_LEFT_OVER.sub("", _CASHTAG.sub("", one.text)).split())
            return Example(bare or one.text, one.source, one.topic, one.sentiment)
        return one


@dataclass(frozen=True, slots=True)
class Collate:
    """Rows of a feed -> tensors: ids and mask (rows, tokens), labels (rows,), soft logits (rows, classes) or NaN."""

    classes: Mapping[str, int]

    def __call__(self, rows: Sequence[Mapping[str, object]]) -> dict[str, Tensor]:
        tokens = [torch.as_tensor(row["input_ids"]) for row in rows]
        batch = {
            "input_ids": torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True),
            "attention_mask": torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in tokens], True),
        }
        for head in HEADS:
            batch[head] = torch.as_tensor([row[head] for row in rows])
        for head in HEADS:
            missing = np.full(self.classes[head], np.nan, dtype=np.float32)
            given = [row["soft"].get(head, missing) for row in rows]  # type: ignore[attr-defined]
            batch[f"soft_{head}"] = torch.from_numpy(np.stack(given).astype(np.float32))
        return batch
