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
from tests.kafka_server import KafkaServer

ARTICLES = 20_000
PUBLISHED_AT_ONCE = 400
EVERY_POISONED = 500
KILLS = int(os.environ.get("TOCSIN_TEST_KILLS", "10"))
TOPIC, GROUP = "news.crash", "crash"
STALL_S = 60.0
TIMEOUT_S = 200 + 10 * KILLS
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
class Programs:
    """Two workers and the jobs, each started anew when killed."""

    worker: list[str]
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    jobs: subprocess.Popen[bytes] | None = None

    def start_worker(self) -> None:
        self.workers.append(subprocess.Popen([sys.executable, str(PROGRAM), *self.worker]))

    def start_jobs(self) -> None:
        """The very program of a deployment. It ends by itself when the database goes away under its lock."""
        command = [sys.executable, "-m", "monitor.cli", "jobs"]
        self.jobs = subprocess.Popen(command, env={**os.environ, **self.environment}, stderr=subprocess.DEVNULL)

    def kill_worker(self, number: int) -> None:
        end(self.workers.pop(number))
        self.start_worker()

    def kill_jobs(self) -> None:
        assert self.jobs
        end(self.jobs)
        self.start_jobs()

    def look(self) -> None:
        assert all(one.poll() is None for one in self.workers), "a worker ended by itself"
        if self.jobs and self.jobs.poll() is not None:
            self.start_jobs()

    def stop(self) -> list[int]:
        running = [*self.workers, *([self.jobs] if self.jobs else [])]
        for one in running:
            one.terminate()
        return [one.wait(30) for one in running]

    def end(self) -> None:
        for one in [*self.workers, *([self.jobs] if self.jobs else [])]:
            end(one)


def end(program: subprocess.Popen[bytes]) -> None:
    program.kill()
    program.wait()


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


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_kills_on_the_postgres_log_lose_and_double_nothing(database: PrivateDatabase, messages: list[Outgoing]) -> None:
    broker = PostgresBroker(database.url, TOPIC, GROUP)
    worker = [database.url, "postgres", TOPIC, GROUP, "64", "0"]
    endure(database, broker, TOPIC, messages, Programs(worker, environment(database, TOPIC)))


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(TIMEOUT_S)
def test_kills_on_kafka_lose_and_double_nothing(
    database: PrivateDatabase, messages: list[Outgoing], kafka_server: KafkaServer
) -> None:
    from monitor.broker.kafka import KafkaBroker
    from monitor.broker.kafka_cluster import connection_settings, create_topic

    # A dead worker's partitions wait for its session to end; only a broker of our own allows a short one.
    session_timeout_ms = "1500" if kafka_server.can_restart else "6000"
    topic = f"{TOPIC}.{random.randrange(10**6)}"
    create_topic(connection_settings(kafka_server.address), topic)
    broker = KafkaBroker(connection_settings(kafka_server.address), topic, GROUP)
    worker = [database.url, kafka_server.address, topic, GROUP, "64", session_timeout_ms]
    settings = {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": kafka_server.address}
    endure(database, broker, topic, messages, Programs(worker, environment(database, topic) | settings))


def environment(database: PrivateDatabase, topic: str) -> dict[str, str]:
    return {
        "TOCSIN_DATABASE_URL": database.url,
        "TOCSIN_DATA_DIR": str(database.folder / "jobs"),
        "TOCSIN_TOPIC": topic,
        "TOCSIN_GROUP": GROUP,
    }


def endure(database: PrivateDatabase, broker: Broker, topic: str, messages: list[Outgoing], programs: Programs) -> None:
    """Publish, kill and restart until everything is through; then nothing may be missing or doubled."""
    chance = random.Random(os.environ.get("TOCSIN_TEST_SEED", "crash"))
    expected = read([Message(TOPIC, 0, n, one.key, one.value) for n, one in enumerate(messages)])
    ids = {article.id for article in expected.articles}
    publisher = threading.Thread(target=publish_all, args=(broker, topic, messages))
    publisher.start()
    try:
        programs.start_worker()
        programs.start_worker()
        programs.start_jobs()
        for stored in sorted(chance.uniform(0.02, 0.95) for _ in range(KILLS)):
            wait_until(lambda wanted=stored: count(database) >= wanted * len(ids), programs)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.2))
            strike(chance, database, programs)
        publisher.join(STALL_S)
        assert not publisher.is_alive()
        wait_until(lambda: sum(broker.lag().values()) == 0, programs)
        # One that was started a moment ago has no handler yet.
        assert set(programs.stop()) <= {0, -signal.SIGTERM}
    finally:
        programs.end()
        broker.close()
    check(database, ids, {why.message.value for why in expected.dead})


def strike(chance: random.Random, database: PrivateDatabase, programs: Programs) -> None:
    victim = chance.choice(("worker", "worker", "worker", "jobs", "database"))
    if victim == "worker":
        programs.kill_worker(chance.randrange(2))
    elif victim == "jobs":
        programs.kill_jobs()
    else:
        database.crash()
        database.start()


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
    assert database.ask("SELECT count(*) > 0 FROM rules") == [(True,)], "the jobs were never elected"
    assert database.ask("SELECT count(*) FROM episodes") == [(0,)], "a back-fill rings nothing"
    opened = open_database(database.url)
    assert not list(recount(opened))
    opened.dispose()


def count(database: PrivateDatabase) -> int:
    return int(str(database.ask("SELECT count(*) FROM articles")[0][0]))


def wait_until(condition: Callable[[], bool], programs: Programs) -> None:
    deadline = time.monotonic() + STALL_S
    while not condition():
        assert time.monotonic() < deadline, "the line stands still"
        programs.look()
        time.sleep(0.05)
