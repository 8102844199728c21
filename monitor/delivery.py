"""The outbox's sender: what is due goes out, and how it went is kept. At least once; no channel stops another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from monitor.alerts.links import links_of
from monitor.alerts.notify import Channel, NotifyFailed, Sender
from monitor.metrics import NOTIFICATIONS
from monitor.store import outbox
from monitor.store.engine import Database, transaction
from monitor.store.outbox import Waiting

FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(hours=1)
CHANNELS_AT_ONCE = 32
GIVE_UP_AFTER = 30
"""Attempts: the waits double to an hour, so more than a day."""

log = structlog.get_logger()


def wait_before(attempt: int) -> timedelta:
    """10 s, 20 s, 40 s, ... at most an hour."""
    doubled: timedelta = FIRST_RETRY * (1 << min(attempt, 12))
    return min(doubled, LONGEST_RETRY)


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
        for one in waiting:
            if self._is_closing or not self._send(database, name, one, now):
                break  # after a failure its later messages would fail as well, and must not overtake this one
            sent += 1
        return sent

    def _send(self, database: Database, name: str, one: Waiting, now: datetime) -> bool:
        try:
            channel = self._channel(name)
            links = links_of(one.message.episode, self.dashboard_url, self.secret, now)
            self.sender.send(channel, one.message, one.key, links, now)
        except NotifyFailed as failure:
            self._failed(database, one, failure, now)
            return False
        with transaction(database) as tx:
            outbox.mark_sent(tx, one.id, now)
        NOTIFICATIONS.labels(channel=channel.sort, outcome="sent").inc()
        log.info("told", channel=name, title=one.message.title, key=one.key)
        return True

    def _channel(self, name: str) -> Channel:
        if name not in self.channels:
            raise NotifyFailed(f"channel {name!r} is no longer set up: name it in TOCSIN_NOTIFY")
        return self.channels[name]

    def _failed(self, database: Database, one: Waiting, failure: NotifyFailed, now: datetime) -> None:
        attempts = one.attempts + 1
        over = not failure.may_retry or attempts >= GIVE_UP_AFTER
        next_at = None if over else now + wait_before(one.attempts)
        with transaction(database) as tx:
            outbox.mark_failed(tx, one.id, str(failure), next_at, now)
        NOTIFICATIONS.labels(channel=one.channel, outcome="given up" if over else "failed").inc()
        log.warning("not told", channel=one.channel, error=str(failure), attempts=attempts, next_at=str(next_at))
