"""Messages that could not become articles: read, named, put on the log again. Written by `save`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from monitor.broker.protocol import Broker, Message, Outgoing
from monitor.errors import UsageError
from monitor.store.engine import Database, transaction

_COLUMNS = 'topic, partition, "offset", payload, reason, at, retried_at'
_NEWEST = text(f"SELECT {_COLUMNS} FROM dead_letters ORDER BY at DESC LIMIT :limit")  # noqa: S608
_NAMED = text(
    f'SELECT {_COLUMNS} FROM dead_letters WHERE topic = :topic AND partition = :partition AND "offset" = :offset'  # noqa: S608
    " ORDER BY retried_at IS NOT NULL, at DESC LIMIT 1"  # of a log that was made anew, another may lie where one lay
)
_WAITING = text(f"SELECT {_COLUMNS} FROM dead_letters WHERE retried_at IS NULL ORDER BY at")  # noqa: S608
_RETRIED = text(
    'UPDATE dead_letters SET retried_at = :now WHERE topic = :topic AND partition = :partition AND "offset" = :offset'
    " AND digest = md5(CAST(:payload AS bytea))"
)
_NAME = re.compile(r"(.+)/([0-9]{1,19})/([0-9]{1,19})")
"""str.isdigit would take "²", and int() no 5,000 digits."""


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
    """The newest of that name that waits, else the newest. UsageError where there is none."""
    if (parts := _NAME.fullmatch(name)) is None:
        raise UsageError(f"{name!r} names no message; write topic/partition/offset as `tocsin dead-letters list` does")
    with transaction(database) as connection:
        where = {"topic": parts[1], "partition": int(parts[2]), "offset": int(parts[3])}
        row = connection.execute(_NAMED, where).first()
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


def retry(database: Database, letters: Sequence[DeadLetter], broker: Broker, topic: str, now: datetime) -> None:
    """Onto the topic that workers read, wherever a letter lay.

    Publish first, mark then: a crash between the two retries twice, which the article's id makes harmless.
    """
    for letter in letters:
        key = f"{topic}/{letter.partition}/{letter.offset}"
        broker.publish(topic, [Outgoing(key.encode(), letter.payload)])
        with transaction(database) as connection:
            where = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            connection.execute(_RETRIED, {"now": now, **where, "payload": letter.payload})


def was_retried(message: Message) -> bool:
    """Whether `retry` put it on the log: its key is a letter's name then."""
    parts = _NAME.fullmatch(message.key.decode("utf-8", "replace"))
    return parts is not None and parts[1] == message.topic  # an address may end in two numbers, too
