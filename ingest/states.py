"""What is remembered of each source, and which worker asks it now: the seam, and an implementation in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from monitor.types import SKEW, Feed, FeedState


class FeedStates(Protocol):
    """Shared by all ingest workers, and safe to call from several threads. Their clocks may be SKEW apart.

    A source that is due is taken by one worker at a time; one that died gives its sources back when the lease ends.
    Raises Unavailable while what remembers is away.
    """

    def register(self, feeds: Sequence[Feed]) -> None:
        """Make the sources known, keeping what is remembered of those that are."""

    def take(self, names: Iterable[str], limit: int, worker: str, now: datetime, lease: timedelta) -> list[FeedState]:
        """Up to `limit` of the named that are due and free, those longest overdue; they are the worker's until saved,
        or until now + lease. One that was asked at a time to come, by a clock that was set back since, is due."""
        ...

    def save(self, state: FeedState, worker: str) -> None:
        """Remember the state and give the source up. Nothing where another worker has taken it meanwhile."""


@dataclass
class MemoryStates:
    """FeedStates of one process, gone with it."""

    states: dict[str, FeedState] = field(default_factory=dict)
    claims: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def register(self, feeds: Sequence[Feed]) -> None:
        with self.lock:
            for feed in feeds:
                self.states.setdefault(feed.name, FeedState(name=feed.name))

    def take(self, names: Iterable[str], limit: int, worker: str, now: datetime, lease: timedelta) -> list[FeedState]:
        with self.lock:
            due = [
                (state.next_at or datetime.min.replace(tzinfo=now.tzinfo), name)
                for name in names
                if (state := self.states.get(name))
                and (state.next_at is None or state.next_at <= now or _is_ahead(state.asked_at, now))
                and (name not in self.claims or not now < self.claims[name][1] <= now + lease + SKEW)
            ]
            taken = [name for _, name in sorted(due)[:limit]]
            self.claims |= dict.fromkeys(taken, (worker, now + lease))
            return [self.states[name] for name in taken]

    def save(self, state: FeedState, worker: str) -> None:
        with self.lock:
            if self.claims.get(state.name, ("", None))[0] == worker:
                self.states[state.name] = state
                del self.claims[state.name]


def _is_ahead(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now + SKEW
