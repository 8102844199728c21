"""`tocsin stories`: which of the given headlines tell the same story. No database, no model."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from monitor.lines import BadLine, Fields, answer_lines, text_of
from monitor.stories import WINDOW, Candidate, Telling, bands, choose_story, sign_many, telling
from monitor.text import MAX_BODY, MAX_TITLE, readable

BATCH = 512


def stories_lines(lines: Iterable[str], out: TextIO) -> int:
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
    """What was told within the window, by band. Articles without a time are as new as the newest before them."""

    def __init__(self) -> None:
        self._by_band: dict[int, list[int]] = defaultdict(list)
        self._told: dict[int, tuple[Telling, int, datetime, tuple[int, ...]]] = {}  # number -> ..., story, at, bands
        self._order: deque[int] = deque()
        self._ids: dict[int, Any] = {}  # story -> its first member's id
        self._members: dict[int, int] = defaultdict(int)
        self._now = datetime.min.replace(tzinfo=UTC)
        self._count = 0

    def place(self, articles: Sequence[Fields]) -> list[Fields]:
        """The story and novelty of each, in order; each is a candidate for the next."""
        told = [
            telling(readable(str(fields["title"]), MAX_TITLE), readable(text_of(fields, "body"), MAX_BODY))
            for fields in articles
        ]
        return [
            self._place(fields, one, bands(signature, one.headline))
            for fields, one, signature in zip(articles, told, sign_many(told), strict=True)
        ]

    def _place(self, fields: Fields, told: Telling, keys: tuple[int, ...]) -> Fields:
        at = _published(fields) or self._now
        self._now = max(self._now, at)
        self._forget()
        near = sorted({number for key in keys for number in self._by_band.get(key, ())})
        near = [number for number in near if abs(self._told[number][2] - at) <= WINDOW]
        place = choose_story(told, (Candidate("", str(self._told[n][1]), self._told[n][0]) for n in near))
        number, self._count = self._count, self._count + 1
        story = number if place.story is None else int(place.story)
        if place.story is None:
            self._ids[story] = fields["id"]
        self._told[number] = (told, story, at, keys)
        self._members[story] += 1
        self._order.append(number)
        for key in keys:
            self._by_band[key].append(number)
        return {"id": fields["id"], "story": self._ids[story], "novelty": place.novelty}

    def _forget(self) -> None:
        """Drop what no later article can match, so that memory is bounded by the window."""
        while self._order and self._now - self._told[self._order[0]][2] > 2 * WINDOW:
            number = self._order.popleft()
            _told, story, _at, keys = self._told.pop(number)
            for key in keys:
                self._by_band[key].remove(number)
                if not self._by_band[key]:
                    del self._by_band[key]
            self._members[story] -= 1
            if not self._members[story]:
                del self._members[story], self._ids[story]
