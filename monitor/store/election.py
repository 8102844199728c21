"""Which of several jobs processes works: an advisory lock on a connection of its own. Lost with the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from monitor.errors import Unavailable
from monitor.store.locks import Lock

ASK_EVERY_S = 5.0
CHECK_EVERY_S = 2.0


@dataclass
class Seat:
    """The lock's connection."""

    connection: Connection
    checked: float = 0.0

    def try_win(self) -> bool:
        """Elected, now? False while another holds the seat. Unavailable where the database has gone away."""
        statement = text("SELECT pg_try_advisory_lock(:lock)")
        try:
            return bool(self.connection.execute(statement, {"lock": Lock.JOBS}).scalar())
        except DBAPIError as error:
            raise Unavailable("the database went away before this jobs process was elected; start it again") from error

    def is_held(self) -> bool:
        """Is the connection that holds the lock alive? Asked at most every CHECK_EVERY_S."""
        if time.monotonic() - self.checked < CHECK_EVERY_S:
            return True
        self.checked = time.monotonic()
        try:
            self.connection.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True


@contextmanager
def candidacy(url: str) -> Iterator[Seat]:
    """A seat to compete for; given up at the end. Unavailable where the database does not answer."""
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5, "keepalives_idle": 10})
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except DBAPIError as error:
        raise Unavailable("the database does not answer; jobs wait for it") from error
    try:
        yield Seat(connection)
    finally:
        connection.invalidate()  # the lock goes with the connection, whatever state that is in
        connection.close()
        engine.dispose()
