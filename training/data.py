"""Labelled files -> examples in four splits. Reads, cleans and divides; trains nothing.

Three sets label three things: topics and sentiments of posts (Twitter Financial News), and sentiments toward the
companies a headline names (SEntFiN). An example carries the labels its set has; the others are None.

A text that repeats with another label is dropped whole, a plain repeat is kept once. Near-duplicates are grouped
across all sets, and a group falls into one split by the hash of its first text: no copy of a test text is trained on,
and about one in a hundred has a near-duplicate there that the search missed. The same files always give the same
splits.
"""

from __future__ import annotations

import ast
import csv
import gzip
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasketch import MinHash, MinHashLSH

from monitor.classifier.reading import normalise
from monitor.errors import UsageError
from monitor.types import SENTIMENTS

FILES = {
    "topic": "twitter-financial-news/topic_train.csv.gz",
    "sentiment": "twitter-financial-news/sentiment_train.csv.gz",
    "company": "sentfin/sentfin.csv.gz",
}
SPLITS: Mapping[str, float] = {"train": 0.76, "validation": 0.84, "gate": 0.92, "test": 1.0}
"""Upper bounds of a group's hash in [0, 1)."""
SIMILAR = 0.6
"""Jaccard similarity of word pairs above which two texts are near-duplicates. The search is approximate: counted
exactly, 32 of 2,997 test texts have a training text this similar, and none has one of 0.8 or more."""
HASHES = 64

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


def split(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Examples by split; near-duplicates fall into one."""
    divided: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for one, leader in zip(examples, near_duplicates([each.text for each in examples]), strict=True):
        digest = hashlib.sha256(_key(examples[leader].text).encode()).hexdigest()
        share = int(digest[:8], 16) / 2**32
        divided[next(name for name, bound in SPLITS.items() if share < bound)].append(one)
    return divided


def near_duplicates(texts: Sequence[str]) -> list[int]:
    """For each text the index of one that leads its group; alike texts, and texts alike to those, share a leader."""
    leader = list(range(len(texts)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    index = MinHashLSH(threshold=SIMILAR, num_perm=HASHES)
    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        key = _key(text)
        if key in first:
            leader[find(number)] = find(first[key])
            continue
        first[key] = number
        words = key.split()
        pairs = {" ".join(words[start : start + 2]).encode() for start in range(max(1, len(words) - 1))}
        signature = MinHash(HASHES)
        signature.update_batch(list(pairs))
        for near in index.query(signature):
            leader[find(number)] = find(near)
        index.insert(number, signature, check_duplication=False)
    return [find(number) for number in range(len(texts))]


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


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, for the manifest."""
    return {name: hashlib.sha256((folder / path).read_bytes()).hexdigest() for name, path in FILES.items()}


def _topics(folder: Path) -> Iterator[Example]:
    for row in _rows(folder / FILES["topic"]):
        yield Example(normalise(row["text"]), "topic", topic=row["topic"])


def _sentiments(folder: Path) -> Iterator[Example]:
    for row in _rows(folder / FILES["sentiment"]):
        yield Example(normalise(row["text"]), "sentiment", sentiment=SENTIMENTS.index(row["sentiment"]))


def _companies(folder: Path) -> Iterator[Example]:
    for row in _rows(folder / FILES["company"]):
        try:
            decisions = dict(ast.literal_eval(row["Decisions"]))
        except (ValueError, SyntaxError):
            decisions = dict(_PAIR.findall(row["Decisions"]))
        for company, said in decisions.items():
            if said in SENTIMENTS:
                text, value = normalise(row["Title"]), SENTIMENTS.index(said)
                yield Example(text, "company", company=company, company_sentiment=value)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise UsageError(f"no {path}; --data names the folder that holds {', '.join(FILES.values())}")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _key(text: str) -> str:
    return _NOT_WORD.sub("", text.lower()).strip()


def _identity(one: Example) -> tuple[object, ...]:
    return _key(one.text), one.company, one.source
