"""What waits on the log, and since when: behind "workers are behind" and "no worker takes anything". Pure.

The log tells how many messages are not committed at one moment, and one in flight is no lag: only looks in a row tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

LAG_TOLD = timedelta(minutes=10)
"""What has waited for longer is told. After a pause of so long between two looks, looking begins anew."""


class Progress(NamedTuple):
    """How far the rows of a partition have come."""

    partition: int
    counted_at: datetime
    offset: int


class Waiting(NamedTuple):
    """A partition with messages that no worker has committed."""

    messages: int
    since: datetime
    """Each look since then found some."""
    still: datetime
    """No look since then found its rows further, or fewer messages."""
    reached: Progress | None
    """None where it has no rows yet."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What looks in a row have found."""

    begun: datetime
    looked: datetime
    waiting: Mapping[int, Waiting]
    """By partition."""

    @property
    def messages(self) -> int:
        return sum(one.messages for one in self.waiting.values())

    @property
    def stalled(self) -> timedelta:
        """For how long a partition has had messages without moving; the longest of all."""
        return max((self.looked - one.still for one in self.waiting.values()), default=timedelta(0))

    @property
    def stuck(self) -> dict[int, Waiting]:
        """Partitions whose messages nobody takes."""
        return {number: one for number, one in self.waiting.items() if self.looked - one.still >= LAG_TOLD}

    @property
    def moves(self) -> bool:
        """Whether all that waits is taken; of looks that have just begun nobody knows."""
        return not self.waiting or (not self.stuck and self.looked - self.begun >= LAG_TOLD)

    @property
    def behind(self) -> timedelta | None:
        """How far workers are behind with what they read, however fast; None while that is nothing to tell."""
        late = [
            self.looked - max(one.since, one.reached.counted_at if one.reached else one.since)
            for one in self.waiting.values()
        ]
        return max((length for length in late if length > LAG_TOLD), default=None)


def look(before: Backlog | None, lag: Mapping[int, int], progress: Sequence[Progress], now: datetime) -> Backlog:
    """What is known after one more look at the log's `lag`, messages not committed per partition."""
    # A clock that was set, a machine that slept, a database that was away: of the time between nobody knows anything.
    if before is None or not timedelta(0) <= now - before.looked <= LAG_TOLD:
        before = Backlog(now, now, {})
    reached = {one.partition: one for one in progress}
    waiting = {
        number: _after(before.waiting.get(number), messages, reached.get(number), now)
        for number, messages in lag.items()
        if messages
    }
    return Backlog(before.begun, now, waiting)


def _after(had: Waiting | None, messages: int, reached: Progress | None, now: datetime) -> Waiting:
    if had is None:
        return Waiting(messages, now, now, reached)
    # Of a topic made anew the offsets begin at nothing, but its rows are newer or its messages fewer.
    has_moved = reached != had.reached or messages < had.messages
    return Waiting(messages, had.since, now if has_moved else had.still, reached)
