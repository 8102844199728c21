"""Which of several jobs processes works: an advisory lock on a connection of its own. Lost with the connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from monitor.errors import TocsinError, Unavailable
from monitor.patience import patiently
from monitor.store.engine import CONNECT, set_session
from monitor.store.locks import Lock

ASK_EVERY_S = 5.0
CHECK_EVERY_S = 2.0
UNHEARD = "30s"
"""Unasked for so long, the server gives the seat to another: the host of who holds it may have vanished."""


class SeatLost(TocsinError):
    """The connection is gone and the lock with it: the database restarted, or the network let it fall."""


@dataclass
class Seat:
    """The lock's connection."""

    connection: Connection
    checked: float = 0.0

    def try_win(self) -> bool:
        """Elected, now? False while another holds the seat. SeatLost where the connection is gone."""
        statement = text("SELECT pg_try_advisory_lock(:lock)")
        try:
            return bool(self.connection.execute(statement, {"lock": Lock.JOBS}).scalar())
        except DBAPIError as error:
            raise SeatLost("the database went away before this jobs process was elected") from error

    def hold(self) -> None:
        """SeatLost once the connection that holds the lock is gone. Asks at most every CHECK_EVERY_S."""
        if time.monotonic() - self.checked < CHECK_EVERY_S:
            return
        self.checked = time.monotonic()
        try:
            self.connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            raise SeatLost("the jobs' lock was lost with its connection") from error


@contextmanager
def candidacy(url: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[Seat]:
    """A seat to compete for; given up at the end. Unavailable where the database stays away, or `stopped` meanwhile."""
    engine = create_engine(url, poolclass=NullPool, connect_args=dict(CONNECT))

    def connect() -> Connection:
        try:
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            set_session(connection, {"idle_session_timeout": UNHEARD})
            return connection
        except DBAPIError as error:
            raise Unavailable("the database doesn't answer; start it, or wait for it") from error

    connection = patiently("stand for election", connect, stopped)
    try:
        yield Seat(connection)
    finally:
        connection.invalidate()  # the lock goes with the connection, whatever state that is in
        connection.close()
        engine.dispose()
