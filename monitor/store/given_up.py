"""Messages that no channel took and that are tried no more: seen, until somebody has them sent again or dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from monitor.store.alerts import Transaction


class GivenUp(NamedTuple):
    """One such message."""

    id: int
    channel: str
    title: str
    episode: str | None
    """None for digests and notices."""
    attempts: int
    at: datetime
    error: str
    """Why the channel did not take it."""


def given_up(tx: Transaction, limit: int = 50, since: datetime | None = None) -> tuple[int, list[GivenUp]]:
    """How many there are that nobody dismissed, and the newest.

    With `since`, of those given up later that were no notice of such a loss.
    """
    where = """FROM outbox WHERE gave_up_at IS NOT NULL AND dismissed_at IS NULL
               AND (CAST(:since AS timestamptz) IS NULL OR gave_up_at > :since AND NOT key LIKE 'notice:lost:%')"""
    count = int(tx.execute(text(f"SELECT count(*) {where}"), {"since": since}).scalar_one())
    statement = text(f"""
        SELECT id, channel, coalesce(message->>'title', ''), episode, attempts, gave_up_at, coalesce(error, '')
        {where} ORDER BY gave_up_at DESC, id DESC LIMIT :limit""")
    return count, [GivenUp(*row) for row in tx.execute(statement, {"limit": limit, "since": since})]


def send_again(tx: Transaction, who: str, now: datetime, ids: Sequence[int] | None = None) -> int:
    """Let them wait for the sender anew, at once, under their old keys; all of them without `ids`. How many do."""
    statement = text("""
        UPDATE outbox SET gave_up_at = NULL, attempts = 0, next_at = :now, asked_by = :who
        WHERE gave_up_at IS NOT NULL AND dismissed_at IS NULL
          AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids))""")
    return tx.execute(statement, {"now": now, "who": who, "ids": None if ids is None else list(ids)}).rowcount


def dismiss(tx: Transaction, who: str, now: datetime) -> int:
    """Name them no more: their channel is gone, or what they said is over. They stay, as not delivered. How many."""
    statement = text("""
        UPDATE outbox SET dismissed_at = :now, asked_by = :who WHERE gave_up_at IS NOT NULL AND dismissed_at IS NULL""")
    return tx.execute(statement, {"now": now, "who": who}).rowcount
