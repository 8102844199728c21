"""How the database is opened, locked and copied into, and what its errors become. Knows no table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Cursor
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, ProgrammingError

from monitor.errors import TocsinError, Unavailable, UsageError
from monitor.store.locks import Lock

Database = Engine
"""What the rooms outside hold; SQLAlchemy stays in monitor/store."""

CONNECT: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A server whose host vanished is away after half a minute: by itself the system would wait for a quarter of an hour,
or for ever. On a Unix socket libpq leaves these aside."""
KEEPALIVE: Mapping[str, str] = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "30s",
}
"""The same of the server, which holds locks for a program whose host vanished: by itself it does so for two hours."""
_SET = text(
    "SELECT set_config(name, CAST(:settings AS jsonb) ->> name, false) FROM pg_settings"
    " WHERE CAST(:settings AS jsonb) ? name"
)

UNDEFINED_TABLE, UNDEFINED_COLUMN, NO_RIGHT = "42P01", "42703", "42501"

# SQLAlchemy's errors, and psycopg's own where COPY uses its cursor.
_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
_NOT_SO = (ProgrammingError, psycopg.ProgrammingError)

# The protocol gives no code for a connection that is refused, only the server's words.
_NO_ENTRY = re.compile(
    r"FATAL: .*(does not exist|authentication failed|no pg_hba.conf entry|permission denied)"
    r"|no password supplied|invalid \w+ value"
)


def open_database(url: str) -> Database:
    """Connects on first use; good for several threads. UsageError where the URL names no server."""
    try:
        return create_engine(url, pool_size=4, max_overflow=4, pool_pre_ping=True, connect_args=dict(CONNECT))
    except (ArgumentError, ValueError) as error:  # said without the URL, which may hold a password
        raise UsageError(
            "TOCSIN_DATABASE_URL is no URL of a server; write postgresql+psycopg://user:password@host:port/name,"
            " with %40 for an @ in the password"
        ) from error


@contextmanager
def transaction(database: Database) -> Iterator[Connection]:
    """Commits at the end of the block. Unavailable where the database is away; else see `refusals_told`."""
    try:
        with refusals_told(), database.begin() as connection:
            yield connection
    except _AWAY as error:
        if _is_refusal(error):
            raise
        if _NO_ENTRY.search(_cause(error)):
            raise UsageError(f"the database lets nobody in ({_cause(error)}); mend TOCSIN_DATABASE_URL") from error
        raise Unavailable(f"the database doesn't answer ({_cause(error)}); start it, or wait for it") from error


@contextmanager
def refusals_told() -> Iterator[None]:
    """What a person can mend of what the server or its driver refuses (schema, rights, the URL) becomes a TocsinError.
    All else is our own fault, and stays as it is."""
    try:
        yield
    except _NOT_SO as error:
        if told := _refusal(error):
            raise told from error
        raise


def _refusal(error: ProgrammingError | psycopg.ProgrammingError) -> TocsinError | None:
    state, cause = _state(error), _cause(error)
    if state in (UNDEFINED_TABLE, UNDEFINED_COLUMN):
        return TocsinError("the database has no tables of this version; run `tocsin migrate`")
    if state == NO_RIGHT:
        return UsageError(f"the database refuses ({cause}); grant its user the right, or set TOCSIN_DATABASE_URL")
    if cause.startswith("invalid connection option"):
        return UsageError(f"TOCSIN_DATABASE_URL has an {cause}; take that out")
    return None


def _is_refusal(error: BaseException) -> bool:
    """Whether the database answered, and refused what it was given: psycopg calls some of that operational, too."""
    return _state(error)[:2] in ("22", "54")  # data exception, program limit exceeded


def _state(error: BaseException) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def set_session(connection: Connection, settings: Mapping[str, str]) -> None:
    """Settings of the server for this connection's life, as far as its version knows them."""
    connection.execute(_SET, {"settings": json.dumps(dict(settings))})


def lock(connection: Connection) -> Cursor[Any]:
    """A psycopg cursor in this transaction, which now is the only one that writes articles and counts."""
    cursor = cursor_of(connection)
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [Lock.SAVE])
    return cursor


def cursor_of(connection: Connection) -> Cursor[Any]:
    """psycopg's own cursor in the same transaction: COPY has no other way in."""
    return connection.connection.cursor()  # type: ignore[return-value]


def copy_rows(cursor: Cursor[Any], table: str, rows: Iterable[Sequence[Any]]) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _cause(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
