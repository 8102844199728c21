"""What Kafka refuses for good is told with the mend, not waited for."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaTimeoutError, MetadataEmptyBrokerList

from monitor.app import connector
from monitor.broker.kafka import KafkaBroker
from monitor.broker.kafka_cluster import LARGEST_BATCH, connection_settings, create_topic, patiently
from monitor.broker.protocol import Message, Outgoing
from monitor.codec import LARGEST
from monitor.errors import Unavailable, UsageError
from monitor.settings import Settings
from tests.kafka_server import KafkaServer

WAIT_S = 60.0

pytestmark = pytest.mark.kafka


def test_a_message_above_the_topic_s_limit_is_refused_with_the_mend_and_the_next_one_goes_through(
    kafka_server: KafkaServer,
) -> None:
    if not kafka_server.can_restart:
        pytest.skip("only Apache Kafka itself is sure to keep a topic's limit")
    connection, topic = connection_settings(kafka_server.address), f"narrow-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(**connection)
    admin.create_topics({topic: {"num_partitions": 1, "configs": {"max.message.bytes": "50000"}}})
    admin.close()
    broker = KafkaBroker(connection, topic, "group")
    small = [Outgoing(b"k", b"%d" % n + b"x" * 20_000) for n in range(10)]
    with pytest.raises(UsageError, match=rf"takes no message of 200,001 bytes.+max.message.bytes to {LARGEST_BATCH}"):
        broker.publish(topic, [*small, Outgoing(b"k", b"x" * 200_000)])
    broker.publish(topic, [Outgoing(b"k", b"after")])
    values = {message.value for _ in range(20) for message in broker.poll(50, 0.5)}
    assert b"after" in values
    broker.close()


def test_a_topic_of_ours_takes_the_largest_message_that_the_codec_makes(kafka_server: KafkaServer) -> None:
    connection, topic = connection_settings(kafka_server.address), f"wide-{uuid.uuid4().hex[:8]}"
    assert create_topic(connection, topic)
    broker = KafkaBroker(connection, topic, "group")
    broker.publish(topic, [Outgoing(b"k", b"x" * (LARGEST - 1))])
    broker.close()


def test_a_message_of_any_time_is_read(kafka_server: KafkaServer) -> None:
    """Others' producers write microseconds, too; read as milliseconds they name no year. Kafka before 4 took them."""
    connection, topic = connection_settings(kafka_server.address), f"odd-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(**connection)
    as_before = {"message.timestamp.after.max.ms": str(2**63 - 1)}
    admin.create_topics({topic: {"num_partitions": 1, "configs": as_before}})
    admin.close()
    producer = KafkaProducer(**connection)
    for at in (1_764_547_200_000_000, 0, 1_764_547_200_000):
        producer.send(topic, b"%d" % at, b"k", timestamp_ms=at)
    producer.close()
    broker = KafkaBroker(connection, topic, "group")
    deadline, values = time.monotonic() + WAIT_S, list[bytes]()
    while len(values) < 3:
        assert time.monotonic() < deadline, values
        values += [message.value for message in broker.poll(50, 0.5)]
    broker.close()


def test_what_was_in_flight_while_another_joined_is_committed(kafka_server: KafkaServer) -> None:
    """The partitions that it keeps it reads on, not again: without a commit their lag would stand still."""
    connection, topic = connection_settings(kafka_server.address), f"shared-{uuid.uuid4().hex[:8]}"
    create_topic(connection, topic)
    one, other = (KafkaBroker(connection, topic, "group", session_timeout_ms=6000) for _ in range(2))
    for number in range(40):
        one.publish(topic, [Outgoing(b"%d" % number, b"")])
    deadline = time.monotonic() + WAIT_S
    flying = list[Message]()
    while len(flying) < 40:
        flying += one.poll(50, 0.5)
    others = list[Message]()
    with ThreadPoolExecutor(1) as thread:
        while not others:
            assert time.monotonic() < deadline, "nothing was shared"
            polling = thread.submit(other.poll, 50, 0.5)
            assert not one.poll(50, 0.5), "a partition that it kept was read again"
            others = polling.result()
        one.commit(flying)
        while lag := sum(other.lag().values()):
            assert time.monotonic() < deadline, f"{lag} messages stay uncommitted"
            other.commit(others)
            polling = thread.submit(other.poll, 50, 0.2)
            one.poll(50, 0.2)
            others = polling.result()
    one.close()
    other.close()


