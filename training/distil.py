"""Teachers' answers to texts, as what a pupil learns from. Asks each teacher once a text and keeps the answers.

The texts are the labelled ones of the training split and a sample of unlabelled news and comments; whatever is alike
to a text of another split is left out. A text is asked for its topic and sentiment as it stands, and for the sentiment
toward each company with that company marked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from monitor.classifier.reading import normalise
from monitor.classifier.transformer import TransformerClassifier
from monitor.entities import Companies
from monitor.errors import UsageError
from monitor.types import Passage
from training.data import Example, kept_out, unlike
from training.feed import Item
from training.files import rows
from training.tell import Tell

UNLABELLED = {"uci-news/business.csv.gz": "title", "stocknet/tweets.csv.gz": "text"}
"""File and the column that holds the text."""
CHUNK = 1_024
"""Texts asked at once; a killed run loses no more."""


def unlabelled(
    folder: Path, splits: Mapping[str, Sequence[Example]], companies: Companies, count: int, seed: int
) -> list[Passage]:
    """A sample, half of each file, that is alike to nothing outside the training split, with the companies named."""
    drawn: list[str] = []
    for path, column in UNLABELLED.items():
        texts = sorted(set(_texts(folder / path, column)))
        drawn += random.Random(seed).sample(texts, min(len(texts), count // len(UNLABELLED)))
    fresh = unlike(drawn, lambda text: text, kept_out(splits))
    return [Passage(text, tuple(dict.fromkeys(found.surface for found in companies.find(text)))) for text in fresh]


def taught(
    teachers: Sequence[TransformerClassifier],
    examples: Sequence[Example],
    more: Sequence[Passage],
    keep: Path,
    tell: Tell = print,
) -> list[Item]:
    """Every example with the teachers' answers to it, and every other form of their texts with those alone.

    Several teachers answer as one, by the mean of their logits: seeds of one recipe err in different places.
    """
    asked: dict[str, dict[str, None]] = {passage.text: dict.fromkeys(passage.entities) for passage in more}
    labelled: dict[tuple[str, str | None], list[Example]] = {}
    for one in examples:
        asked.setdefault(one.text, {}).update({one.company: None} if one.company else {})
        labelled.setdefault((one.text, one.company), []).append(one)
    passages = [Passage(text, tuple(names)) for text, names in asked.items()]
    items = []
    for told in zip(*(answers_to(teacher, passages, keep, tell) for teacher in teachers), strict=True):
        passage, softs = told[0][0], [soft for _, soft in told]
        for company, answer in softs[0].items():
            soft = {head: np.mean([one[company][head] for one in softs], axis=0) for head in answer}
            unknown = [Example(passage.text, "unlabelled", company=company)]
            items += [Item(one, soft) for one in labelled.get((passage.text, company), unknown)]
    return items


Soft = Mapping[str | None, Mapping[str, np.ndarray]]
"""By company asked for (None: the text as it stands), the logits of the heads that were asked."""


def answers_to(
    teacher: TransformerClassifier, passages: Sequence[Passage], keep: Path, tell: Tell = print
) -> Iterator[tuple[Passage, Soft]]:
    """The teacher's logits, from the folder `keep` where an earlier run wrote them there."""
    keep.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(passages), CHUNK):
        chunk = passages[start : start + CHUNK]
        path = keep / f"{teacher.version}-{start:07}.npz"
        if not path.is_file():
            pooled = teacher.pooled(chunk)
            places = sorted(pooled.companies)
            with (part := path.with_suffix(".part")).open("wb") as file:
                np.savez(
                    file,
                    texts=np.array([passage.text for passage in chunk]),
                    topic=pooled.topics.astype(np.float32),
                    sentiment=pooled.sentiments.astype(np.float32),
                    places=np.array(places, dtype=np.int64).reshape(-1, 2),
                    company=np.array([pooled.companies[at] for at in places], dtype=np.float32).reshape(-1, 3),
                )
            part.rename(path)
            tell(f"{teacher.version} read {start + len(chunk):,} of {len(passages):,} texts")
        yield from zip(chunk, _softs(path, chunk), strict=True)


def _softs(path: Path, chunk: Sequence[Passage]) -> list[Soft]:
    with np.load(path) as found:
        if found["texts"].tolist() != [passage.text for passage in chunk]:
            raise UsageError(f"{path} answers other texts; remove its folder")
        softs: list[dict[str | None, dict[str, np.ndarray]]] = [
            {None: {"topic": topic, "sentiment": sentiment}}
            for topic, sentiment in zip(found["topic"], found["sentiment"], strict=True)
        ]
        for (text, place), logits in zip(found["places"].tolist(), found["company"], strict=True):
            softs[text][chunk[text].entities[place]] = {"company": logits}
    return list(softs)


def _texts(path: Path, column: str) -> Iterator[str]:
    for _, row in rows(path, (column,), tuple(UNLABELLED)):
        if len(text := normalise(row[column] or "")) > 20:  # a row cut short has none
            yield text
