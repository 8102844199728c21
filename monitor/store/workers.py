"""Which workers live, with which version they judge, and why one takes no messages. One row a worker, renewed often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from monitor.store.engine import Database, transaction

ALIVE = timedelta(minutes=2)
"""A worker renews its row every few seconds, but not while a batch of long texts is judged."""


class WorkerState(NamedTuple):
    """What a worker last said of itself."""

    name: str
    """host:pid"""
    version: str | None
    """The version it judges with; None while it takes no messages."""
    problem: str | None
    """Why it takes none."""
    at: datetime


def tell_state(database: Database, state: WorkerState) -> None:
    """Renew a worker's row; rows of workers that died long ago go."""
    with transaction(database) as connection:
        connection.execute(text("DELETE FROM workers WHERE at < :dead"), {"dead": state.at - 2 * ALIVE})
        connection.execute(
            text(
                "INSERT INTO workers (name, version, problem, at) VALUES (:name, :version, :problem, :at)"
                " ON CONFLICT (name) DO UPDATE SET version = excluded.version, problem = excluded.problem,"
                " at = excluded.at"
            ),
            state._asdict(),
        )


def forget(database: Database, name: str) -> None:
    """A worker that stopped in order."""
    with transaction(database) as connection:
        connection.execute(text("DELETE FROM workers WHERE name = :name"), {"name": name})


def workers(database: Database, now: datetime) -> list[WorkerState]:
    """Those alive, by name."""
    with transaction(database) as connection:
        return alive(connection, now)


def alive(tx: Connection, now: datetime) -> list[WorkerState]:
    """The same, in a transaction."""
    statement = text("SELECT name, version, problem, at FROM workers WHERE at >= :since ORDER BY name")
    return [WorkerState(*row) for row in tx.execute(statement, {"since": now - ALIVE})]
