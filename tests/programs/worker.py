"""A worker program for tests: the real worker, store and brokers, judged by checksum. Runs until SIGTERM.

python worker.py DATABASE_URL postgres|KAFKA_SERVERS TOPIC GROUP BATCH_ARTICLES SESSION_TIMEOUT_MS
"""

from __future__ import annotations

import sys
import threading

from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Broker
from monitor.classifier.constant import ConstantClassifier
from monitor.entities import load_companies
from monitor.logs import start_logging
from monitor.processes import stopped_by_signals
from monitor.store.engine import open_database
from monitor.worker import Worker


def main(url: str, servers: str, topic: str, group: str, batch_articles: str, session_timeout_ms: str) -> None:
    start_logging("test-worker", level="warning")

    def connect() -> Broker:
        if servers == "postgres":
            return PostgresBroker(url, topic, group)
        from monitor.broker.kafka import KafkaBroker
        from monitor.broker.kafka_cluster import connection_settings

        return KafkaBroker(connection_settings(servers), topic, group, session_timeout_ms=int(session_timeout_ms))

    stop: threading.Event = stopped_by_signals()
    Worker(
        open_database(url),
        connect,
        lambda _version: ConstantClassifier(),
        load_companies(),
        batch_articles=int(batch_articles),
    ).run(stop)
    assert "torch" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
