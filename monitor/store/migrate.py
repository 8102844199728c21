"""The database to its newest schema. Owns how alembic is called; the steps lie in migrations/versions."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from monitor.errors import TocsinError
from monitor.store.engine import open_database, transaction
from monitor.store.locks import Lock


def migrate(url: str) -> str:
    """Apply what is missing, in one transaction; the revision reached. Unavailable where the database is away.

    TocsinError where it is newer than this code.
    """
    database = open_database(url)
    try:
        with transaction(database) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.MIGRATE})
            refuse_newer(_revision(connection))
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return newest()
    finally:
        database.dispose()


def newest() -> str:
    """The revision this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current(url: str) -> str | None:
    """The revision the database is at; None for an empty one. Unavailable where it is away."""
    database = open_database(url)
    try:
        with transaction(database) as connection:
            return _revision(connection)
    finally:
        database.dispose()


def refuse_newer(revision: str | None) -> None:
    """TocsinError for a database's revision that this code does not know: only newer code can have made it."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise TocsinError(f"the database is newer than this code (revision {revision}); install the newer tocsin")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
