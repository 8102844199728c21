"""Texts -> windows of tokens -> batches of equal work. Pure: no network, no device.

A window is what the network reads at once. A longer text is read in windows that overlap by a quarter, the first
MAX_WINDOWS of them (what lies behind is told); its logits are the mean of its windows', each weighted by its tokens.
Windows of all texts are sorted by length and packed to a budget of tokens, so that those of one length stand together
and one long document cannot hurt its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from monitor.classifier.reading import asking, normalise
from monitor.types import Passage

MAX_WINDOWS = 64
OVERLAP = 0.25
CHARACTERS_AT_ONCE = 1_000_000


class Run(NamedTuple):
    """Neighbouring texts of one length."""

    texts: int
    length: int
    """Tokens of each text."""

    @property
    def tokens(self) -> int:
        return self.texts * self.length


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens for the network, and where its answer goes."""

    tokens: np.ndarray
    """int32"""
    passage: int
    entity: int
    """-1: the passage itself; else the index of the entity asked for."""
    is_cut: bool = False
    """The last one read of a text that goes on behind it."""


def windows_of(passages: Sequence[Passage], tokenizer: Tokenizer, max_tokens: int) -> list[Window]:
    """Every window of every passage and of every company asked for."""
    texts = [normalise(passage.text) for passage in passages]
    asked = [
        (index, place, normalise(name))
        for index, passage in enumerate(passages)
        for place, name in enumerate(passage.entities)
    ]
    pairs = [asking(texts[index], name) for index, _place, name in asked]
    windows: list[Window] = []
    for index, ids in enumerate(_encoded(texts, tokenizer)):
        windows += [Window(part, index, -1, goes_on) for part, goes_on in _split(ids, max_tokens)]
    for (index, place, _name), ids in zip(asked, _encoded(pairs, tokenizer), strict=True):
        windows.append(Window(_cut(ids, max_tokens), index, place))
    return windows


def _encoded(inputs: Sequence[str | tuple[str, str]], tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """The token numbers of each. Some at a time: beside each number the tokenizer keeps a hundred bytes about it."""
    some: list[str | tuple[str, str]] = []
    characters = 0
    for number, one in enumerate(inputs, 1):
        some.append(one)
        characters += len(one) if isinstance(one, str) else len(one[0])
        if characters >= CHARACTERS_AT_ONCE or number == len(inputs):
            for encoding in tokenizer.encode_batch_fast(some):
                yield np.array(encoding.ids, dtype=np.int32)
            some, characters = [], 0


def cut_passages(windows: Iterable[Window]) -> list[int]:
    """Those whose end is in no window."""
    return [window.passage for window in windows if window.is_cut]


def _split(ids: np.ndarray, max_tokens: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Each window's tokens, and whether it is the last one read although the text goes on."""
    if len(ids) <= max_tokens:
        yield ids, False
        return
    first, last, inner = ids[:1], ids[-1:], ids[1:-1]
    room = max_tokens - 2
    step = int(room * (1 - OVERLAP))
    for number in range(MAX_WINDOWS):
        end = number * step + room
        goes_on = end < len(inner)
        yield np.concatenate([first, inner[number * step : end], last]), goes_on and number == MAX_WINDOWS - 1
        if not goes_on:
            return


def _cut(ids: np.ndarray, max_tokens: int) -> np.ndarray:
    """A pair too long loses the middle: its end is the company asked for."""
    if len(ids) <= max_tokens:
        return ids
    keep = max_tokens // 3
    return np.concatenate([ids[: max_tokens - keep], ids[-keep:]])


def batches(windows: Sequence[Window], budget: int) -> Iterator[list[Window]]:
    """Batches of at most `budget` tokens, longest windows first, at least one a batch. No padding: see packed."""
    batch: list[Window] = []
    tokens = 0
    for window in sorted(windows, key=lambda one: -len(one.tokens)):
        if batch and tokens + len(window.tokens) > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(window)
        tokens += len(window.tokens)
    if batch:
        yield batch


def runs_of(batch: Sequence[Window]) -> list[Run]:
    """Neighbours of one length, in a batch as `batches` makes it."""
    return [Run(sum(1 for _ in same), length) for length, same in groupby(len(one.tokens) for one in batch)]
