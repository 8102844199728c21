"""What an article counts for: which scopes, with which sentiment. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.types import SENTIMENTS, Article, Classified, Kind, Probabilities, Scope, Sentiment, bucket_of

LATE = timedelta(hours=6)
"""What is counted longer ago than this when it arrives never opens or grows an episode."""

EVERYTHING = Scope()


class Tally(NamedTuple):
    """One article's part in one scope; counted if the story is not yet counted there."""

    scope: Scope
    kind: Kind
    at: datetime
    negative: bool
    positive: bool
    score: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """What persons have said of an article; it stands above the model."""

    topic: str | None = None
    sentiment: Sentiment | None = None
    companies: Mapping[str, Sentiment] | None = None


UNLABELLED = Labelled()


def tallies(classified: Classified, labelled: Labelled = UNLABELLED) -> Iterator[Tally]:
    """All, its topic, each company it names, and the topic at each company: there with the sentiment toward it."""
    judgement, tagged = classified.judgement, classified.tagged
    kind, at = tagged.article.kind, bucket_of(tagged.article.counted_at)
    topic = labelled.topic or judgement.topic
    general = _opinion(judgement.probabilities, labelled.sentiment)
    yield Tally(EVERYTHING, kind, at, *general)
    yield Tally(Scope(topic=topic), kind, at, *general)
    for mention, toward in zip(tagged.mentions, judgement.entities, strict=True):
        spoken = (labelled.companies or {}).get(mention.company)
        own = _opinion(toward, spoken)
        yield Tally(Scope(mention.company), kind, at, *own)
        yield Tally(Scope(mention.company, topic), kind, at, *own)


def is_late(article: Article, now: datetime) -> bool:
    """A back-fill, or so old on arrival that it is none of the present's news."""
    return article.is_backfill or now - article.counted_at > LATE


def _opinion(probabilities: Probabilities, label: Sentiment | None) -> tuple[bool, bool, float]:
    if label is not None:
        return label == "negative", label == "positive", float(SENTIMENTS.index(label) - 1)
    sentiment = probabilities.sentiment
    return sentiment == "negative", sentiment == "positive", probabilities.score