@pytest.mark.parametrize("look_s", [0.002, 0.005, 0.02] * 2)
def test_a_join_that_a_poll_leaves_half_done_is_gone_on_with(
    kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch, look_s: float
) -> None:
    """A leader's second join, after topics became known: whether a poll ends within it is chance."""
    monkeypatch.setattr("monitor.broker.kafka.LOOK_S", look_s)
    connection, topic = connection_settings(kafka_server.address), f"joined-{uuid.uuid4().hex[:8]}"
    create_topic(connection, topic)
    broker = KafkaBroker(connection, topic, "group", session_timeout_ms=6000)
    broker.publish(topic, [Outgoing(b"%d" % number, b"") for number in range(8)])
    deadline = time.monotonic() + WAIT_S
    messages = list[Message]()
    while len(messages) < 8:
        assert time.monotonic() < deadline, "nothing to read"
        messages += broker.poll(50, 0.5)
    for _ in range(20):
        broker.poll(50, 0.05)
    broker.commit(messages)
    while sum(broker.lag().values()):
        assert time.monotonic() < deadline, "it is out of the group, and never comes back"
        broker.poll(50, 0.2)
    broker.close()


def test_a_cause_is_one_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A broker without leaders answers with all its topics, and kafka-python puts that into the error."""
    answers = iter([MetadataEmptyBrokerList("MetadataResponse(" + "topic, " * 500), KafkaTimeoutError("no answer")])

    def ask() -> str:
        for error in answers:
            raise error
        return "here"

    assert patiently("ask for the lag", ask) == "here"
    assert len(capsys.readouterr().out) < 400


def test_who_asks_once_is_not_kept_waiting_by_a_kafka_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that listens and speaks another protocol, say: programs wait for it, `tocsin status` does not."""

    def away(**_settings: object) -> None:
        raise KafkaTimeoutError("no answer")

    monkeypatch.setattr("monitor.broker.kafka.KafkaConsumer", away)
    settings = Settings(broker="kafka", kafka_servers="127.0.0.1:9")
    asked, program = connector(settings, "", patience_s=0.1)(), connector(settings, "")()
    with pytest.raises(Unavailable, match="TOCSIN_KAFKA_SECURITY_PROTOCOL"):
        asked.lag()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(program.lag)
        with pytest.raises(TimeoutError):
            waiting.result(2.0)
        monkeypatch.setattr("monitor.broker.kafka.KafkaConsumer", lambda **_settings: _Empty())
        assert waiting.result(10.0) == {}


class _Empty:
    """A consumer of a topic without partitions."""

    def partitions_for_topic(self, _topic: str) -> None: ...

    def end_offsets(self, _partitions: object, **_options: object) -> dict[object, int]:
        return {}

    beginning_offsets = end_offsets


@pytest.mark.parametrize("missing", ["sasl_mechanism", "username", "password"])
def test_a_login_that_lacks_a_part_is_named(missing: str) -> None:
    login = {"sasl_mechanism": "PLAIN", "username": "ann", "password": "secret"}
    with pytest.raises(UsageError, match=r"TOCSIN_KAFKA_SASL_MECHANISM.*set all three"):
        connection_settings("127.0.0.1:9092", "SASL_SSL", **{**login, missing: None})
    assert connection_settings("127.0.0.1:9092", "SASL_SSL", **login)["sasl_plain_username"] == "ann"
