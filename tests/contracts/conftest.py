"""The implementations that each contract runs over."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from monitor import embedded
from monitor.broker.protocol import Broker
from tests.kafka_server import KafkaServer

SESSION_TIMEOUT_MS = 6_000
"""The least a default broker accepts."""


@dataclass
class Log:
    """One implementation with a topic of its own. `open` makes another consumer of the group."""

    make: Callable[[str, str], Broker]
    topic: str
    restart: Callable[[], None] | None
    environment: dict[str, str]
    opened: list[Any] = field(default_factory=list)

    def open(self, group: str = "group") -> Broker:
        broker = self.make(self.topic, f"{group}-{self.topic}")
        self.opened.append(broker)
        return broker

    def program(self, code: str) -> subprocess.Popen[str]:
        """A process of its own with the same log; `open_log()` is there."""
        return subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code],
            env={**os.environ, **self.environment, "LOG_TOPIC": self.topic},
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )


PRELUDE = """
import os, sys, time
from monitor.logs import start_logging
from tests.contracts.conftest import make_broker
start_logging("test")
def open_log(group="group"):
    topic = os.environ["LOG_TOPIC"]
    return make_broker(os.environ["LOG_KIND"], os.environ["LOG_WHERE"], topic, f"{group}-{topic}")
"""


def make_broker(kind: str, where: str, topic: str, group: str) -> Broker:
    if kind == "postgres":
        from monitor.broker.postgres import PostgresBroker

        return PostgresBroker(where, topic, group)
    from monitor.broker.kafka import KafkaBroker
    from monitor.broker.kafka_cluster import connection_settings

    return KafkaBroker(connection_settings(where), topic, group, session_timeout_ms=SESSION_TIMEOUT_MS)


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    kind, topic = request.param, f"news-{uuid.uuid4().hex[:8]}"
    restart: Callable[[], None] | None
    if kind == "postgres":
        where = request.getfixturevalue("database_url")
        restart = lambda: end_every_session(where)  # noqa: E731
    else:
        server: KafkaServer = request.getfixturevalue("kafka_server")
        where = server.address
        from monitor.broker.kafka_cluster import connection_settings, create_topic

        create_topic(connection_settings(where), topic)
        restart = (lambda: (server.kill(), server.start())) if server.can_restart else None  # type: ignore[assignment, func-returns-value]
    made = Log(lambda t, g: make_broker(kind, where, t, g), topic, restart, {"LOG_KIND": kind, "LOG_WHERE": where})
    yield made
    for broker in made.opened:
        broker.close()


def end_every_session(url: str) -> None:
    """What a restart does to those connected: every session of this database ends."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    name = url.rpartition("?")[0].rpartition("/")[2]
    with psycopg.connect(plain.replace(f"/{name}?", f"/{embedded.NAME}?"), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
