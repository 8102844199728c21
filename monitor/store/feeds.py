"""What is remembered of each source, and who asks it now: one row a feed. Owns that table's writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from monitor.store.engine import Database, transaction
from monitor.store.tables import feeds as table
from monitor.types import SKEW, Feed, FeedState

REMEMBERED = (
    "etag",
    "modified",
    "failures",
    "error",
    "articles",
    "next_at",
    "asked_at",
    "ok_at",
    "article_at",
    "gaps_s",
)

STILL_ASKED = "(next_at IS NULL OR next_at > (SELECT max(asked_at) FROM feeds) - interval '30 hours')"
"""Of a feed: it was not taken off the list. Where others are asked and it is so long overdue, no ingest knows it.

A host may ask for quiet for a day, and its other feeds are overdue meanwhile.
"""

# Two workers that look at once skip each other's rows instead of waiting for them. What was asked, or taken, at a time
# that is still to come was so by a clock that was set back since.
_TAKE = text(
    f"""
    UPDATE feeds SET claimed_by = :worker, claimed_until = :until
     WHERE name IN (
           SELECT name FROM feeds
            WHERE name = ANY(:names) AND (next_at IS NULL OR next_at <= :now OR asked_at > :ahead)
              AND (claimed_until IS NULL OR claimed_until <= :now OR claimed_until > :claimed_ahead)
            ORDER BY next_at NULLS FIRST, name LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING name, {", ".join(REMEMBERED)}
    """  # noqa: S608  only our own column names are put in
)

_SAVE = text(
    f"""
    UPDATE feeds SET {", ".join(f"{name} = :{name}" for name in REMEMBERED)}, claimed_by = NULL, claimed_until = NULL
     WHERE name = :name AND claimed_by = :worker
    """  # noqa: S608
)


class StoredFeedStates:
    """`ingest.states.FeedStates` in the database: see there for what it promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, feeds: Sequence[Feed]) -> None:
        rows = [
            {
                "name": feed.name,
                "url": feed.url,
                "kind": feed.kind,
                "publisher": feed.publisher,
                "family": feed.family,
                "cadence_s": int(feed.cadence.total_seconds()),
                "failures": 0,
                "articles": 0,
                "gaps_s": [],
            }
            for feed in sorted(feeds, key=lambda feed: feed.name)  # in one order: workers cannot deadlock
        ]
        if not rows:
            return
        described = ("url", "kind", "publisher", "family", "cadence_s")
        statement = insert(table)
        statement = statement.on_conflict_do_update(
            index_elements=["name"], set_={name: statement.excluded[name] for name in described}
        )
        with transaction(self._database) as connection:
            connection.execute(statement, rows)

    def take(self, names: Iterable[str], limit: int, worker: str, now: datetime, lease: timedelta) -> list[FeedState]:
        values = {
            "names": list(names),
            "limit": limit,
            "worker": worker,
            "now": now,
            "until": now + lease,
            "ahead": now + SKEW,
            "claimed_ahead": now + lease + SKEW,
        }
        with transaction(self._database) as connection:
            rows = connection.execute(_TAKE, values).mappings().all()
        return [_state(dict(row)) for row in rows]

    def save(self, state: FeedState, worker: str) -> None:
        with transaction(self._database) as connection:
            connection.execute(_SAVE, asdict(state) | {"worker": worker, "gaps_s": list(state.gaps_s)})

    def all(self) -> list[FeedState]:
        """Every source that is asked, by name."""
        asked = text(f"SELECT name, {', '.join(REMEMBERED)} FROM feeds WHERE {STILL_ASKED} ORDER BY name")  # noqa: S608
        with transaction(self._database) as connection:
            return [_state(dict(row)) for row in connection.execute(asked).mappings()]


def _state(row: dict[str, Any]) -> FeedState:
    return FeedState(**row | {"gaps_s": tuple(row["gaps_s"])})
