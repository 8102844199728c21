"""The log on Apache Kafka. Publishes with acks=all and idempotence; commits named offsets.

kafka-python's own `commit()` commits all that was polled, fetched ahead or not handled included; here only what
`poll` handed out is ever committed. Heartbeats run on kafka-python's thread, and the poll interval is set far beyond
any batch, so a slow batch keeps its partitions: only a dead process loses them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from monitor import patience
from monitor.broker.kafka_cluster import await_all, cause, patiently, refusal
from monitor.broker.protocol import PARTITIONS, Message, Outgoing, ends, partition_of
from monitor.errors import UsageError
from monitor.patience import PATIENCE_S, RETRY_S

JOIN_S = 5.0
"""How long a poll goes on, whatever it was given, while the group shares its partitions: a join that ends between two
polls is begun anew by kafka-python 3.0, and with it everybody's."""
LOOK_S = 0.25
SESSION_TIMEOUT_MS = 10_000
PATIENT_POLL_MS = 24 * 3600 * 1000
ANSWER_TIMEOUT_MS = 15_000
METADATA_AGE_MS = 30_000  # how long a new partition may stay unread
OURS = "saved by tocsin"
"""Stands beside every offset that we commit, and not beside one that kafka-consumer-groups.sh has set."""

log = structlog.get_logger()

