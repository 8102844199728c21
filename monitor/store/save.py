"""The worker's one transaction: articles, stories, scores, counts, watermarks, dead letters. Reads nothing for others.

Idempotent: an article whose id is stored already changes nothing, so a batch may be saved any number of times.
One advisory lock is held for the transaction, so that two workers can neither split a story nor deadlock on counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from monitor.broker.protocol import Message
from monitor.errors import ModelUnavailable
from monitor.store.counting import is_late
from monitor.store.engine import Database, copy_rows, lock, transaction
from monitor.store.placing import Placed, place
from monitor.store.tallying import Part, count, parts_of
from monitor.stories import Signed, sign_articles
from monitor.types import Classified, Rejected

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The watermark of a partition in which no article was seen yet."""


class Progress(NamedTuple):
    """How far a batch reaches in one partition. `seen` is the newest article's; None if none could be read."""

    topic: str
    partition: int
    offset: int
    seen: datetime | None


class DeadMessage(NamedTuple):
    """A message that can never become an article, and why."""

    message: Message
    why: Rejected


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save changed."""

    articles: int
    stories: int


def save(
    database: Database,
    classified: Sequence[Classified],
    dead: Sequence[DeadMessage],
    progress: Sequence[Progress],
    now: datetime,
    signed: Mapping[str, Signed] | None = None,
) -> Saved:
    """Store a batch whole or not at all. Unavailable where the database is away; then it may be called again.

    All of a batch is judged by one model version, which is registered. Of articles with one id the first is stored.
    `signed` is what sign_articles made of them, where the caller had time for it before.
    """
    distinct = list({one.tagged.article.id: one for one in reversed(classified)}.values())[::-1]
    if signed is None:
        signed = sign_articles([one.tagged.article for one in distinct])
    with transaction(database) as connection:
        cursor = lock(connection)
        known = _known(cursor, [one.tagged.article.id for one in distinct])
        fresh = [one for one in distinct if one.tagged.article.id not in known]
        placed = place(cursor, [signed[one.tagged.article.id] for one in fresh])
        if fresh:
            _write_articles(cursor, fresh, placed, now)
            _write_stories(cursor, placed)
            model = model_id(cursor, fresh[0].model)
            write_scores(cursor, fresh, model, now)
            count(cursor, _counted(fresh, placed, now), model)
        _write_dead(cursor, dead, now)
        _write_progress(cursor, progress, now)
    return Saved(len(fresh), sum(one.is_first for one in placed))


def model_id(cursor: Cursor[Any], version: str) -> int:
    row = cursor.execute("SELECT id FROM models WHERE version = %s", [version]).fetchone()
    if row is None:
        raise ModelUnavailable(f"model version {version!r} is not registered in this database; see `tocsin models`")
    return int(row[0])


def write_scores(cursor: Cursor[Any], classified: Sequence[Classified], model: int, now: datetime) -> None:
    """One model version's judgements of articles that it has not judged before."""
    copy_rows(
        cursor,
        "scores (article, model, topic, topic_probability, negative, neutral, positive, scored_at)",
        (
            (one.tagged.article.id, model, judged.topic, judged.topic_probability, *judged.probabilities, now)
            for one in classified
            for judged in [one.judgement]
        ),
    )
    copy_rows(
        cursor,
        "company_scores (article, company, model, negative, neutral, positive)",
        (
            (one.tagged.article.id, mention.company, model, *toward)
            for one in classified
            for mention, toward in zip(one.tagged.mentions, one.judgement.entities, strict=True)
        ),
    )


def _known(cursor: Cursor[Any], ids: list[str]) -> set[str]:
    return {row[0] for row in cursor.execute("SELECT id FROM articles WHERE id = ANY(%s)", [ids])}


