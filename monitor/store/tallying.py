"""Raises and lowers counts: 5-minute buckets with their hourly and daily roll-ups, in the caller's transaction.

Only rows of `story_counts` that were new raise a count, so whatever is counted twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import Cursor

from monitor.store.counting import UNLABELLED, Labelled, Tally, tallies
from monitor.store.engine import copy_rows
from monitor.types import Classified, Scope


class Part(NamedTuple):
    """A tally with the story and the article that it would count."""

    story: str
    article: str
    is_backfill: bool
    tally: Tally


def parts_of(
    classified: Classified, story: str, *, is_backfill: bool, labelled: Labelled = UNLABELLED
) -> Iterator[Part]:
    for tally in tallies(classified, labelled):
        yield Part(story, classified.tagged.article.id, is_backfill, tally)


INCOMING = """
CREATE TEMP TABLE IF NOT EXISTS incoming (
    n int, story text, scope int, kind text, at timestamptz, article text,
    negative bool, positive bool, score float8, is_backfill bool
) ON COMMIT DELETE ROWS
"""
_SUMS = """
    SELECT scope, kind, minutes, date_bin(minutes * interval '1 minute', at, 'epoch') AS start,
           count(*) AS total, count(*) FILTER (WHERE negative) AS negative,
           count(*) FILTER (WHERE positive) AS positive, sum(score) AS score_sum,
           count(*) FILTER (WHERE is_backfill) AS backfilled,
           count(*) FILTER (WHERE is_backfill AND negative) AS backfilled_negative
    FROM changed CROSS JOIN (VALUES (5), (60), (1440)) AS size(minutes)
    GROUP BY scope, kind, minutes, start
"""
# RETURNING leaves out the conflicts.
_COUNT = f"""
WITH changed AS (
    INSERT INTO story_counts (story, scope, kind, model, at, article, negative, positive, score, is_backfill)
    SELECT story, scope, kind, %(model)s, at, article, negative, positive, score, is_backfill
    FROM incoming ORDER BY n
    ON CONFLICT (story, scope, kind, model) DO NOTHING
    RETURNING scope, kind, at, negative, positive, score, is_backfill
), sums AS ({_SUMS})
INSERT INTO counts AS c (model, scope, kind, minutes, at, total, negative, positive, score_sum,
                         backfilled, backfilled_negative)
SELECT %(model)s, scope, kind, minutes, start, total, negative, positive, score_sum, backfilled, backfilled_negative
FROM sums
ON CONFLICT (model, minutes, scope, kind, at) DO UPDATE SET
    total = c.total + EXCLUDED.total, negative = c.negative + EXCLUDED.negative,
    positive = c.positive + EXCLUDED.positive, score_sum = c.score_sum + EXCLUDED.score_sum,
    backfilled = c.backfilled + EXCLUDED.backfilled,
    backfilled_negative = c.backfilled_negative + EXCLUDED.backfilled_negative
"""  # noqa: S608  a constant above


def count(cursor: Cursor[Any], parts: Sequence[Part], model: int) -> None:
    """Count each story once per (scope, kind, model): the first part that names it there counts, later ones don't."""
    scopes = scope_ids(cursor, {part.tally.scope for part in parts})
    first: dict[tuple[str, int, str], Part] = {}
    for part in parts:
        first.setdefault((part.story, scopes[part.tally.scope], part.tally.kind), part)
    cursor.execute(INCOMING)
    cursor.execute("TRUNCATE incoming")
    copy_rows(
        cursor,
        "incoming",
        (
            (n, story, scope, kind, part.tally.at, part.article, *part.tally[3:], part.is_backfill)
            for n, ((story, scope, kind), part) in enumerate(first.items())
        ),
    )
    cursor.execute(_COUNT, {"model": model})


def scope_ids(cursor: Cursor[Any], scopes: set[Scope]) -> dict[Scope, int]:
    """Their numbers; new scopes get one."""
    by_key = {scope.key: scope for scope in scopes}
    rows = cursor.execute("SELECT key, id FROM scopes WHERE key = ANY(%s)", [list(by_key)])
    found: dict[str, int] = dict(rows.fetchall())
    for key in sorted(set(by_key) - set(found)):
        row = cursor.execute(
            "INSERT INTO scopes (key, company, topic) VALUES (%s, %s, %s) RETURNING key, id",
            [key, by_key[key].company, by_key[key].topic],
        ).fetchone()
        assert row is not None
        found[row[0]] = row[1]
    return {by_key[key]: number for key, number in found.items()}


_UNCOUNT = f"""
WITH changed AS (
    DELETE FROM story_counts c USING incoming i
    WHERE c.story = i.story AND c.scope = i.scope AND c.kind = i.kind AND c.model = %(model)s
    RETURNING c.scope, c.kind, c.at, c.negative, c.positive, c.score, c.is_backfill
), sums AS ({_SUMS})
UPDATE counts c SET total = c.total - s.total, negative = c.negative - s.negative, positive = c.positive - s.positive,
    score_sum = c.score_sum - s.score_sum, backfilled = c.backfilled - s.backfilled,
    backfilled_negative = c.backfilled_negative - s.backfilled_negative
FROM sums s WHERE c.model = %(model)s AND c.minutes = s.minutes AND c.scope = s.scope AND c.kind = s.kind
    AND c.at = s.start
"""  # noqa: S608  a constant above


def uncount(cursor: Cursor[Any], story: str, model: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """Take a story out of the given (scope, kind)s again."""
    if rows:
        cursor.execute(INCOMING)
        cursor.execute("TRUNCATE incoming")
        copy_rows(cursor, "incoming (story, scope, kind)", ((story, *row) for row in rows))
        cursor.execute(_UNCOUNT, {"model": model})
