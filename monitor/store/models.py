"""Which model versions the database knows, and which one is in service: append-only, with who and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from monitor.errors import UsageError
from monitor.store import tables
from monitor.store.engine import Database, transaction
from monitor.store.locks import Lock


class Service(NamedTuple):
    """One version's time in service began here."""

    version: str
    since: datetime
    who: str
    reason: str


class Registered(NamedTuple):
    """A version that this database can keep scores of."""

    version: str
    manifest: dict[str, Any]
    registered_at: datetime
    scored: int
    """Articles it has judged, by PostgreSQL's count."""


def register(database: Database, version: str, manifest: Mapping[str, Any], now: datetime) -> None:
    """Make a version known; one that is known already stays as it is."""
    row = {"version": version, "manifest": dict(manifest), "registered_at": now}
    with transaction(database) as connection:
        _register(connection, row)


def _register(connection: Connection, row: Mapping[str, Any]) -> None:
    # Looked up first: ON CONFLICT alone would use up one of 32,767 numbers at every start of a worker.
    known = connection.execute(text("SELECT 1 FROM models WHERE version = :version"), {"version": row["version"]})
    if known.first() is None:
        connection.execute(insert(tables.models).values(dict(row)).on_conflict_do_nothing())


def ensure_service(database: Database, version: str, manifest: Mapping[str, Any], now: datetime) -> str:
    """The version in service; where there is none yet, `version` enters service as the database's first."""
    with transaction(database) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.SERVICE})
        current = _newest(connection)
        if current is not None:
            return current.version
        _register(connection, {"version": version, "manifest": dict(manifest), "registered_at": now})
        _serve(connection, version, "tocsin", "the database's first model", now)
        return version


def in_service(database: Database) -> str | None:
    """None before a first model."""
    with transaction(database) as connection:
        current = _newest(connection)
    return current.version if current else None


ANY = "any"


def put_in_service(
    database: Database, version: str, who: str, reason: str, now: datetime, *, instead_of: str | None = ANY
) -> str | None:
    """From now on workers score with this version, and charts and alerts read it. Returns the one before it.

    UsageError for a version this database doesn't know, or where another than `instead_of` is in service by now.
    That it has its own history is the caller's to see to.
    """
    with transaction(database) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.SERVICE})
        before = _newest(connection)
        if instead_of not in (ANY, before and before.version):
            raise UsageError(
                f"{before.version if before else 'no model'} has entered service meanwhile; look, then promote again"
            )
        _serve(connection, version, who, reason, now)
    return before.version if before else None


def service_history(database: Database) -> list[Service]:
    """Newest first."""
    with transaction(database) as connection:
        return [Service(*row) for row in connection.execute(text(_SERVICES))]


def manifest_of(database: Database, version: str) -> dict[str, Any] | None:
    """What a version said of itself when it was made known here; None for an unknown one."""
    with transaction(database) as connection:
        row = connection.execute(text("SELECT manifest FROM models WHERE version = :version"), {"version": version})
        found: dict[str, Any] | None = row.scalar()
    return found


def registered(database: Database) -> list[Registered]:
    """Every version, oldest first."""
    with transaction(database) as connection:
        rows = connection.execute(
            text(
                "SELECT m.version, m.manifest, m.registered_at,"
                " (SELECT count(*) FROM scores s WHERE s.model = m.id) FROM models m ORDER BY m.id"
            )
        )
        return [Registered(*row) for row in rows]


def topics_in_service(database: Database) -> list[str]:
    """Every topic that the version in service can say, in its own order; of one that names none, those counted."""
    with transaction(database) as connection:
        told = connection.execute(
            text(
                "SELECT manifest->'topics' FROM models WHERE id = (SELECT model FROM services ORDER BY id DESC LIMIT 1)"
            )
        ).scalar()
        counted = connection.execute(text("SELECT DISTINCT topic FROM scopes WHERE topic IS NOT NULL ORDER BY 1"))
        return list(told) if told else list(counted.scalars())


_SERVICES = """
SELECT m.version, s.since, s.who, s.reason FROM services s JOIN models m ON m.id = s.model ORDER BY s.id DESC
"""


def _newest(connection: Connection) -> Service | None:
    row = connection.execute(text(_SERVICES + " LIMIT 1")).first()
    return Service(*row) if row else None


def _serve(connection: Connection, version: str, who: str, reason: str, now: datetime) -> None:
    served = connection.execute(
        text(
            "INSERT INTO services (model, since, who, reason)"
            " SELECT id, :since, :who, :reason FROM models WHERE version = :version"
        ),
        {"version": version, "since": now, "who": who, "reason": reason},
    )
    if served.rowcount != 1:
        raise UsageError(f"no model version {version!r} in this database; `tocsin models` lists them")
