"""The outbox's sender: what is due goes out, and how it went is kept. At least once; no channel stops another."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from monitor.alerts.bulletins import of_backlog
from monitor.alerts.channels import Channel, NotifyFailed
from monitor.alerts.links import links_of
from monitor.alerts.message import Message, Naming
from monitor.alerts.notify import Sender
from monitor.logs import mask_addresses
from monitor.metrics import NOTIFICATIONS
from monitor.store import outbox
from monitor.store.engine import Database, transaction
from monitor.store.outbox import Waiting

FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(hours=1)
CHANNELS_AT_ONCE = 32
GIVE_UP_AFTER = timedelta(days=1)
LEAST_ATTEMPTS = 5
"""After a day in which jobs did not run, a first failure is no reason to give up."""
STALE = timedelta(minutes=10)
BACKLOG = 3
"""More messages than that, the oldest of them stale: the channel was away, and gets one list instead of a flood."""

log = structlog.get_logger()


def wait_before(attempt: int) -> timedelta:
    """10 s, 20 s, 40 s, ... at most an hour."""
    doubled: timedelta = FIRST_RETRY * (1 << min(attempt, 12))
    return min(doubled, LONGEST_RETRY)


class Letter(NamedTuple):
    """What goes out at once, and the messages that it stands for."""

    key: str
    message: Message
    holds: tuple[Waiting, ...]


@dataclass
class Postman:
    """Delivers what is due; one per process. Each channel has its own line: a slow one keeps only itself waiting."""

    channels: Mapping[str, Channel]
    sender: Sender
    secret: str
    dashboard_url: str
    _lines: dict[str, Future[int]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(CHANNELS_AT_ONCE, "channel"))
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _is_closing: bool = False

    def deliver(self, database: Database, now: datetime, *, wait: bool = True) -> int:
        """Start sending what is due on every channel that is free; the number delivered by lines that have ended.

        Raises what a line raised. With `wait`, returns when all lines have ended.
        """
        with self._turn:
            # A channel whose line has not ended is left out: its messages are still marked as waiting.
            delivered = self._gather(only_ended=True)
            with transaction(database) as tx:
                waiting = outbox.due(tx, now)
            by_channel: dict[str, list[Waiting]] = {}
            for one in waiting:
                by_channel.setdefault(one.channel, []).append(one)
            for name in by_channel.keys() - self._lines.keys():
                self._lines[name] = self._pool.submit(self._send_all, database, name, by_channel[name], now)
            return delivered + (self._gather(only_ended=False) if wait else 0)

    def close(self) -> None:
        """Finish the messages that are being sent, begin no other."""
        self._is_closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _gather(self, *, only_ended: bool) -> int:
        ended = [name for name, line in self._lines.items() if line.done() or not only_ended]
        return sum(self._lines.pop(name).result() for name in ended)

    def _send_all(self, database: Database, name: str, waiting: list[Waiting], now: datetime) -> int:
        sent = 0
        for letter in letters(waiting, Naming({}, self.dashboard_url), now):
            if self._is_closing or not self._send(database, name, letter, now):
                break  # after a failure its later messages would fail as well, and must not overtake this one
            sent += 1
        return sent

    def _send(self, database: Database, name: str, letter: Letter, now: datetime) -> bool:
        try:
            channel = self._channel(name)
            links = links_of(letter.message.episode, self.dashboard_url, self.secret, now)
            self.sender.send(channel, letter.message, letter.key, links, now)
        except NotifyFailed as failure:
            self._failed(database, letter, failure, now)
            return False
        with transaction(database) as tx:
            outbox.mark_sent(tx, [one.id for one in letter.holds], now)
        NOTIFICATIONS.labels(channel=channel.sort, outcome="sent").inc()
        log.info("told", channel=name, title=letter.message.title, key=letter.key)
        return True

    def _channel(self, name: str) -> Channel:
        if name not in self.channels:
            raise NotifyFailed(f"channel {name!r} is no longer set up: name it in TOCSIN_NOTIFY", may_retry=False)
        return self.channels[name]

    def _failed(self, database: Database, letter: Letter, failure: NotifyFailed, now: datetime) -> None:
        first = letter.holds[0]
        over = [one.id for one in letter.holds if not failure.may_retry or is_over(one, now)]
        later = [one.id for one in letter.holds if one.id not in over]
        next_at = now + wait_before(first.attempts)
        with transaction(database) as tx:
            outbox.mark_failed(tx, over, str(failure), None, now)
            outbox.mark_failed(tx, later, str(failure), next_at, now)
        sort = self.channels[first.channel].sort if first.channel in self.channels else "none"
        NOTIFICATIONS.labels(channel=sort, outcome="given up" if over else "failed").inc()
        log.warning(
            "not told",
            channel=first.channel,
            error=mask_addresses(str(failure)),
            attempts=first.attempts + 1,
            given_up=len(over),
            next_at=str(next_at) if later else None,
        )


def is_over(one: Waiting, now: datetime) -> bool:
    """Is a message that has just failed again to be given up?"""
    return now - one.created_at >= GIVE_UP_AFTER and one.attempts + 1 >= LEAST_ATTEMPTS


def letters(waiting: Sequence[Waiting], naming: Naming, now: datetime) -> list[Letter]:
    """What a channel is sent for its waiting messages, oldest first: one each, or one for all that it has missed."""
    if len(waiting) > BACKLOG and now - waiting[0].created_at >= STALE:
        key = f"backlog:{waiting[0].id}-{waiting[-1].id}:{waiting[0].channel}"
        return [Letter(key, of_backlog([one.message for one in waiting], naming), tuple(waiting))]
    return [Letter(one.key, one.message, (one,)) for one in waiting]
