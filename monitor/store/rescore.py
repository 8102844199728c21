"""Scores of stored articles under another model version: they are added, never overwritten. Classifies nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from monitor.store.counting import UNLABELLED, is_late
from monitor.store.engine import Database, cursor_of, lock, transaction
from monitor.store.save import model_id, write_scores
from monitor.store.stored import labelled, tagged_articles
from monitor.store.tallying import Part, count, parts_of
from monitor.types import Classified, TaggedArticle


class Coverage(NamedTuple):
    """How much of a stretch of news a model version has judged."""

    articles: int
    scored: int


def unscored(
    database: Database, version: str, since: datetime, limit: int, after: tuple[datetime, str] | None = None
) -> list[TaggedArticle]:
    """Articles counted at `since` or later that the version has not judged, oldest first.

    `after` is (counted_at, id) of the last one seen: the way through a long history without looking twice.
    """
    start, beyond = after or (since, "")
    condition = (
        "(a.counted_at, a.id) > (%s, %s) AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.article = a.id"
        " AND s.model = %s) ORDER BY a.counted_at, a.id LIMIT %s"
    )
    with transaction(database) as connection:
        cursor = cursor_of(connection)
        model = model_id(cursor, version)
        found = tagged_articles(cursor, condition, [start, beyond, model, limit])
    return [one.tagged for one in found]


def missed(database: Database, version: str, since: datetime, limit: int) -> list[TaggedArticle]:
    """Articles stored at `since` or later, whenever they count, that the version has not judged."""
    condition = (
        "a.stored_at >= %s AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.article = a.id AND s.model = %s)"
        " ORDER BY a.counted_at, a.id LIMIT %s"
    )
    with transaction(database) as connection:
        cursor = cursor_of(connection)
        found = tagged_articles(cursor, condition, [since, model_id(cursor, version), limit])
    return [one.tagged for one in found]


def save_scores(database: Database, classified: Sequence[Classified], now: datetime) -> int:
    """Keep one version's judgements of stored articles, and count their stories under it; how many were new.

    What is older than LATE counts as back-fill: it never opens or grows an episode, and the detector learns it anew.
    What is younger is the present's news and stays so: an episode that is open goes on under the version.
    """
    if not classified:
        return 0
    with transaction(database) as connection:
        cursor = lock(connection)
        model = model_id(cursor, classified[0].model)
        ids = [one.tagged.article.id for one in classified]
        known = cursor.execute("SELECT article FROM scores WHERE model = %s AND article = ANY(%s)", [model, ids])
        scored = {row[0] for row in known}
        fresh = [one for one in classified if one.tagged.article.id not in scored]
        write_scores(cursor, fresh, model, now)
        stories = dict(cursor.execute("SELECT id, story FROM articles WHERE id = ANY(%s)", [ids]).fetchall())
        said = labelled(cursor, ids)
        parts: list[Part] = []
        for one in fresh:
            article = one.tagged.article
            label = said.get(article.id, UNLABELLED)
            parts += parts_of(one, stories[article.id], is_backfill=is_late(article, now), labelled=label)
        count(cursor, parts, model)
    return len(fresh)


def coverage(database: Database, version: str, since: datetime, until: datetime) -> Coverage:
    """Of the articles counted in [since, until)."""
    with transaction(database) as connection:
        cursor = cursor_of(connection)
        model = model_id(cursor, version)
        row = cursor.execute(
            "SELECT count(*), count(s.article) FROM articles a LEFT JOIN scores s ON s.article = a.id AND s.model = %s"
            " WHERE a.counted_at >= %s AND a.counted_at < %s",
            [model, since, until],
        ).fetchone()
    return Coverage(*row) if row else Coverage(0, 0)
