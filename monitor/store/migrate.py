"""The database to its newest schema. Owns how alembic is called; the steps lie in migrations/versions."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from monitor.store.engine import open_database, transaction
from monitor.store.locks import Lock


def migrate(url: str) -> str:
    """Apply what is missing, in one transaction; the revision reached. Unavailable where the database is away."""
    database = open_database(url)
    try:
        with transaction(database) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.MIGRATE})
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
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        database.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
