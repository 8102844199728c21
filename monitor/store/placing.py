"""Finds each new article's story among those of the last 72 h and of its own batch. Writes nothing.

Called under `save`'s lock: what is looked up here cannot change until the transaction ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from monitor.headlines import LEAD_CHARACTERS, telling
from monitor.stories import PER_BAND, WINDOW, Candidate, Signed, choose_story

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
class Placed:
    """An article in its story."""

    signed: Signed
    story: str
    novelty: float

    @property
    def is_first(self) -> bool:
        return self.story == self.signed.article.id


def place(cursor: Cursor[Any], signed: Sequence[Signed]) -> list[Placed]:
    """In the order given: an article may join the story of one before it."""
    stored = _nearby(cursor, signed)
    times = Counter(band for one in signed for band in one.bands)
    recent: dict[int, deque[tuple[datetime, Candidate]]] = {
        band: deque(maxlen=PER_BAND) for band, count in times.items() if count > 1
    }
    placed = []
    for number, one in enumerate(signed):
        at = one.article.counted_at
        shared = [recent[band] for band in one.bands if band in recent]
        beside = {
            candidate.article: candidate
            for several in shared
            for when, candidate in several
            if abs(when - at) <= WINDOW
        }
        found = choose_story(one.told, [*stored.get(number, ()), *beside.values()])
        here = Placed(one, found.story or one.article.id, found.novelty)
        placed.append(here)
        if shared:
            later = at, Candidate(one.article.id, here.story, one.told)
            for several in shared:
                several.append(later)
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
    cursor.execute(_NEARBY, [array(column) for column in zip(*wanted, strict=True)])
    for number, _at, article, story, title, lead in cursor:
        found[number].append(Candidate(article, story, telling(title, lead)))
    return found


def array(numbers: Iterable[object]) -> str:
    """A Postgres array literal of numbers: several times faster than adapting a list."""
    return "{" + ",".join(map(str, numbers)) + "}"
