"""`tocsin stories`: which of the given headlines tell the same story. No database, no model."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from monitor.headlines import Telling, telling
from monitor.lines import BadLine, Fields, answer_lines, text_of
from monitor.stories import PER_BAND, WINDOW, Candidate, bands, choose_story, sign_many, similarity
from monitor.text import MAX_BODY, MAX_TITLE, readable

BATCH = 512
HELD = 100_000
"""Most articles remembered, some 300 MB."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Held:
    """An article that later ones may match."""

    identity: str
    told: Telling
    story: int
    at: datetime
    keys: tuple[int, ...]


def stories_lines(lines: Iterable[str | None], out: TextIO) -> int:
    """Answer JSON lines `id, title[, body, publisher, url, published]` with `id, story, novelty`; returns the bad."""
    return answer_lines(lines, out, _check, StoryIndex().place, batch=BATCH)


def _check(fields: Fields) -> None:
    text_of(fields, "title", required=True)
    text_of(fields, "body")
    _published(fields)


def _published(fields: Fields) -> datetime | None:
    value = text_of(fields, "published")
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadLine(f"published is no ISO 8601 time: {value[:40]!r}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class StoryIndex:
    """What was told within the window, by band. An article without a time is as new as the last one that has one.

    Memory is bounded by the window, and by HELD where the times don't tell. One wrong date forgets nothing: the
    window's end is the median of the last times.
    """

    def __init__(self) -> None:
        self._by_band: dict[int, deque[int]] = {}
        self._held: dict[int, _Held] = {}  # by number, the oldest first
        self._known: dict[str, _Held] = {}  # by id
        self._firsts: dict[int, Any] = {}  # story -> its first member's id
        self._members: dict[int, int] = defaultdict(int)
        self._times: deque[datetime] = deque(maxlen=101)
        self._count = 0

    def place(self, articles: Sequence[Fields]) -> list[Fields]:
        """The story and novelty of each, in order; each is a candidate for the next."""
        told = [
            telling(readable(str(fields["title"]), MAX_TITLE), readable(text_of(fields, "body"), MAX_BODY))
            for fields in articles
        ]
        placed = [
            self._place(fields, one, bands(signature, one))
            for fields, one, signature in zip(articles, told, sign_many(told), strict=True)
        ]
        self._forget()
        return placed

    def _place(self, fields: Fields, told: Telling, keys: tuple[int, ...]) -> Fields:
        at = _published(fields) or (self._times[-1] if self._times else EPOCH)
        self._times.append(at)
        identity = json.dumps(fields["id"])
        before = self._known.get(identity)
        if before is not None:  # the same article again, whatever it says now
            return self._answer(fields, before.story, 1.0 - similarity(told, before.told))
        place = choose_story(told, self._near(keys, at))
        number, self._count = self._count, self._count + 1
        story = number if place.story is None else int(place.story)
        if place.story is None:
            self._firsts[story] = fields["id"]
        self._held[number] = self._known[identity] = _Held(identity, told, story, at, keys)
        self._members[story] += 1
        for key in keys:
            self._by_band.setdefault(key, deque(maxlen=PER_BAND)).append(number)
        return self._answer(fields, story, place.novelty)

    def _answer(self, fields: Fields, story: int, novelty: float) -> Fields:
        return {"id": fields["id"], "story": self._firsts[story], "novelty": round(novelty, 4)}

    def _near(self, keys: tuple[int, ...], at: datetime) -> Iterator[Candidate]:
        for number in sorted({number for key in keys for number in self._by_band.get(key, ())}):
            held = self._held[number]
            if abs(held.at - at) <= WINDOW:
                yield Candidate("", str(held.story), held.told)

    def _forget(self) -> None:
        """Drop what no later article can match."""
        now = sorted(self._times)[len(self._times) // 2]
        while self._held:
            number, held = next(iter(self._held.items()))
            if now - held.at <= 2 * WINDOW and len(self._held) <= HELD:
                return
            del self._held[number], self._known[held.identity]
            for key in held.keys:
                numbers = self._by_band.get(key)
                if numbers and numbers[0] == number:
                    numbers.popleft()
                    if not numbers:
                        del self._by_band[key]
            self._members[held.story] -= 1
            if not self._members[held.story]:
                del self._members[held.story], self._firsts[held.story]
