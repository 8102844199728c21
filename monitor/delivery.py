"""The outbox's sender: what is due goes out, and how it went is kept. At least once; no channel stops another."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
GIVE_UP_AFTER = 30
"""Attempts: the waits double to an hour, so more than a day."""

log = structlog.get_logger()


def wait_before(attempt: int) -> timedelta:
    """10 s, 20 s, 40 s, ... at most an hour."""
    doubled: timedelta = FIRST_RETRY * (1 << min(attempt, 12))
    return min(doubled, LONGEST_RETRY)


@dataclass
class Postman:
    """Delivers what is due; one per process."""

    channels: Mapping[str, Channel]
    sender: Sender
    secret: str
    dashboard_url: str

    def deliver(self, database: Database, now: datetime) -> int:
        """Send what is due, each channel's in order, channels side by side; the number delivered."""
        with transaction(database) as tx:
            waiting = outbox.due(tx, now)
        by_channel: dict[str, list[Waiting]] = {}
        for one in waiting:
            by_channel.setdefault(one.channel, []).append(one)
        if not by_channel:
            return 0
        with ThreadPoolExecutor(len(by_channel), thread_name_prefix="channel") as pool:
            return sum(pool.map(lambda name: self._send_all(database, name, by_channel[name], now), by_channel))

    def _send_all(self, database: Database, name: str, waiting: list[Waiting], now: datetime) -> int:
        sent = 0
        for one in waiting:
            if not self._send(database, name, one, now):
                break  # its later messages would fail as well, and must not overtake this one
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
