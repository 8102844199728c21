"""The log on a Postgres table: the embedded default, with Kafka's promises. Its only SQL lies here.

Offsets are drawn under a row lock on the partition's end, held until the append commits: they become visible in order
and without gaps, so a reader that remembers the highest offset seen skips nobody who commits late.

A consumer owns a partition while its session holds the partition's advisory lock. A killed consumer's session ends
and its locks with it; a slow one keeps them, however long a batch takes. Each consumer also holds a shared lock by
which the others see it: sorted by session, the r-th of n members takes the partitions p with p mod n = r.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import psycopg
import structlog
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from monitor.broker.protocol import PARTITIONS, Message, Outgoing, ends, partition_of
from monitor.errors import Unavailable
from monitor.patience import patiently
from monitor.store.engine import CONNECT, KEEPALIVE, refusals_told, set_session

IDLE_S = 0.05  # between two looks at an empty log
BALANCE_EVERY_S = 1.0
MEMBERS = PARTITIONS + 1
"""The second number of the members' lock; the partitions' own are 0 to PARTITIONS - 1."""

T = TypeVar("T")
log = structlog.get_logger()

_DRAW = text(
    "INSERT INTO log_ends (topic, partition, next) VALUES (:topic, :partition, :count)"
    " ON CONFLICT (topic, partition) DO UPDATE SET next = log_ends.next + :count RETURNING next"
)
_COPY = 'COPY log_messages (topic, partition, "offset", key, value) FROM STDIN (FORMAT BINARY)'
_FETCH = text(
    'SELECT m.topic, m.partition, m."offset", m.key, m.value'
    " FROM unnest(CAST(:partitions AS int[]), CAST(:offsets AS bigint[])) AS wanted(partition, first)"
    " CROSS JOIN LATERAL (SELECT * FROM log_messages WHERE topic = :topic AND partition = wanted.partition"
    ' AND "offset" >= wanted.first ORDER BY "offset" LIMIT :share) AS m'
)
_MEMBERS = text(
    "SELECT pid, pid = pg_backend_pid() FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = CAST(CAST(:lock AS bigint) & 4294967295 AS oid) AND objid = :members ORDER BY pid"
)
_COMMITTED = text(
    'SELECT "offset" FROM log_offsets WHERE "group" = :group AND topic = :topic AND partition = :partition'
)
_COMMIT = text(
    'INSERT INTO log_offsets ("group", topic, partition, "offset")'
    ' SELECT :group, :topic, done.partition, done."offset"'
    ' FROM unnest(CAST(:partitions AS int[]), CAST(:offsets AS bigint[])) AS done(partition, "offset")'
    ' ON CONFLICT ("group", topic, partition) DO UPDATE SET "offset" = EXCLUDED."offset"'
    ' WHERE log_offsets."offset" < EXCLUDED."offset"'
)
_LAG = text(
    'SELECT e.partition, e.next - coalesce(o."offset", 0) FROM log_ends e LEFT JOIN log_offsets o'
    ' ON o.topic = e.topic AND o.partition = e.partition AND o."group" = :group WHERE e.topic = :topic'
)
_TRIM = text(
    'DELETE FROM log_messages m USING (SELECT topic, partition, min("offset") AS done FROM log_offsets'
    ' GROUP BY topic, partition) o WHERE m.topic = o.topic AND m.partition = o.partition AND m."offset" < o.done'
    " AND m.at < :before"
)


class PostgresBroker:
    """See protocol.Broker. For one thread; publishing alone takes no part in the group."""

    def __init__(self, url: str, topic: str, group: str) -> None:
        self._engine: Engine = create_engine(
            url, pool_size=1, max_overflow=2, pool_pre_ping=True, connect_args=dict(CONNECT)
        )
        self._topic, self._group = topic, group
        digest = zlib.crc32(f"{group}\n{topic}".encode())
        self._lock = digest - (1 << 32) if digest >= 1 << 31 else digest  # advisory locks take signed numbers
        self._session: Connection | None = None
        self._next: dict[int, int] = {}  # owned partition -> the next offset to read
        self._leaving: set[int] = set()  # owned ones that are another's by rank; read no further
        self._handed_out: dict[int, int] = {}  # partition -> the offset after the last one returned, uncommitted
        self._balanced_at = 0.0

    def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        parts: dict[int, list[Outgoing]] = {}
        for message in messages:
            parts.setdefault(partition_of(message.key), []).append(message)
        if parts:
            _patiently("publish", lambda: self._append(topic, parts))

    def poll(self, limit: int, timeout_s: float) -> list[Message]:
        deadline = time.monotonic() + timeout_s
        while True:
            messages = _patiently("poll", lambda: self._look(limit), on_error=self._forget_session)
            if messages or time.monotonic() >= deadline:
                return messages
            time.sleep(min(IDLE_S, max(0.0, deadline - time.monotonic())))

    def commit(self, upto: Iterable[Message] | None = None) -> None:
        reached = self._handed_out if upto is None else ends(upto)
        # The rest was lost with an earlier session; what of it was handed out anew since then is not handled yet.
        done = {partition: end for partition, end in reached.items() if end <= self._handed_out.get(partition, 0)}
        self._handed_out = {p: end for p, end in self._handed_out.items() if end != done.get(p)}
        if not done or self._session is None:
            return
        try:
            self._session.execute(
                _COMMIT,
                {
                    "group": self._group,
                    "topic": self._topic,
                    "partitions": list(done),
                    "offsets": list(done.values()),
                },
            )
        except (OperationalError, DBAPIError) as error:
            # With the session its locks are gone: whoever owns the partitions next reads these messages again.
            log.warning("the database went away during a commit; the batch is read again", error=_cause(error))
            self._forget_session()

    def lag(self) -> dict[int, int]:
        def look() -> dict[int, int]:
            with self._engine.connect() as connection:
                rows = connection.execute(_LAG, {"group": self._group, "topic": self._topic})
                return {partition: int(count) for partition, count in rows}

        return _patiently("ask for the lag", look)

    def trim(self, before: datetime) -> int:
        """Delete what every group has committed and is older than `before`; returns how many."""

        def delete() -> int:
            with self._engine.begin() as connection:
                return connection.execute(_TRIM, {"before": before}).rowcount

        return _patiently("trim", delete)

    def close(self) -> None:
        self._forget_session()
        self._engine.dispose()

    def _append(self, topic: str, parts: dict[int, list[Outgoing]]) -> None:
        with self._engine.begin() as connection:
            for partition in sorted(parts):  # always in one order: two writers cannot deadlock
                batch = parts[partition]
                drawn = {"topic": topic, "partition": partition, "count": len(batch)}
                first = connection.execute(_DRAW, drawn).scalar_one() - len(batch)
                with connection.connection.cursor().copy(_COPY) as copy:
                    copy.set_types(["text", "int4", "int8", "bytea", "bytea"])
                    for offset, message in enumerate(batch, first):
                        copy.write_row((topic, partition, offset, message.key, message.value))

    def _look(self, limit: int) -> list[Message]:
        session = self._join()
        if time.monotonic() - self._balanced_at >= BALANCE_EVERY_S:
            self._balance(session)
            self._balanced_at = time.monotonic()
        here = {partition: offset for partition, offset in self._next.items() if partition not in self._leaving}
        if not here:
            return []
        wanted = {
            "topic": self._topic,
            "partitions": list(here),
            "offsets": list(here.values()),
            "share": max(1, limit // len(here)),
        }
        messages = [Message(*row) for row in session.execute(_FETCH, wanted)][:limit]
        for message in messages:
            self._next[message.partition] = self._handed_out[message.partition] = message.offset + 1
        return messages

    def _join(self) -> Connection:
        if self._session is None:
            session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            set_session(session, KEEPALIVE)
            session.execute(text("SELECT pg_advisory_lock_shared(:lock, :members)"), self._locks())
            self._session, self._balanced_at = session, 0.0
        return self._session

    def _balance(self, session: Connection) -> None:
        """Take the partitions that are ours by rank and free; give back those that are not, once they are committed."""
        members = [is_me for _pid, is_me in session.execute(_MEMBERS, self._locks())]
        mine = {partition for partition in range(PARTITIONS) if partition % len(members) == members.index(True)}
        self._leaving = set(self._next) - mine
        for partition in self._leaving - set(self._handed_out):
            del self._next[partition]
            session.execute(text("SELECT pg_advisory_unlock(:lock, :partition)"), self._locks(partition))
        for partition in mine - set(self._next):
            if session.execute(text("SELECT pg_try_advisory_lock(:lock, :partition)"), self._locks(partition)).scalar():
                # Read only now, under the lock: the owner before us may have committed a moment ago.
                where = {"group": self._group, "topic": self._topic, "partition": partition}
                self._next[partition] = session.execute(_COMMITTED, where).scalar() or 0

    def _locks(self, partition: int = -1) -> dict[str, int]:
        return {"lock": self._lock, "members": MEMBERS, "partition": partition}

    def _forget_session(self) -> None:
        """Give up the session and with it every partition; their uncommitted messages are read again."""
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
        self._session, self._next, self._handed_out, self._leaving = None, {}, {}, set()


def _patiently(what: str, act: Callable[[], T], on_error: Callable[[], None] = lambda: None) -> T:
    def ask() -> T:
        try:
            with refusals_told():
                return act()
        except (OperationalError, psycopg.OperationalError) as error:  # COPY is the driver's own call
            on_error()
            raise Unavailable(
                f"the database doesn't answer ({_cause(error)}); start it, then start this again"
            ) from error

    return patiently(what, ask)


def _cause(error: DBAPIError | psycopg.Error) -> str:
    told = error.orig if isinstance(error, DBAPIError) else error
    lines = str(told).strip().splitlines()
    return lines[0] if lines else type(told).__name__
