"""Finds each new article's story among those of the last 72 h and of its own batch. Writes nothing.

Called under `save`'s lock: what is looked up here cannot change until the transaction ends.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from monitor.headlines import LEAD_CHARACTERS, Telling, telling
from monitor.stories import PER_BAND, WINDOW, Candidate, bands, choose_story, sign_many
from monitor.types import Article

_NEARBY = f"""
SELECT DISTINCT wanted.n, a.counted_at, a.id, a.story, a.title, left(a.body, {LEAD_CHARACTERS})
FROM unnest(%s::bigint[], %s::int[], %s::bigint[]) AS wanted(band, n, at)
CROSS JOIN LATERAL (
    SELECT article FROM story_bands WHERE band = wanted.band
    AND counted_at BETWEEN to_timestamp(wanted.at - {int(WINDOW.total_seconds())})
                       AND to_timestamp(wanted.at + {int(WINDOW.total_seconds())})
    ORDER BY counted_at DESC LIMIT {PER_BAND}) AS near
JOIN articles a ON a.id = near.article
ORDER BY wanted.n, a.counted_at, a.id
"""  # noqa: S608  only our own numbers are put in


@dataclass(frozen=True, slots=True)
class Signed:
    """An article with what it is compared by and looked up by."""

    article: Article
    told: Telling
    bands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """An article in its story."""

    signed: Signed
    story: str
    novelty: float

    @property
    def is_first(self) -> bool:
        return self.story == self.signed.article.id


def sign_articles(articles: Sequence[Article]) -> list[Signed]:
    """The costly part, before any lock."""
    tellings = [telling(article.title, article.body[:LEAD_CHARACTERS]) for article in articles]
    return [
        Signed(article, told, bands(signature, told))
        for article, told, signature in zip(articles, tellings, sign_many(tellings), strict=True)
    ]


def place(cursor: Cursor[Any], signed: Sequence[Signed]) -> list[Placed]:
    """In the order given: an article may join the story of one before it."""
    stored = _nearby(cursor, signed)
    recent: dict[int, deque[tuple[datetime, Candidate]]] = defaultdict(lambda: deque(maxlen=PER_BAND))
    placed = []
    for number, one in enumerate(signed):
        at = one.article.counted_at
        beside = {
            candidate.article: candidate
            for band in one.bands
            for when, candidate in recent[band]
            if abs(when - at) <= WINDOW
        }
        found = choose_story(one.told, [*stored.get(number, ()), *beside.values()])
        here = Placed(one, found.story or one.article.id, found.novelty)
        placed.append(here)
        for band in one.bands:
            recent[band].append((at, Candidate(one.article.id, here.story, one.told)))
    return placed


def _nearby(cursor: Cursor[Any], signed: Sequence[Signed]) -> dict[int, list[Candidate]]:
    wanted = [
        (band, number, at)
        for number, one in enumerate(signed)
        for at in [int(one.article.counted_at.timestamp())]
        for band in one.bands
    ]
    found: dict[int, list[Candidate]] = defaultdict(list)
    if not wanted:
        return found
    tellings: dict[str, Telling] = {}
    cursor.execute(_NEARBY, [array(column) for column in zip(*wanted, strict=True)])
    for number, _at, article, story, title, lead in cursor:
        told = tellings.get(article)
        if told is None:
            told = tellings[article] = telling(title, lead)
        found[number].append(Candidate(article, story, told))
    return found


def array(numbers: Iterable[object]) -> str:
    """A Postgres array literal of numbers: several times faster than adapting a list."""
    return "{" + ",".join(map(str, numbers)) + "}"
