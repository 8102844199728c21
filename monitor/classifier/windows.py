"""Texts -> windows of tokens -> batches of equal work. Pure: no network, no device.

A window is what the network reads at once. A longer text is read in windows that overlap by a quarter, the first
MAX_WINDOWS of them (what lies behind is told); its logits are the mean of its windows', each weighted by its tokens.
Windows of all texts are sorted by length and packed to a budget of tokens, so that a batch holds little padding and one
long document cannot hurt its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from monitor.classifier.reading import around, mark, normalise
from monitor.types import Passage

MAX_WINDOWS = 64
OVERLAP = 0.25
CHARACTERS_A_WINDOW = 400
"""About what 128 tokens hold of a text about a company, the company's own tokens set aside."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens for the network, and where its answer goes."""

    tokens: list[int]
    passage: int
    entity: int
    """-1: the passage itself; else the index of the entity asked for."""
    is_cut: bool = False
    """The last one read of a text that goes on behind it."""


def windows_of(passages: Sequence[Passage], tokenizer: Tokenizer, max_tokens: int) -> list[Window]:
    """Every window of every passage and of every company asked for."""
    texts = [normalise(passage.text) for passage in passages]
    asked = [
        (index, place, " ".join(name.split()))
        for index, passage in enumerate(passages)
        for place, name in enumerate(passage.entities)
    ]
    pairs = [(mark(around(texts[index], name, CHARACTERS_A_WINDOW), name), name) for index, _place, name in asked]
    windows: list[Window] = []
    for index, encoding in enumerate(tokenizer.encode_batch_fast(texts)):
        windows += [Window(part, index, -1, goes_on) for part, goes_on in _split(encoding.ids, max_tokens)]
    for (index, place, _name), encoding in zip(asked, tokenizer.encode_batch_fast(pairs) if pairs else [], strict=True):
        windows.append(Window(_cut(encoding.ids, max_tokens), index, place))
    return windows


def cut_passages(windows: Iterable[Window]) -> list[int]:
    """Those whose end is in no window."""
    return [window.passage for window in windows if window.is_cut]


def _split(ids: list[int], max_tokens: int) -> Iterator[tuple[list[int], bool]]:
    """Each window's tokens, and whether it is the last one read although the text goes on."""
    if len(ids) <= max_tokens:
        yield ids, False
        return
    first, last, inner = ids[0], ids[-1], ids[1:-1]
    room = max_tokens - 2
    step = int(room * (1 - OVERLAP))
    for number in range(MAX_WINDOWS):
        end = number * step + room
        goes_on = end < len(inner)
        yield [first, *inner[number * step : end], last], goes_on and number == MAX_WINDOWS - 1
        if not goes_on:
            return


def _cut(ids: list[int], max_tokens: int) -> list[int]:
    """A pair too long loses the middle: its end is the company asked for."""
    if len(ids) <= max_tokens:
        return ids
    keep = max_tokens // 3
    return [*ids[: max_tokens - keep], *ids[-keep:]]


def batches(windows: Sequence[Window], budget: int, rows: int, waste: float = 1.0) -> Iterator[list[Window]]:
    """Batches of at most `budget` tokens, padding included, and `rows` windows; longest first, at least one a batch.

    No more than the share `waste` of a batch is padding.
    """
    batch: list[Window] = []
    tokens = 0
    for window in sorted(windows, key=lambda one: -len(one.tokens)):
        if batch:
            computed = (len(batch) + 1) * len(batch[0].tokens)
            padding = computed - tokens - len(window.tokens)
            if computed > budget or len(batch) >= rows or padding > waste * computed:
                yield batch
                batch, tokens = [], 0
        batch.append(window)
        tokens += len(window.tokens)
    if batch:
        yield batch


def padding_waste(groups: Iterable[Sequence[Window]]) -> float:
    """The share of computed tokens that is padding."""
    computed = tokens = 0
    for batch in groups:
        computed += len(batch) * len(batch[0].tokens)
        tokens += sum(len(window.tokens) for window in batch)
    return 1 - tokens / computed if computed else 0.0
