"""What people say of alerts: acknowledged, useful, noise; silences. Adds rows, with who and when."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from monitor.errors import UsageError

Verdict = Literal["acknowledged", "useful", "noise"]


def judge(tx: Connection, episode: str, verdict: Verdict, who: str, now: datetime, note: str = "") -> None:
    """Keep a verdict; the newest of useful and noise stands. UsageError where there is no such episode."""
    if not tx.execute(text("SELECT 1 FROM episodes WHERE id = :id"), {"id": episode}).first():
        raise UsageError(f"there is no alert {episode!r}; it may have been removed")
    tx.execute(
        text("INSERT INTO feedback (episode, verdict, who, note, at) VALUES (:episode, :verdict, :who, :note, :now)"),
        {"episode": episode, "verdict": verdict, "who": who, "note": note, "now": now},
    )


def silence(
    tx: Connection,
    scope: str,
    starts: datetime,
    ends: datetime,
    who: str,
    now: datetime,
    comment: str = "",
    rule: int | None = None,
) -> int:
    """Tell nobody of this scope and all inside it for a while; its id."""
    if ends <= starts:
        raise UsageError("a silence must end after it starts")
    statement = text(
        """INSERT INTO silences (scope, rule, starts, ends, who, comment, at)
           VALUES (:scope, :rule, :starts, :ends, :who, :comment, :now) RETURNING id"""
    )
    values = {"scope": scope, "rule": rule, "starts": starts, "ends": ends, "who": who, "comment": comment, "now": now}
    return int(tx.execute(statement, values).scalar_one())


def end_silence(tx: Connection, id: int, now: datetime) -> None:
    """It ends now; that it was stays known."""
    tx.execute(text("UPDATE silences SET ends = :now WHERE id = :id AND ends > :now"), {"id": id, "now": now})