# The next poll joins the group anew. What is ours afterwards is ours to commit.
_REBALANCING = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class KafkaBroker(ConsumerRebalanceListener):  # type: ignore[misc]
    """See protocol.Broker. For one thread; a publisher alone joins no group."""

    def __init__(
        self,
        connection: dict[str, Any],
        topic: str,
        group: str,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        patience_s: float = PATIENCE_S,
        saved: Callable[[], Mapping[int, int]] | None = None,
    ) -> None:
        """`saved` tells how far the database has come: partition -> the offset after the last one that it holds.

        What the group has committed beyond that is read again: the database was restored from a back-up.
        """
        self._connection, self._topic, self._group = connection, topic, group
        self._session_timeout_ms, self._patience_s = session_timeout_ms, patience_s
        self._producer: Any = None
        self._consumer: Any = None
        self._watcher: Any = None  # looks at offsets without being in the group
        self._handed_out: dict[Any, int] = {}  # partitions of ours -> how far poll has read
        self._owed: dict[Any, int] = {}  # and how far to commit, once no rebalance is under way
        self._saved = saved
        self._uncompared: set[Any] = set()  # partitions that are ours, and not yet held against what is saved
        self._is_joining = True

    def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        self._producer = self._producer or patiently("publish", self._new_producer, self._patience_s)
        try:
            partitions = len(self._producer.partitions_for(topic) or ()) or PARTITIONS
            sent = [
                self._producer.send(topic, message.value, message.key, partition=partition_of(message.key, partitions))
                for message in messages
            ]
            await_all(sent)
        except KafkaError as error:
            # A failed idempotent producer may refuse for good.
            failed, self._producer = self._producer, None
            failed.close(timeout=PATIENCE_S)
            raise refusal(error, topic, messages) from error

    def poll(self, limit: int, timeout_s: float) -> list[Message]:
        self._consumer = self._consumer or patiently("poll", self._new_consumer, self._patience_s)
        begun = time.monotonic()
        records: dict[Any, Any] = {}
        while not records:
            patience_s = max(timeout_s, JOIN_S) if self._is_joining else timeout_s
            if (left := begun + patience_s - time.monotonic()) <= 0:
                break
            records = self._from_what_is_saved(self._look(limit, min(left, LOOK_S)))
        messages = [
            Message(record.topic, record.partition, record.offset, record.key or b"", record.value or b"")
            for batch in records.values()
            for record in batch
        ]
        for partition, end in ends(messages).items():
            self._handed_out[TopicPartition(self._topic, partition)] = end
        self._settle()
        return messages

    def _look(self, limit: int, timeout_s: float) -> dict[Any, Any]:
        try:
            found: dict[Any, Any] = self._consumer.poll(timeout_ms=int(timeout_s * 1000) + 1, max_records=limit)
            self._keep_joining()
        except AuthorizationError as error:
            raise UsageError(
                f"Kafka refuses to let us read {self._topic!r}: {error}; check the user's rights"
            ) from error
        except KafkaError as error:
            log.warning("Kafka doesn't answer; waiting to poll", error=cause(error))
            time.sleep(min(timeout_s, RETRY_S))
            return {}
        return found

    def _from_what_is_saved(self, records: dict[Any, Any]) -> dict[Any, Any]:
        """Of the records those that come next, once partitions that are new to us are sought back where needed.

        Not in kafka-python's callback: what that raises is one more KafkaError to poll again after.
        """
        for partition in self._uncompared.copy() if self._saved else ():
            committed = self._committed(partition)  # before `saved`, which another consumer may raise
            saved = self._ask_saved().get(partition.partition, 0)
            if committed is not None and committed.offset > saved:
                lacks = {"partition": partition.partition, "saved": saved, "committed": committed.offset}
                if committed.metadata == OURS:
                    log.warning("the database lacks what it had saved; reading that again", **lacks)
                    self._consumer.seek(partition, saved)
                    self._handed_out.pop(partition, None)
                    self._owed[partition] = saved  # the lag counts it from now on
                    records.pop(partition, None)
                else:
                    log.warning("somebody moved the group's offset beyond what is saved", **lacks)
            self._uncompared.discard(partition)
        return records

    def _committed(self, partition: Any) -> Any:
        def ask() -> Any:
            return self._consumer.committed(partition, metadata=True, timeout_ms=ANSWER_TIMEOUT_MS)

        return patiently("ask what is committed", ask, self._patience_s)

    def _ask_saved(self) -> Mapping[int, int]:
        assert self._saved
        return patience.patiently("ask what is saved", self._saved, patience_s=self._patience_s)

    def _keep_joining(self) -> None:
        """Have the next poll go on with a join that this one's end left half done.

        kafka-python 3.0 asks whether the topics changed since they were last shared out. Once a leader has shared them
        anew, it no longer sees a reason to join, waits for the group's answer no more, sends no heartbeat, and is out
        of the group for good without knowing it. It has no public way to be told.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rebalance_in_progress() and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def commit(self, upto: Iterable[Message] | None = None) -> None:
        reached = ends(upto) if upto is not None else {p.partition: end for p, end in self._handed_out.items()}
        for partition, end in list(self._handed_out.items()):
            if 0 < (offset := reached.get(partition.partition, 0)) <= end:
                self._owed[partition] = offset
                if offset == end:
                    del self._handed_out[partition]
        self._settle()

    def _settle(self) -> None:
        """Commit what is owed. What a rebalance refuses stays owed until poll has gone through it."""
        if not self._owed:
            return
        offsets = {partition: OffsetAndMetadata(offset, OURS, -1) for partition, offset in self._owed.items()}

        def attempt() -> bool:
            try:
                self._consumer.commit(offsets, timeout_ms=ANSWER_TIMEOUT_MS)
            except _REBALANCING as error:
                log.info("the group is sharing its partitions anew; committing afterwards", error=cause(error))
                return False
            return True

        if patiently("commit", attempt, self._patience_s):
            self._owed.clear()

    def lag(self) -> dict[int, int]:
        def look() -> dict[int, int]:
            self._watcher = self._watcher or KafkaConsumer(
                **self._connection, group_id=self._group, enable_auto_commit=False
            )
            partitions = [TopicPartition(self._topic, p) for p in self._watcher.partitions_for_topic(self._topic) or ()]
            ends = self._watcher.end_offsets(partitions, timeout_ms=ANSWER_TIMEOUT_MS)
            starts = self._watcher.beginning_offsets(partitions, timeout_ms=ANSWER_TIMEOUT_MS)
            committed = {p: self._watcher.committed(p, timeout_ms=ANSWER_TIMEOUT_MS) for p in partitions}
            # Never below zero: a broker may tell the ends a moment later than the commits.
            return {p.partition: max(0, ends[p] - max(committed[p] or 0, starts[p])) for p in partitions}

        return patiently("ask for the lag", look, self._patience_s)

    def close(self) -> None:
        for client in (self._consumer, self._watcher):
            if client is not None:
                client.close(autocommit=False)
        if self._producer is not None:
            self._producer.close()
        self._consumer = self._watcher = self._producer = None

    def on_partitions_revoked(self, _revoked: Sequence[Any]) -> None:
        """Called by kafka-python inside poll, before a rebalance that may give each of them back to us."""
        self._is_joining = True

    def on_partitions_assigned(self, assigned: Sequence[Any]) -> None:
        """Ours from now on, all of them. What we kept is read on from where it was: its commits are still due.

        What went to another consumer is read again by it.
        """
        self._keep(assigned)
        self._uncompared = set(assigned)
        self._is_joining = False
        log.info("reading partitions", partitions=sorted(partition.partition for partition in assigned))

    def on_partitions_lost(self, _lost: Sequence[Any]) -> None:
        """The group went on without us: whoever has them now, we included, reads what was not committed again."""
        self._keep(())
        self._uncompared.clear()
        self._is_joining = True

    def _keep(self, partitions: Sequence[Any]) -> None:
        for ends_of in (self._handed_out, self._owed):
            for partition in ends_of.keys() - set(partitions):
                del ends_of[partition]

    def _new_producer(self) -> Any:
        return KafkaProducer(
            **self._connection, acks="all", enable_idempotence=True, linger_ms=5, batch_size=128 * 1024
        )

    def _new_consumer(self) -> Any:
        consumer = KafkaConsumer(
            **self._connection,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // 4,
            max_poll_interval_ms=PATIENT_POLL_MS,
            max_partition_fetch_bytes=8 * 1024 * 1024,
            metadata_max_age_ms=METADATA_AGE_MS,
        )
        # Asked for before joining: a leader without the topic's metadata would assign nothing at first.
        consumer.partitions_for_topic(self._topic)
        consumer.subscribe([self._topic], listener=self)
        return consumer
