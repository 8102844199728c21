"""`tocsin classify`: JSON lines in, labels out. No database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from monitor.classifier.protocol import Classifier
from monitor.entities import Companies
from monitor.lines import BadLine, Fields, answer_lines, text_of
from monitor.text import MAX_BODY, MAX_TITLE, readable
from monitor.types import SENTIMENTS, Mention, Passage, Probabilities

BATCH = 512
DIGITS = 6


def classify_lines(lines: Iterable[str | None], out: TextIO, classifier: Classifier, companies: Companies) -> int:
    """Answer JSON lines `id, text` or `id, title[, body]`, optionally with `entities`; returns the bad ones."""

    def answer(batch: Sequence[Fields]) -> list[Fields]:
        texts = [_text(fields) for fields in batch]
        named = [_named(fields, text, companies) for fields, text in zip(batch, texts, strict=True)]
        passages = [
            Passage(text, tuple(readable(one.surface, MAX_TITLE) for one in mentions))
            for text, mentions in zip(texts, named, strict=True)
        ]
        judged = classifier.classify(passages)
        return [
            {
                "id": fields["id"],
                "topic": one.topic,
                "topic_probability": round(one.topic_probability, DIGITS),
                **_sentiment(one.probabilities),
                "entities": [
                    {"entity": mention.surface, "ticker": mention.ticker, **_sentiment(toward)}
                    for mention, toward in zip(mentions, one.entities, strict=True)
                ],
                "model": classifier.version,
            }
            for fields, mentions, one in zip(batch, named, judged, strict=True)
        ]

    return answer_lines(lines, out, _check, answer, batch=BATCH)


def _sentiment(probabilities: Probabilities) -> dict[str, Any]:
    return {
        "sentiment": probabilities.sentiment,
        "probabilities": {name: round(p, DIGITS) for name, p in zip(SENTIMENTS, probabilities, strict=True)},
        "score": round(probabilities.score, DIGITS),
    }


def _check(fields: Fields) -> None:
    if "text" not in fields and "title" not in fields:
        raise BadLine("needs text, or title and body")
    if not _text(fields):
        raise BadLine("the text is empty")
    entities = fields.get("entities")
    if entities is not None and not (
        isinstance(entities, list) and all(isinstance(name, str) and readable(name, MAX_TITLE) for name in entities)
    ):
        raise BadLine("entities must be a list of names")


def _text(fields: Fields) -> str:
    if text := readable(text_of(fields, "text"), MAX_BODY):
        return text
    title, body = readable(text_of(fields, "title"), MAX_TITLE), readable(text_of(fields, "body"), MAX_BODY)
    return f"{title}\n{body}" if title and body else title or body


def _named(fields: Fields, text: str, companies: Companies) -> tuple[Mention, ...]:
    """The companies asked for, verbatim and in order; else those the text names."""
    if fields.get("entities") is None:
        return companies.find(text)
    return tuple(Mention(name, name, companies.ticker_of(name), name) for name in fields["entities"])
