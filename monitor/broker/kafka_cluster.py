"""A Kafka cluster as every client of ours meets it: how it is reached, waited for, and what it refuses for good."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
)

from monitor import patience
from monitor.broker.protocol import PARTITIONS, Outgoing
from monitor.errors import TocsinError, Unavailable, UsageError
from monitor.patience import PATIENCE_S

LONGEST_CAUSE = 200
LARGEST_BATCH = 1_048_588
"""Bytes that a topic must take at once: Kafka's own default of max.message.bytes, and more than the codec makes."""

T = TypeVar("T")


def connection_settings(
    servers: str,
    security_protocol: str = "PLAINTEXT",
    sasl_mechanism: str | None = None,
    username: str | None = None,
    password: str | None = None,
) -> dict[str, Any]:
    """What every client of ours connects with. UsageError where a server is no host:port."""
    found = [server.strip() for server in servers.split(",") if server.strip()]
    for server in found:
        host, _, port = server.rpartition(":")
        # str.isdigit would take "²", and int() no 5,000 digits.
        if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise UsageError(f"TOCSIN_KAFKA_SERVERS: {server!r} is no host:port")
    if security_protocol.startswith("SASL") and not (sasl_mechanism and username and password):
        raise UsageError(
            f"TOCSIN_KAFKA_SECURITY_PROTOCOL={security_protocol} needs TOCSIN_KAFKA_SASL_MECHANISM,"
            " TOCSIN_KAFKA_USERNAME and TOCSIN_KAFKA_PASSWORD; set all three"
        )
    settings: dict[str, Any] = {"bootstrap_servers": found, "security_protocol": security_protocol}
    if sasl_mechanism:
        settings |= {
            "sasl_mechanism": sasl_mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return settings


def create_topic(connection: dict[str, Any], topic: str) -> bool:
    """Make the topic with PARTITIONS partitions; False where it is there. Unavailable if Kafka does not answer."""
    admin = patiently("create the topic", lambda: KafkaAdminClient(**connection), patience_s=30)
    try:
        options = {"num_partitions": PARTITIONS, "configs": {"max.message.bytes": str(LARGEST_BATCH)}}
        admin.create_topics({topic: options}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return False
    except KafkaError as error:
        raise Unavailable(f"Kafka refused to create topic {topic!r}: {cause(error)}; ask who runs it") from error
    finally:
        admin.close()
    return True


def refusal(error: KafkaError, topic: str, messages: Sequence[Outgoing]) -> TocsinError:
    """What a publisher is told: what waiting mends, or what a person must."""
    if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
        largest = max(len(message.key) + len(message.value) for message in messages)
        return UsageError(
            f"Kafka's topic {topic!r} takes no message of {largest:,} bytes, now or later; set its"
            f" max.message.bytes to {LARGEST_BATCH} (kafka-configs.sh --alter), then start again"
        )
    if isinstance(error, AuthorizationError):
        return UsageError(f"Kafka refuses to let us write to {topic!r}: {error}; check the user's rights")
    return Unavailable(f"Kafka did not take the messages ({cause(error)}); publish them again")


def await_all(sent: Sequence[Any]) -> None:
    """Return once each has arrived; raise the first failure once each has arrived or failed.

    kafka-python's own flush() fails while a batch that is too large for a topic is cut in two and sent again.
    """
    failures = []
    for future in sent:
        try:
            future.get(timeout=PATIENCE_S)  # the delivery timeout, two minutes, comes first
        except KafkaError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def patiently(what: str, act: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """As monitor.patience, for what raises KafkaError."""

    def ask() -> T:
        try:
            return act()
        except KafkaError as error:
            raise Unavailable(
                f"Kafka doesn't answer ({cause(error)}); start it, or set TOCSIN_KAFKA_SERVERS and"
                " TOCSIN_KAFKA_SECURITY_PROTOCOL"
            ) from error

    return patience.patiently(what, ask, patience_s=patience_s)


def cause(error: Exception) -> str:
    """On one line: some of kafka-python's errors hold the broker's whole answer."""
    told = str(error)
    return told if 0 < len(told) <= LONGEST_CAUSE else type(error).__name__
