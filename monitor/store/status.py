"""The figures of `tocsin status`, and what the demo watches. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from monitor.store.engine import Database, transaction
from monitor.types import Scope


class Numbers(NamedTuple):
    """What is in the tables and open now."""

    read: int
    """Messages that workers have read of the topic."""
    stored: int
    scored: int
    """Articles judged by the version in service."""
    dead: int
    """Dead letters not yet retried."""
    model: str | None
    episodes_open: int
    given_up: int
    """Messages that no channel took and that are tried no more, until somebody has dismissed them; kept for 90 days."""


class Since(NamedTuple):
    """What has happened since a moment."""

    articles: int
    stories: int
    first_label_at: datetime | None
    episodes: int
    notifications: int
    """Messages about episodes that were delivered."""
    notified_at: datetime | None
    """When the first of them was."""


_NUMBERS = text("""
SELECT (SELECT coalesce(sum("offset" + 1), 0) FROM watermarks WHERE CAST(:topic AS text) IN ('', topic)),
       (SELECT count(*) FROM articles),
       (SELECT count(*) FROM scores WHERE model = (SELECT model FROM services ORDER BY id DESC LIMIT 1)),
       (SELECT count(*) FROM dead_letters WHERE retried_at IS NULL),
       (SELECT m.version FROM services s JOIN models m ON m.id = s.model ORDER BY s.id DESC LIMIT 1),
       (SELECT count(*) FROM episodes WHERE phase <> 'closed'),
       (SELECT count(*) FROM outbox WHERE gave_up_at IS NOT NULL AND dismissed_at IS NULL)
""")
_SINCE = text("""
SELECT (SELECT count(*) FROM articles WHERE stored_at >= :at),
       (SELECT count(*) FROM articles WHERE stored_at >= :at AND id = story),
       (SELECT min(scored_at) FROM scores WHERE scored_at >= :at),
       (SELECT count(*) FROM episodes WHERE opened_at >= :at),
       (SELECT count(*) FROM outbox WHERE episode IS NOT NULL AND sent_at >= :at),
       (SELECT min(sent_at) FROM outbox WHERE episode IS NOT NULL AND sent_at >= :at)
""")


def numbers(database: Database, topic: str = "") -> Numbers:
    """Of one topic, or of all."""
    with transaction(database) as connection:
        read, *rest = connection.execute(_NUMBERS, {"topic": topic}).one()
    return Numbers(int(read), *rest)


def saved_ends(database: Database, topic: str) -> dict[int, int]:
    """Per partition of the log the offset after the last message whose outcome is stored."""
    statement = text('SELECT partition, "offset" + 1 FROM watermarks WHERE topic = :topic')
    with transaction(database) as connection:
        return {int(partition): int(end) for partition, end in connection.execute(statement, {"topic": topic})}


def since(database: Database, at: datetime) -> Since:
    with transaction(database) as connection:
        return Since(*connection.execute(_SINCE, {"at": at}).one())


def newest_article(database: Database) -> datetime | None:
    """When the newest article counts."""
    with transaction(database) as connection:
        return connection.execute(text("SELECT max(counted_at) FROM articles")).scalar()


def has_evaluated(database: Database, since: datetime) -> bool:
    """Has the detector judged the open buckets, on what it learned from the past, since then?"""
    statement = text("SELECT EXISTS (SELECT 1 FROM marks WHERE name = 'evaluated' AND at >= :since)")
    with transaction(database) as connection:
        return bool(connection.execute(statement, {"since": since}).scalar_one())


def companies_alerted(database: Database) -> set[str]:
    """Companies that ever had an episode."""
    with transaction(database) as connection:
        scopes = connection.execute(text("SELECT DISTINCT scope FROM episodes")).scalars()
        return {company for scope in scopes if (company := Scope.of(scope).company)}
