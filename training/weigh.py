"""What two versions are asked, and what they answer: the evidence that the gate decides on. Flips nothing.

No text that one of them may have learned judges either: neither a label that it, a teacher of it or a version it goes
on from learned, nor what is alike to one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from monitor.classifier.protocol import Classifier
from monitor.rescoring import Loadable
from monitor.store.labels import LabelledText
from monitor.types import SENTIMENTS, Judgement, Passage
from training.data import Example, file_hashes, read_examples, split, told_texts, unlike, unlike_told
from training.gate import Trial, Verdict, decide
from training.lineage import Find, learned_by, lineage, strangers
from training.tell import Tell

NEWEST_AUDITS = 2_000
HEADS = ("topic", "sentiment", "company")
NOT_ITS_OWN = (
    "no gate split that {} has surely not learned from (its labelled files are others; add their folder with a further"
    " --data)"
)


class Question(NamedTuple):
    """A passage with the answer that one head should give."""

    head: str
    passage: Passage
    answer: str


class Gate(NamedTuple):
    """A gate split, and which versions are known to have learned none of it."""

    examples: Sequence[Example] = ()
    sets: Sequence[Mapping[str, str]] = ()
    """Those that learned from these labelled sets alone: of each, what `file_hashes` gives."""


def gate_of(data: Sequence[Path]) -> Gate:
    """The gate split of the first folder of labelled sets, without what is alike to a learned text of the others.

    Where other rows lie beside a text it falls into another split: a version is asked nothing of a folder that it did
    not learn from, unless its own lies beside it.
    """
    if not data:
        return Gate()
    first, *others = [split(read_examples(folder)) for folder in data]
    learned = [one.text for splits in others for name in ("train", "validation") for one in splits[name]]
    fresh = unlike(first["gate"], lambda one: one.text, learned)
    return Gate(fresh, [file_hashes(folder) for folder in data])


def weigh(
    said: Sequence[LabelledText],
    candidate: Loadable,
    champion: Loadable,
    find: Find,
    gate: Gate,
    force: str,
    tell: Tell,
) -> Verdict:
    """Both versions' answers to the gate split and to the newest audit labels, and what the gate says of them."""
    versions = [one for model in (candidate, champion) for one in lineage(model.manifest.everything, find)]
    learned = learned_by(versions, said)
    others = strangers(versions, gate.sets)
    examples = () if others else unlike(gate.examples, lambda one: one.text, told_texts(learned))
    asked = [questions_of(examples), audits_of(said, learned)]
    if any(asked):
        both = f"{champion.manifest.version} and {candidate.manifest.version}"
        tell(f"{both} answer {len(asked[0]):,} questions of the gate split and {len(asked[1]):,} of the audits")
    told: list[list[list[str]]] = []
    for model in (champion, candidate):  # one after the other: only one is in memory
        classifier = model.load() if any(asked) else None
        told.append([answers(classifier, questions) for questions in asked])
    of_gate, audits = (trials(questions, old, new) for questions, old, new in zip(asked, *told, strict=True))
    if gate.examples and others:
        return decide(of_gate, audits, force, NOT_ITS_OWN.format(" and ".join(others)))
    return decide(of_gate, audits, force)


def questions_of(examples: Iterable[Example]) -> list[Question]:
    found: list[Question] = []
    for one in examples:
        if one.topic is not None:
            found.append(Question("topic", Passage(one.text), one.topic))
        if one.sentiment is not None:
            found.append(Question("sentiment", Passage(one.text), SENTIMENTS[one.sentiment]))
        if one.company_sentiment is not None and one.company is not None:
            found.append(Question("company", Passage(one.text, (one.company,)), SENTIMENTS[one.company_sentiment]))
    return found


def audits_of(said: Iterable[LabelledText], learned: Sequence[LabelledText]) -> list[Question]:
    """The newest NEWEST_AUDITS audit labels, of each question the last one given.

    Left out are articles that are alike to one `learned`, by title or text, as its copies are.
    """
    audits = unlike_told([one for one in said if one.label.origin == "audit"], told_texts(learned))
    newest: dict[tuple[str, str, str | None], Question] = {}
    for one in audits:
        key = (one.label.article, one.label.task, one.label.company)
        text = f"{one.title}\n{one.body}" if one.body else one.title
        names = (one.name or one.label.company,) if one.label.company else ()
        newest.pop(key, None)  # so that it stands at the end again
        newest[key] = Question(one.label.task, Passage(text, names), one.label.value)
    return list(newest.values())[-NEWEST_AUDITS:]


def answers(classifier: Classifier | None, questions: Sequence[Question]) -> list[str]:
    judged = classifier.classify([one.passage for one in questions]) if classifier and questions else []
    return [_answer(one.head, judgement) for one, judgement in zip(questions, judged, strict=True)]


def _answer(head: str, judgement: Judgement) -> str:
    if head == "topic":
        return judgement.topic
    return judgement.sentiment if head == "sentiment" else judgement.entities[0].sentiment


def trials(questions: Sequence[Question], old: Sequence[str], new: Sequence[str]) -> list[Trial]:
    """By head. A topic that only one of the versions knows is a class like any other."""
    by_head: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for question, before, after in zip(questions, old, new, strict=True):
        by_head[question.head].append((question.answer, before, after))
    found = []
    for head in HEADS:
        if rows := by_head.get(head):
            classes = list(SENTIMENTS) if head != "topic" else sorted({name for row in rows for name in row})
            columns = (np.array([classes.index(name) for name in column]) for column in zip(*rows, strict=True))
            found.append(Trial(head, classes, *columns))
    return found
