"""What a version of ours answers to labelled examples, through the very code that serves. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.classifier.transformer import Pooled, TransformerClassifier, softmax
from monitor.types import Passage
from training.data import Example
from training.feed import HEADS


@dataclass(frozen=True, slots=True)
class Answers:
    """One head's answers to the examples that have its label."""

    examples: list[Example]
    labels: np.ndarray
    logits: np.ndarray
    """(examples, classes), before the temperature."""
    topics: np.ndarray
    """(examples,) the topic that the version tells for each, as an index of its topics."""

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        return softmax(self.logits.astype(np.float64) / temperature)

    def predictions(self) -> np.ndarray:
        found: np.ndarray = self.logits.argmax(-1)
        return found


def answers_of(classifier: TransformerClassifier, examples: Sequence[Example]) -> dict[str, Answers]:
    """Each head's answers; a head without an example is left out, and so are topics that the version cannot know."""
    topics = classifier.manifest.topics
    found = {}
    for head in HEADS:
        asked = [one for one in examples if head_of(one) == head and (head != "topic" or one.topic in topics)]
        if asked:
            pooled = classifier.pooled([Passage(one.text, (one.company,) if one.company else ()) for one in asked])
            labels = np.array([label_index(one, topics) for one in asked])
            found[head] = Answers(asked, labels, _of_head(pooled, head, len(asked)), pooled.topics.argmax(-1))
    return found


def head_of(example: Example) -> str:
    """The head that has the example's label."""
    if example.topic is not None:
        return "topic"
    return "company" if example.company is not None else "sentiment"


def label_index(example: Example, topics: Sequence[str]) -> int:
    if example.topic is not None:
        return topics.index(example.topic)
    label = example.sentiment if example.sentiment is not None else example.company_sentiment
    if label is None:
        raise ValueError(f"an example without a label: {example.text!r}")
    return label


def _of_head(pooled: Pooled, head: str, count: int) -> np.ndarray:
    if head == "topic":
        return pooled.topics
    if head == "sentiment":
        return pooled.sentiments
    return np.stack([pooled.companies[at, 0] for at in range(count)])
