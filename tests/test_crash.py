"""Kills at random moments during a replay of real news: in the end every article is there, once, and counted once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from ingest.sources.replay import replay
from monitor import embedded
from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Broker, Message, Outgoing
from monitor.codec import encode
from monitor.store.counts import recount
from monitor.store.engine import open_database
from monitor.store.migrate import migrate
from monitor.store.models import ensure_service
from monitor.types import RawArticle
from monitor.worker import read
from tests.kafka_server import KafkaServer, find_kafka

ARTICLES = 20_000
PUBLISHED_AT_ONCE = 400
EVERY_POISONED = 500
KILLS = int(os.environ.get("TOCSIN_TEST_KILLS", "10"))
TOPIC, GROUP = "news.crash", "crash"
STALL_S = 60.0
PROGRAM = Path(__file__).parent / "programs" / "worker.py"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass
class PrivateDatabase:
    """A server of the test's own, which it may crash."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    url: str = ""

    def start(self) -> None:
        self.url = self.stack.enter_context(embedded.server(self.folder))

    def crash(self) -> None:
        """At once, without a checkpoint: the next start has to recover."""
        pid = (embedded.Cluster(self.folder).folder / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGQUIT)
        self.stack.close()

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url.replace("postgresql+psycopg://", "postgresql://")) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]


@dataclass
class Workers:
    """Two worker programs, each replaced when killed."""

    arguments: list[str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        self.running.append(subprocess.Popen([sys.executable, str(PROGRAM), *self.arguments]))

    def kill(self, number: int) -> None:
        victim = self.running.pop(number)
        assert victim.poll() is None, f"a worker ended by itself with {victim.returncode}"
        victim.kill()
        victim.wait()
        self.start()

    def stop(self) -> list[int]:
        for one in self.running:
            one.terminate()
        return [one.wait(30) for one in self.running]


@pytest.fixture(scope="module")
def messages(shared_data: Path) -> list[Outgoing]:
    """The first real articles as replay puts them on the log, and a poisoned message now and then."""
    found: list[RawArticle] = []

    class Enough(Exception):
        pass

    def take(articles: Sequence[RawArticle], /) -> None:
        found.extend(articles)
        if len(found) >= ARTICLES:
            raise Enough

    with pytest.raises(Enough):
        replay(shared_data / "uci-news" / "business.csv.gz", take, now=lambda: NOW)
    made = [encode(raw) for raw in found[:ARTICLES]]
    for number in range(0, ARTICLES, EVERY_POISONED):
        made.insert(number, Outgoing(b"poison%d" % number, b"\x09%d" % number))
    return made


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PrivateDatabase]:
    private = PrivateDatabase(tmp_path)
    private.start()
    migrate(private.url)
    opened = open_database(private.url)
    ensure_service(opened, "constant", {}, NOW)
    opened.dispose()
    yield private
    private.stack.close()
    embedded.wipe(tmp_path)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    found = find_kafka(tmp_path_factory.mktemp("kafka"))
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    found.stop()


@pytest.mark.slow
def test_kills_on_the_postgres_log_lose_and_double_nothing(database: PrivateDatabase, messages: list[Outgoing]) -> None:
    broker = PostgresBroker(database.url, TOPIC, GROUP)
    endure(database, broker, messages, [database.url, "postgres", TOPIC, GROUP, "64", "0"])


@pytest.mark.slow
@pytest.mark.kafka
def test_kills_on_kafka_lose_and_double_nothing(
    database: PrivateDatabase, messages: list[Outgoing], kafka: KafkaServer
) -> None:
    from monitor.broker.kafka import KafkaBroker, connection_settings, create_topic

    # A dead worker's partitions wait for its session to end; only a broker of our own allows a short one.
    session_timeout_ms = "1500" if kafka.can_restart else "6000"
    topic = f"{TOPIC}.{random.randrange(10**6)}"
    create_topic(connection_settings(kafka.address), topic)
    broker = KafkaBroker(connection_settings(kafka.address), topic, GROUP)
    endure(database, broker, messages, [database.url, kafka.address, topic, GROUP, "64", session_timeout_ms])


def endure(database: PrivateDatabase, broker: Broker, messages: list[Outgoing], arguments: list[str]) -> None:
    """Publish, kill and restart until everything is through; then nothing may be missing or doubled."""
    chance = random.Random(os.environ.get("TOCSIN_TEST_SEED", "crash"))
    expected = read([Message(TOPIC, 0, n, one.key, one.value, NOW) for n, one in enumerate(messages)])
    ids = {article.id for article in expected.articles}
    publisher = threading.Thread(target=publish_all, args=(broker, arguments[2], messages))
    workers = Workers(arguments)
    publisher.start()
    try:
        for _ in range(2):
            workers.start()
        for stored in sorted(chance.uniform(0.02, 0.95) for _ in range(KILLS)):
            wait_until(lambda wanted=stored: count(database) >= wanted * len(ids), workers)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.2))
            if chance.random() < 0.25:
                database.crash()
                database.start()
            else:
                workers.kill(chance.randrange(2))
        publisher.join(STALL_S)
        assert not publisher.is_alive()
        wait_until(lambda: sum(broker.lag().values()) == 0, workers)
        assert workers.stop() == [0, 0]
    finally:
        for one in workers.running:
            one.kill()
        broker.close()
    check(database, ids, {why.message.value for why in expected.dead})


def publish_all(broker: Broker, topic: str, messages: Sequence[Outgoing]) -> None:
    rest = iter(messages)
    while batch := list(islice(rest, PUBLISHED_AT_ONCE)):
        broker.publish(topic, batch)


def check(database: PrivateDatabase, ids: set[str], poisoned: set[bytes]) -> None:
    assert {str(row[0]) for row in database.ask("SELECT id FROM articles")} == ids
    assert {row[0] for row in database.ask("SELECT payload FROM dead_letters")} == poisoned
    stories, told = database.ask("SELECT count(*), sum(articles) FROM stories")[0]
    assert told == len(ids)
    assert database.ask("SELECT count(*) FROM scores") == [(len(ids),)]
    assert database.ask("SELECT count(DISTINCT story) FROM articles") == [(stories,)]
    everything = "FROM counts WHERE minutes = 1440 AND scope = (SELECT id FROM scopes WHERE key = 'all')"
    assert database.ask(f"SELECT sum(total) {everything}") == [(stories,)]
    opened = open_database(database.url)
    assert not list(recount(opened))
    opened.dispose()


def count(database: PrivateDatabase) -> int:
    return int(str(database.ask("SELECT count(*) FROM articles")[0][0]))


def wait_until(condition: Callable[[], bool], workers: Workers) -> None:
    deadline = time.monotonic() + STALL_S
    while not condition():
        assert time.monotonic() < deadline, "the line stands still"
        assert all(one.poll() is None for one in workers.running), "a worker ended by itself"
        time.sleep(0.05)
