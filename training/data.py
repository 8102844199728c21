"""Labelled files -> examples in four splits. Reads, cleans and divides; trains nothing.

Three sets label three things: topics and sentiments of posts (Twitter Financial News), and sentiments toward the
companies a headline names (SEntFiN). An example carries the labels its set has; the others are None.

A text that repeats with another label is dropped whole, a plain repeat is kept once. Near-duplicates are grouped
across all sets by an exact search, and a group falls into one split by the hash of its first text: no text alike to
one of the test is trained on. The same files always give the same splits.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from monitor.classifier.reading import normalise
from monitor.errors import UsageError
from monitor.store.labels import LabelledText
from monitor.types import SENTIMENTS
from training.files import rows

FILES = {
    "topic": "twitter-financial-news/topic_train.csv.gz",
    "sentiment": "twitter-financial-news/sentiment_train.csv.gz",
    "company": "sentfin/sentfin.csv.gz",
}
SPLITS: Mapping[str, float] = {"train": 0.76, "validation": 0.84, "gate": 0.92, "test": 1.0}
"""Upper bounds of a group's hash in [0, 1)."""
SIMILAR = 0.6
"""Jaccard similarity of word pairs from which on two texts are near-duplicates."""
BLOCK = 1_000
"""Texts compared with all others at once."""

# Some rows' mapping cannot be parsed because of apostrophes in names.
_PAIR = re.compile(r"""['"](.+?)['"]\s*:\s*['"](negative|neutral|positive)['"]""")
_NOT_WORD = re.compile(r"[^a-z0-9 ]")


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the labels it has. `company_sentiment` is toward `company`, and only together with it."""

    text: str
    source: str
    topic: str | None = None
    sentiment: int | None = None
    company: str | None = None
    company_sentiment: int | None = None


def read_examples(folder: Path) -> list[Example]:
    """Every usable example of the three files, in file order. UsageError names a file that is missing."""
    examples = [*_topics(folder), *_sentiments(folder), *_companies(folder)]
    labels: dict[tuple[object, ...], set[tuple[object, ...]]] = defaultdict(set)
    for one in examples:
        labels[_identity(one)].add((one.topic, one.sentiment, one.company_sentiment))
    kept: dict[tuple[object, ...], Example] = {}
    for one in examples:
        if _key(one.text) and len(labels[_identity(one)]) == 1:
            kept.setdefault(_identity(one), one)
    return list(kept.values())


def examples_of(labels: Iterable[LabelledText], judges: Sequence[str]) -> list[Example]:
    """What persons said of articles, the newest word on each, to learn from: `learnable` as examples."""
    return [_person_s(one) for one in learnable(labels, judges)]


def learnable(labels: Iterable[LabelledText], judges: Sequence[str]) -> list[LabelledText]:
    """The newest word on each question, but for whatever judges a version.

    Left out are audited articles whole, and what is alike, by its title or its text, to one of those or to one of the
    texts `judges`.
    """
    said = list(labels)
    audited = {one.label.article for one in said if one.label.origin == "audit"}
    asked = [one for one in said if one.label.article in audited]
    newest: dict[tuple[str, str, str | None], LabelledText] = {}
    for one in said:
        if one.label.article not in audited:
            newest[one.label.article, one.label.task, one.label.company] = one
    return unlike_told(list(newest.values()), [*judges, *told_texts(asked)])


def told_texts(labels: Iterable[LabelledText]) -> list[str]:
    """Their titles and whole texts, each once."""
    return list(dict.fromkeys(text for one in labels for text in (_text(one), one.title)))


def unlike_told(labels: Sequence[LabelledText], others: Sequence[str]) -> list[LabelledText]:
    """Those that neither by title nor by text are alike to one of `others`."""
    return unlike(unlike(labels, lambda one: one.title, others), _text, others)


def _text(one: LabelledText) -> str:
    return normalise(f"{one.title}\n{one.body}")


def _person_s(one: LabelledText) -> Example:
    text, said = _text(one), one.label
    if said.task == "topic":
        return Example(text, "person", topic=said.value)
    if said.task == "sentiment":
        return Example(text, "person", sentiment=SENTIMENTS.index(said.value))
    company = one.name or said.company
    return Example(text, "person", company=company, company_sentiment=SENTIMENTS.index(said.value))


def split(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Examples by split; near-duplicates fall into one."""
    divided: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for one, leader in zip(examples, near_duplicates([each.text for each in examples]), strict=True):
        digest = hashlib.sha256(_key(examples[leader].text).encode()).hexdigest()
        share = int(digest[:8], 16) / 2**32
        divided[next(name for name, bound in SPLITS.items() if share < bound)].append(one)
    return divided


