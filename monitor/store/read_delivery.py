"""How channels do, and what is held back. For jobs and the dashboard; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, text

from monitor.store.alerts import Transaction
from monitor.store.reads import rows

REMEMBERED = timedelta(days=7)
"""What happened to a channel before that says nothing of it any more."""
LOST_LATELY = timedelta(hours=1)
"""A channel that gave up a message is taken to be away for so long; it may have been mended, and nothing to send."""


class ChannelState(NamedTuple):
    """How a channel does."""

    channel: str
    waiting: int
    """Messages that it has not taken yet."""
    away_since: datetime | None
    """When the oldest message was written that it has not taken or lately lost; None where it works."""
    error: str | None
    """What it said last, where it is away."""
    given_up: int
    sent_at: datetime | None


class Held(NamedTuple):
    """A notice that waits: for which channel ("" for those of its rule), why, until when."""

    channel: str
    reason: str
    why: str
    until: datetime


_CHANNELS = """
WITH told AS (SELECT channel, max(sent_at) AS at FROM outbox WHERE created_at > :since GROUP BY channel),
     refused AS (SELECT o.* FROM outbox o JOIN told ON told.channel = o.channel
                 WHERE created_at > :since AND o.sent_at IS NULL
                   AND (o.error IS NOT NULL OR o.created_at < :lately)  -- or it hangs
                   AND (o.gave_up_at IS NULL OR o.gave_up_at > greatest(told.at, CAST(:lately AS timestamptz))))
SELECT o.channel, count(*) FILTER (WHERE o.sent_at IS NULL AND o.gave_up_at IS NULL),
       (SELECT min(created_at) FROM refused WHERE channel = o.channel),
       (SELECT error FROM refused WHERE channel = o.channel ORDER BY id DESC LIMIT 1),
       count(*) FILTER (WHERE o.gave_up_at IS NOT NULL AND o.dismissed_at IS NULL), max(o.sent_at)
FROM outbox o WHERE created_at > :since GROUP BY o.channel ORDER BY o.channel"""


def channel_states(tx: Transaction, now: datetime) -> list[ChannelState]:
    """Of channels that something was written for lately."""
    return [ChannelState(*row) for row in tx.execute(text(_CHANNELS), _times(now))]


def channels(engine: Engine, now: datetime) -> list[ChannelState]:
    """The same, for a page."""
    return [ChannelState(*row) for row in rows(engine, _CHANNELS, **_times(now))]


def _times(now: datetime) -> dict[str, datetime]:
    return {"since": now - REMEMBERED, "lately": now - LOST_LATELY}


def held(engine: Engine, episode: str) -> Sequence[Held]:
    """What is still to be told of an episode, and what it waits for."""
    statement = "SELECT channel, reason, why, until FROM deferred WHERE episode = :id ORDER BY until, id"
    return [Held(*row) for row in rows(engine, statement, id=episode)]
