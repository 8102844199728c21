"""The log's seam: what it promises, whoever keeps it. Owns no connection."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

PARTITIONS = 4
"""Of a topic that we make: as many workers can share it."""


class Outgoing(NamedTuple):
    """What a publisher appends. Messages of one key keep their order."""

    key: bytes
    value: bytes


class Message(NamedTuple):
    """What a consumer reads; (topic, partition, offset) names it for good."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes


class Broker(Protocol):
    """A log of topics in partitions, read by one consumer group.

    - Order: messages of one key are read in the order they were published, by one consumer at a time.
    - At least once: what was published is read until it is committed, across any kill and restart.
    - Nothing is skipped: a message that becomes visible late (a slow writer) is still read.
    - Sharing: consumers of one group split the partitions; a dead one's go to the others.
    - Patience: however long a caller takes between two polls, its partitions are not taken from it while it lives.

    Where the log does not answer, publish, poll and commit wait, say so, and raise Unavailable only after minutes.
    """

    def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Append all; returns once they are stored for good.

        Raises Unavailable if some may not be, UsageError if some never can be.
        """

    def poll(self, limit: int, timeout_s: float) -> list[Message]:
        """Up to `limit` messages after the last poll's, per partition in order; empty after `timeout_s` without any."""

    def commit(self, upto: Iterable[Message] | None = None) -> None:
        """These and all before them in their partitions are handled, else all that poll returned: never read it again.

        What was lost to another consumer is left alone.
        """

    def lag(self) -> dict[int, int]:
        """Messages not committed by the group, per partition of the topic that is read."""

    def close(self) -> None:
        """Give the partitions back; what was not committed is read again by somebody."""


def ends(messages: Iterable[Message]) -> dict[int, int]:
    """Partition -> the offset after the last of these, which stand in the order of their partitions."""
    return {message.partition: message.offset + 1 for message in messages}


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a key: stable across processes and versions, unlike hash()."""
    return zlib.crc32(key) % partitions
