"""What was counted, and whether a recount agrees. Raises no count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import text

from monitor.store.engine import Database, transaction
from monitor.types import KINDS, Count, Kind, Scope

Minutes = Literal[5, 60, 1440]

SCORE_TOLERANCE = 1e-6
"""Sums of floats depend on their order."""


class Difference(NamedTuple):
    """A count that a recount of `story_counts` does not confirm."""

    scope: str
    kind: Kind
    minutes: int
    at: datetime
    stored: tuple[float, ...] | None
    recounted: tuple[float, ...] | None


_COUNTS = """
SELECT s.key, c.kind, c.at, c.total, c.negative, c.positive, c.score_sum, c.backfilled, c.backfilled_negative
FROM counts c JOIN scopes s ON s.id = c.scope
WHERE c.model = (SELECT id FROM models WHERE version = :model) AND c.minutes = :minutes AND c.kind = ANY(:kinds)
  AND c.at >= :since AND c.at < :until {and_scopes}
ORDER BY c.at, s.key, c.kind
"""
_ALL = text(_COUNTS.format(and_scopes=""))
_SOME = text(_COUNTS.format(and_scopes="AND s.key = ANY(:scopes)"))


def counts(
    database: Database,
    model: str,
    since: datetime,
    until: datetime,
    *,
    scopes: Sequence[Scope] | None = None,
    kinds: Sequence[Kind] = KINDS,
    minutes: Minutes = 5,
) -> list[Count]:
    """One model version's counts of buckets that start in [since, until), by time; of every scope by default."""
    asked = {"model": model, "since": since, "until": until, "kinds": list(kinds), "minutes": minutes}
    if scopes is not None:
        asked["scopes"] = [scope.key for scope in scopes]
    with transaction(database) as connection:
        rows = connection.execute(_ALL if scopes is None else _SOME, asked).all()
    parsed: dict[str, Scope] = {}
    return [Count(parsed.get(key) or parsed.setdefault(key, Scope.of(key)), *rest) for key, *rest in rows]


# Both sides in one statement: one snapshot, so that a worker may go on meanwhile.
_RECOUNT = text("""
WITH recounted AS (
    SELECT model, minutes, scope, kind, date_bin(minutes * interval '1 minute', at, 'epoch') AS at,
           count(*) AS total, count(*) FILTER (WHERE negative) AS negative,
           count(*) FILTER (WHERE positive) AS positive, sum(score) AS score_sum,
           count(*) FILTER (WHERE is_backfill) AS backfilled,
           count(*) FILTER (WHERE is_backfill AND negative) AS backfilled_negative
    FROM story_counts CROSS JOIN (VALUES (5), (60), (1440)) AS size(minutes)
    GROUP BY 1, 2, 3, 4, 5
), stored AS (SELECT * FROM counts WHERE total <> 0)
SELECT s.key, kind, minutes, at,
       c.total, c.negative, c.positive, c.score_sum, c.backfilled, c.backfilled_negative,
       r.total, r.negative, r.positive, r.score_sum, r.backfilled, r.backfilled_negative
FROM stored c FULL JOIN recounted r USING (model, minutes, scope, kind, at) JOIN scopes s ON s.id = scope
WHERE (c.total, c.negative, c.positive, c.backfilled, c.backfilled_negative)
      IS DISTINCT FROM (r.total, r.negative, r.positive, r.backfilled, r.backfilled_negative)
   OR abs(c.score_sum - r.score_sum) > :tolerance * greatest(1, r.total)
ORDER BY at, s.key
""")


def recount(database: Database) -> Iterator[Difference]:
    """Every count, of any model and size, that differs from what `story_counts` says. Nothing is changed."""
    with transaction(database) as connection:
        rows = connection.execute(_RECOUNT, {"tolerance": SCORE_TOLERANCE}).all()
    for key, kind, minutes, at, *figures in rows:
        stored, recounted = tuple(figures[:6]), tuple(figures[6:])
        yield Difference(
            key,
            kind,
            minutes,
            at,
            stored if stored[0] is not None else None,
            recounted if recounted[0] is not None else None,
        )