def _counted(fresh: Sequence[Classified], placed: Sequence[Placed], now: datetime) -> list[Part]:
    return [
        part
        for one, where in zip(fresh, placed, strict=True)
        for part in parts_of(one, where.story, is_backfill=is_late(one.tagged.article, now))
    ]


def _write_articles(cursor: Cursor[Any], fresh: Sequence[Classified], placed: Sequence[Placed], now: datetime) -> None:
    copy_rows(
        cursor,
        "articles (id, source, kind, publisher, family, author, url, title, body, published, seen, counted_at,"
        " is_backfill, story, novelty, stored_at)",
        (
            (
                *(a.id, a.source, a.kind, a.publisher, a.family, a.author, a.url, a.title, a.body),
                *(a.published, a.seen, a.counted_at, is_late(a, now), one.story, one.novelty, now),
            )
            for one in placed
            for a in [one.signed.article]
        ),
    )
    copy_rows(
        cursor,
        "mentions (article, company, surface, counted_at)",
        (
            (one.tagged.article.id, mention.company, mention.surface, one.tagged.article.counted_at)
            for one in fresh
            for mention in one.tagged.mentions
        ),
    )
    companies = {mention.company: mention for one in fresh for mention in one.tagged.mentions}
    cursor.executemany(
        "INSERT INTO companies (company, name, ticker) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [(mention.company, mention.name, mention.ticker) for mention in companies.values()],
    )


def _write_stories(cursor: Cursor[Any], placed: Sequence[Placed]) -> None:
    copy_rows(
        cursor,
        "story_bands (band, counted_at, article)",
        ((band, one.signed.article.counted_at, one.signed.article.id) for one in placed for band in one.signed.bands),
    )
    members: dict[str, list[Placed]] = {}
    for one in placed:
        members.setdefault(one.story, []).append(one)
    new = {story for story, several in members.items() if several[0].is_first}
    stories = [(story, len(several), *_span(several)) for story, several in members.items()]
    witnesses = {(one.story, one.signed.article.witness): one.story in new for one in placed}
    # Of a story that began in this batch nothing is stored yet; the few others go row by row.
    copy_rows(cursor, "stories (story, articles, first_at, last_at)", (row for row in stories if row[0] in new))
    copy_rows(cursor, "story_publishers (story, family)", (row for row, is_new in witnesses.items() if is_new))
    cursor.executemany(
        "UPDATE stories SET articles = articles + %s, first_at = least(first_at, %s), last_at = greatest(last_at, %s)"
        " WHERE story = %s",
        [(*row[1:], row[0]) for row in stories if row[0] not in new],
    )
    cursor.executemany(
        "INSERT INTO story_publishers (story, family) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [row for row, is_new in witnesses.items() if not is_new],
    )


def _span(placed: Sequence[Placed]) -> tuple[datetime, datetime]:
    times = [one.signed.article.counted_at for one in placed]
    return min(times), max(times)


def _write_dead(cursor: Cursor[Any], dead: Sequence[DeadMessage], now: datetime) -> None:
    cursor.executemany(
        'INSERT INTO dead_letters (topic, partition, "offset", payload, reason, at) VALUES (%s, %s, %s, %s, %s, %s)'
        " ON CONFLICT DO NOTHING",
        [
            (message.topic, message.partition, message.offset, message.value, _storable(why.reason), now)
            for message, why in dead
        ],
    )


def _write_progress(cursor: Cursor[Any], progress: Sequence[Progress], now: datetime) -> None:
    cursor.executemany(
        'INSERT INTO watermarks AS w (topic, partition, "offset", counted_at, saved_at) VALUES (%s, %s, %s, %s, %s)'
        ' ON CONFLICT (topic, partition) DO UPDATE SET "offset" = greatest(w."offset", EXCLUDED."offset"),'
        " counted_at = greatest(w.counted_at, EXCLUDED.counted_at), saved_at = EXCLUDED.saved_at",
        [(one.topic, one.partition, one.offset, one.seen or NEVER, now) for one in progress],
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
