"""Messages that could not become articles: read, named, put on the log again. Written by `save`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from monitor.broker.protocol import Broker, Outgoing
from monitor.errors import UsageError
from monitor.store.engine import Database, transaction

_COLUMNS = 'topic, partition, "offset", payload, reason, at, retried_at'
_NEWEST = text(f"SELECT {_COLUMNS} FROM dead_letters ORDER BY at DESC LIMIT :limit")  # noqa: S608
_NAMED = text(
    f'SELECT {_COLUMNS} FROM dead_letters WHERE topic = :topic AND partition = :partition AND "offset" = :offset'  # noqa: S608
)
_WAITING = text(f"SELECT {_COLUMNS} FROM dead_letters WHERE retried_at IS NULL ORDER BY at")  # noqa: S608
_RETRIED = text(
    'UPDATE dead_letters SET retried_at = :now WHERE topic = :topic AND partition = :partition AND "offset" = :offset'
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message where it lay on the log."""

    topic: str
    partition: int
    offset: int
    payload: bytes
    reason: str
    at: datetime
    retried_at: datetime | None

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def newest(database: Database, limit: int) -> list[DeadLetter]:
    with transaction(database) as connection:
        return [DeadLetter(*row) for row in connection.execute(_NEWEST, {"limit": limit})]


def named(database: Database, name: str) -> DeadLetter:
    """UsageError where there is none of that name."""
    topic, _, rest = name.rpartition("/")[0].rpartition("/")
    offset = name.rpartition("/")[2]
    if not (topic and rest.isdigit() and offset.isdigit()):
        raise UsageError(f"{name!r} names no message; write topic/partition/offset as `tocsin dead-letters list` does")
    with transaction(database) as connection:
        row = connection.execute(_NAMED, {"topic": topic, "partition": int(rest), "offset": int(offset)}).first()
    if row is None:
        raise UsageError(f"no dead letter {name!r}; see `tocsin dead-letters list`")
    return DeadLetter(*row)


def to_retry(database: Database, names: Sequence[str], *, everything: bool) -> list[DeadLetter]:
    """The named ones, or every one not retried yet. UsageError where neither or both are asked for."""
    if bool(names) == everything:
        raise UsageError("name the messages to retry, or say --all")
    if names:
        return [named(database, name) for name in names]
    with transaction(database) as connection:
        return [DeadLetter(*row) for row in connection.execute(_WAITING)]


def retry(database: Database, letters: Sequence[DeadLetter], broker: Broker, now: datetime) -> None:
    """Publish first, mark then: a crash between the two retries twice, which the article's id makes harmless."""
    for letter in letters:
        broker.publish(letter.topic, [Outgoing(letter.name.encode(), letter.payload)])
        with transaction(database) as connection:
            where = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            connection.execute(_RETRIED, {"now": now, **where})