def near_duplicates(texts: Sequence[str]) -> list[int]:
    """For each text the index of the one that leads its group; alike texts, and texts alike to those, share a leader.

    Exact: every two texts are compared by their word pairs, as a product of sparse matrices. A group's leader is its
    first text.
    """
    if not texts:
        return []
    shingles, sizes = _shingles([_key(text) for text in texts])
    alike: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(texts), BLOCK):
        shared = (shingles[start : start + BLOCK] @ shingles.T).tocoo()
        numbers = shared.row + start
        near = shared.data >= SIMILAR * (sizes[numbers] + sizes[shared.col] - shared.data)
        alike.append((numbers[near], shared.col[near]))
    ones, others = (np.concatenate(side) for side in zip(*alike, strict=True))
    graph = csr_matrix((np.ones(len(ones), dtype=bool), (ones, others)), shape=(len(texts), len(texts)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    leaders: list[int] = first[group].tolist()
    return leaders


T = TypeVar("T")


def unlike(things: Sequence[T], text_of: Callable[[T], str], others: Sequence[str]) -> list[T]:
    """Those whose texts share no group of near-duplicates with one of `others`."""
    leaders = near_duplicates([*others, *map(text_of, things)])[len(others) :]
    return [thing for thing, leader in zip(things, leaders, strict=True) if leader >= len(others)]


def kept_out(splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """The texts that are not to be learned from: those of every split but the training's."""
    return [one.text for name, part in splits.items() if name != "train" for one in part]


def _shingles(keys: Sequence[str]) -> tuple[csr_matrix, np.ndarray]:
    """(texts, pairs of words) with 1 where a text holds the pair, and how many each text holds."""
    number: dict[str, int] = {}
    texts, pairs = [], []
    for text, key in enumerate(keys):
        words = key.split()
        for pair in {" ".join(words[at : at + 2]) for at in range(max(1, len(words) - 1))}:
            texts.append(text)
            pairs.append(number.setdefault(pair, len(number)))
    ones = np.ones(len(texts), dtype=np.int32)
    matrix = csr_matrix((ones, (texts, pairs)), shape=(len(keys), len(number)))
    return matrix, np.asarray(matrix.sum(1)).ravel()


def balance(examples: Iterable[Example]) -> dict[str, Counter[str]]:
    """How often each class is labelled, per task."""
    counted: dict[str, Counter[str]] = {"topic": Counter(), "sentiment": Counter(), "company": Counter()}
    for one in examples:
        if one.topic is not None:
            counted["topic"][one.topic] += 1
        if one.sentiment is not None:
            counted["sentiment"][SENTIMENTS[one.sentiment]] += 1
        if one.company_sentiment is not None:
            counted["company"][SENTIMENTS[one.company_sentiment]] += 1
    return counted


def refuse_gaps(splits: Mapping[str, Sequence[Example]]) -> None:
    """UsageError where a task has nothing to learn from, or nothing to stop and calibrate by."""
    for name in ("train", "validation"):
        if missing := [task for task, classes in balance(splits[name]).items() if not classes]:
            raise UsageError(f"the {name} split has no label of {', '.join(missing)}; give more labelled texts")


def balance_lines(splits: Mapping[str, Sequence[Example]]) -> Iterator[str]:
    """A table for people: how often each class stands in each split."""
    counted = {name: balance(examples) for name, examples in splits.items()}
    yield f"{'':42}" + "".join(f"{name:>12}" for name in splits)
    for head, classes in counted["train"].items():
        for label in sorted(classes):
            cells = "".join(f"{counted[name][head][label]:>12,}" for name in splits)
            yield f"{head + ': ' + label:42}{cells}"


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, for the manifest."""
    return {name: hashlib.sha256((folder / path).read_bytes()).hexdigest() for name, path in FILES.items()}


def _topics(folder: Path) -> Iterator[Example]:
    for where, row in rows(folder / FILES["topic"], ("text", "topic"), tuple(FILES.values())):
        yield Example(normalise(_given(where, row, "text")), "topic", topic=_given(where, row, "topic"))


def _sentiments(folder: Path) -> Iterator[Example]:
    for where, row in rows(folder / FILES["sentiment"], ("text", "sentiment"), tuple(FILES.values())):
        said = _given(where, row, "sentiment")
        if said not in SENTIMENTS:
            raise UsageError(f"{where}: a sentiment is one of {', '.join(SENTIMENTS)}, not {said!r}")
        yield Example(normalise(_given(where, row, "text")), "sentiment", sentiment=SENTIMENTS.index(said))


def _companies(folder: Path) -> Iterator[Example]:
    for where, row in rows(folder / FILES["company"], ("Title", "Decisions"), tuple(FILES.values())):
        text = normalise(_given(where, row, "Title"))
        for company, said in _decisions(_given(where, row, "Decisions")).items():
            if said in SENTIMENTS:
                value = SENTIMENTS.index(said)
                yield Example(text, "company", company=str(company), company_sentiment=value)


def _decisions(written: str) -> dict[object, object]:
    try:
        found = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        found = None
    return found if isinstance(found, dict) else dict(_PAIR.findall(written))


def _given(where: str, row: Mapping[str, str | None], name: str) -> str:
    value = row[name]
    if not value:
        raise UsageError(f"{where}: no {name}; complete the row or take it out")
    return value


def _key(text: str) -> str:
    return _NOT_WORD.sub("", text.lower()).strip()


def _identity(one: Example) -> tuple[object, ...]:
    return _key(one.text), one.company, one.source
