"""Fixtures that several test modules share: the data beside the project, one private database server a session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from monitor import embedded
from monitor.store.migrate import migrate
from tests.command import Command
from tests.kafka_server import KafkaServer, find_kafka

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled data and real streams; the test skips where it is absent."""
    folder = Path(os.environ.get("TOCSIN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "no labelled data: set TOCSIN_TEST_DATA to the folder that holds twitter-financial-news/, uci-news/ ..."
        )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that read the labelled data are marked by the fixture they use."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip fails where TOCSIN_TEST_REQUIRE names one of the test's markers (CI: kafka,browser)."""
    report = yield
    required = set(filter(None, os.environ.get("TOCSIN_TEST_REQUIRE", "").split(",")))
    if report.skipped and not hasattr(report, "wasxfail") and required & {mark.name for mark in item.iter_markers()}:
        report.outcome = "failed"
        report.longrepr = f"skipped, but TOCSIN_TEST_REQUIRE asks for it: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A private PostgreSQL for the whole session; tests take `database_url`, a fresh database on it."""
    folder = tmp_path_factory.mktemp("server")
    with embedded.server(folder) as url:
        # It outlives no test, so nothing of it need reach the disk. Servers that tests crash are others.
        ask(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    embedded.wipe(folder)


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Calls `tocsin`, each time in a process of its own."""
    made = Command(tmp_path_factory.mktemp("command"))
    yield made
    made.end()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker for the whole session; each test takes a topic of its own."""
    found = find_kafka(tmp_path_factory.mktemp("kafka"))
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def migrated(database_server: str) -> str:
    """The name of a database at the newest migration, to be copied."""
    name = "migrated"
    ask(database_server, f"CREATE DATABASE {name}")
    migrate(named(database_server, name))
    return name


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """A database with nothing in it."""
    yield from _fresh(database_server)


@pytest.fixture
def database_url(database_server: str, migrated: str) -> Iterator[str]:
    """A database at the newest migration."""
    # Copied as files, a database is there in a fifth of the time that its migrations take.
    yield from _fresh(database_server, f"TEMPLATE {migrated} STRATEGY file_copy")


def _fresh(server: str, made: str = "") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    ask(server, f"CREATE DATABASE {name} {made}")
    yield named(server, name)
    ask(server, f"DROP DATABASE {name} WITH (FORCE)")


def ask(server: str, *statements: str) -> None:
    """Run statements on the server's first database, each in a transaction of its own."""
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def named(server: str, database: str) -> str:
    """The URL of another database on the server."""
    return server.replace(f"/{embedded.NAME}?", f"/{database}?")


def _plain(url: str) -> str:
    """For psycopg, which does not know SQLAlchemy's `+driver`."""
    return url.replace("postgresql+psycopg://", "postgresql://")
