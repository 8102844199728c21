"""The stories behind a stretch of the past, back-filled ones included: what a back-test shows. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from monitor.store.engine import Database, transaction

LIMIT = 500

_STORIES = text("""
SELECT c.story, a.title, a.publisher, a.url, c.at,
       ARRAY(SELECT p.family FROM story_publishers p WHERE p.story = c.story)
FROM story_counts c
JOIN scopes s ON s.id = c.scope
JOIN articles a ON a.id = c.article
WHERE s.key = :scope AND c.model = (SELECT id FROM models WHERE version = :model) AND c.kind = ANY(:kinds)
  AND c.negative AND c.at >= :since AND c.at <= :until
ORDER BY c.at LIMIT :limit
""")


class PastStory(NamedTuple):
    """A negative story counted in a scope."""

    story: str
    title: str
    publisher: str
    url: str | None
    at: datetime
    families: list[str]


def negative_stories(
    database: Database, model: str, scope: str, kinds: Sequence[str], since: datetime, until: datetime
) -> list[PastStory]:
    """Distinct negative stories of a scope counted in buckets that start in [since, until], oldest first."""
    asked = {"scope": scope, "model": model, "kinds": list(kinds), "since": since, "until": until, "limit": LIMIT}
    with transaction(database) as connection:
        return [PastStory(*row) for row in connection.execute(_STORIES, asked)]
