"""Stories that a person could label, with what the version in service says of them. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from monitor.store.engine import Database, cursor_of, transaction
from monitor.store.stored import tagged_articles
from monitor.types import Probabilities, TaggedArticle


@dataclass(frozen=True, slots=True)
class Judged:
    """A story by its first article, with one version's judgement."""

    article: str
    topic: str
    topic_probability: float
    sentiment: Probabilities
    companies: dict[str, Probabilities]
    is_corrected: bool
    is_audited: bool


_JUDGED = text("""
WITH picked AS (
    SELECT id, counted_at FROM articles WHERE id = story AND counted_at >= :since
    ORDER BY counted_at DESC, id LIMIT :limit
)
SELECT p.id, s.topic, s.topic_probability, s.negative, s.neutral, s.positive,
       (SELECT jsonb_object_agg(c.company, jsonb_build_array(c.negative, c.neutral, c.positive))
        FROM company_scores c WHERE c.article = p.id AND c.model = s.model),
       EXISTS (SELECT 1 FROM labels l WHERE l.article = p.id AND l.origin <> 'audit'),
       EXISTS (SELECT 1 FROM labels l WHERE l.article = p.id AND l.origin = 'audit')
FROM picked p JOIN scores s ON s.article = p.id AND s.model = (SELECT model FROM services ORDER BY id DESC LIMIT 1)
ORDER BY p.counted_at, p.id
""")


def judged_stories(database: Database, since: datetime, limit: int) -> list[Judged]:
    """The newest `limit` stories counted at `since` or later that the version in service has judged, oldest first."""
    with transaction(database) as connection:
        rows = connection.execute(_JUDGED, {"since": since, "limit": limit}).all()
    return [
        Judged(
            article,
            topic,
            sure,
            Probabilities(*odds),
            {company: Probabilities(*each) for company, each in (toward or {}).items()},
            corrected,
            audited,
        )
        for article, topic, sure, *odds, toward, corrected, audited in rows
    ]


def stored_articles(database: Database, articles: Sequence[str]) -> dict[str, TaggedArticle]:
    """By id, with the companies they name; an unknown id is left out."""
    with transaction(database) as connection:
        found = tagged_articles(cursor_of(connection), "a.id = ANY(%s)", [list(articles)])
    return {one.tagged.article.id: one.tagged for one in found}
