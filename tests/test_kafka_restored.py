"""A database restored from a back-up, under a Kafka whose group has read on since: what it lacks is read again."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from sqlalchemy import text

from monitor.app import connector, opened
from monitor.broker.kafka_cluster import connection_settings, create_topic
from monitor.broker.protocol import PARTITIONS
from monitor.classifier.constant import ConstantClassifier
from monitor.codec import encode
from monitor.entities import Companies, Company
from monitor.settings import Settings
from monitor.store.counts import recount
from monitor.store.models import ensure_service
from monitor.types import RawArticle
from monitor.worker import Worker
from tests.conftest import ask, named
from tests.kafka_server import KafkaServer

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
WAIT_S = 60.0
COMPANIES = Companies([Company("ACME", "Acme", "ACME", ("Acme",))], {})

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka_server: KafkaServer, database_url: str) -> Settings:
    """A topic and a group of the test's own; the database has a model in service."""
    if not kafka_server.can_restart:
        pytest.skip("only Apache Kafka itself is sure to keep what is written beside an offset")
    topic = f"restored-{uuid.uuid4().hex[:8]}"
    create_topic(connection_settings(kafka_server.address), topic)
    with opened(database_url) as database:
        ensure_service(database, "constant", {}, NOW)
    return Settings(broker="kafka", kafka_servers=kafka_server.address, topic=topic, group=f"group-{topic}")


def test_what_a_restored_database_lacks_is_read_again(
    settings: Settings, database_server: str, database_url: str
) -> None:
    publish(settings, range(50))
    with working(settings, database_url, until=50):
        pass
    original, copy = name_in(database_url), f"restored_{uuid.uuid4().hex[:8]}"
    ask(database_server, f"CREATE DATABASE {copy} TEMPLATE {original} STRATEGY file_copy")
    restored = named(database_server, copy)
    publish(settings, range(50, 80))
    with working(settings, database_url, until=80):
        pass
    publish(settings, range(80, 90))
    with working(settings, restored, until=90), closing(connector(settings, restored)()) as log:
        deadline = time.monotonic() + WAIT_S
        while lag := sum(log.lag().values()):
            assert time.monotonic() < deadline, f"{lag} messages stay uncommitted"
            time.sleep(0.2)
    with opened(restored) as database:
        assert not list(recount(database))
    ask(database_server, f"DROP DATABASE {copy} WITH (FORCE)")


def test_an_offset_that_a_person_set_is_kept_to(settings: Settings, database_url: str) -> None:
    """kafka-consumer-groups.sh --reset-offsets skips a backlog; it writes nothing beside the offset."""
    publish(settings, range(40))
    consumer = KafkaConsumer(
        **connection_settings(settings.kafka_servers), group_id=settings.group, enable_auto_commit=False
    )
    partitions = [TopicPartition(settings.topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.commit({one: OffsetAndMetadata(end, "", -1) for one, end in consumer.end_offsets(partitions).items()})
    consumer.close()
    publish(settings, range(40, 45))
    with working(settings, database_url, until=5):
        pass


def publish(settings: Settings, numbers: range) -> None:
    raws = [
        RawArticle(
            source="wire",
            kind="news",
            publisher="Wire",
            family="Wire",
            title=f"Acme wins case {number * 7919} against district {number * 104729}",
            url=f"https://wire.example/{number}",
            seen=NOW,
            counted_at=NOW,
        )
        for number in numbers
    ]
    with closing(connector(settings, "")()) as log:
        log.publish(settings.topic, [encode(raw) for raw in raws])


@contextmanager
def working(settings: Settings, url: str, until: int) -> Iterator[None]:
    """A worker that runs for the block, which begins once so many articles are stored; there are no more at its end."""
    stop = threading.Event()
    with opened(url) as database, ThreadPoolExecutor(1) as thread:

        def stored() -> int:
            with database.connect() as connection:
                return int(connection.execute(text("SELECT count(*) FROM articles")).scalar_one())

        worker = Worker(database, connector(settings, url), lambda _: ConstantClassifier(), COMPANIES)
        running = thread.submit(worker.run, stop)
        try:
            deadline = time.monotonic() + WAIT_S
            while (found := stored()) < until:
                assert time.monotonic() < deadline, f"{found} articles instead of {until}"
                assert not running.done(), running.result()
                time.sleep(0.1)
            yield
        finally:
            stop.set()
        running.result()
        assert stored() == until


def name_in(url: str) -> str:
    return url.rpartition("?")[0].rpartition("/")[2]
