"""What was told, what waits, and what goes out: told, deferred, outbox, silences, feedback. At least once, by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import text

from monitor.alerts.message import Message
from monitor.alerts.notices import Held, Notice, Silence, ToldBefore, Withheld
from monitor.errors import UsageError
from monitor.logs import mask_addresses
from monitor.store.alerts import Transaction, episodes
from monitor.types import Scope

Verdict = Literal["acknowledged", "useful", "noise"]


class Waiting(NamedTuple):
    """A message that is due."""

    id: int
    key: str
    channel: str
    message: Message
    attempts: int
    created_at: datetime


# --- what the stages ask


def told_before(tx: Transaction, incidents: Sequence[str]) -> list[ToldBefore]:
    """The log of these incidents, oldest first; what never reached its channel was not told there."""
    statement = text("""
        SELECT incident, channel, reason, severity, at FROM told t WHERE incident = ANY(:ids) AND NOT EXISTS (
          SELECT FROM outbox o WHERE (o.episode = t.episode OR o.key LIKE 'list:%') AND o.channel = t.channel
            AND o.created_at = t.at AND o.gave_up_at IS NOT NULL) ORDER BY id""")
    return [ToldBefore(*row) for row in tx.execute(statement, {"ids": list(incidents)})]


def silences(tx: Transaction, now: datetime) -> list[Silence]:
    statement = text("SELECT scope, rule, ends, who FROM silences WHERE starts <= :now AND ends > :now ORDER BY ends")
    return [Silence(*row) for row in tx.execute(statement, {"now": now})]


def written(tx: Transaction, since: datetime) -> dict[str, list[datetime]]:
    """Per channel, when messages were written, notices among them."""
    rows = tx.execute(text("SELECT channel, created_at FROM outbox WHERE created_at > :since"), {"since": since})
    found: dict[str, list[datetime]] = {}
    for channel, at in rows:
        found.setdefault(channel, []).append(at)
    return found


def noise(tx: Transaction, ids: Sequence[str]) -> frozenset[str]:
    """Of these episodes, those whose newest word is noise."""
    statement = text("""
        SELECT episode FROM (SELECT DISTINCT ON (episode) episode, verdict FROM feedback WHERE episode = ANY(:ids)
          AND verdict <> 'acknowledged' ORDER BY episode, id DESC) newest WHERE verdict = 'noise'""")
    return frozenset(tx.execute(statement, {"ids": list(ids)}).scalars())


def attended(tx: Transaction) -> frozenset[str]:
    """Episodes that somebody has looked at."""
    return frozenset(tx.execute(text("SELECT DISTINCT episode FROM feedback")).scalars())


# --- what the stages decided


def log_told(tx: Transaction, notices: Sequence[Notice], now: datetime) -> None:
    _log(tx, [(one, one.reason) for one in notices], now)


def log_withheld(tx: Transaction, withheld: Sequence[Withheld], now: datetime) -> None:
    """Not told, and why: the alert's page shows it."""
    _log(tx, [(one.notice, f"not told: {one.why}") for one in withheld], now)


def _log(tx: Transaction, lines: Sequence[tuple[Notice, str]], now: datetime) -> None:
    rows = [
        {
            "episode": one.episode.id,
            "incident": one.episode.incident,
            "channel": one.channel,
            "reason": reason,
            "severity": one.episode.peak,
            "at": now,
        }
        for one, reason in lines
    ]
    if rows:
        tx.execute(
            text("""INSERT INTO told (episode, incident, channel, reason, severity, at)
                    VALUES (:episode, :incident, :channel, :reason, :severity, :at)"""),
            rows,
        )


def defer(tx: Transaction, held: Sequence[Held], now: datetime) -> None:
    rows = [
        {
            "episode": one.notice.episode.id,
            "incident": one.notice.episode.incident,
            "channel": one.notice.channel,
            "reason": one.notice.reason,
            "why": one.why,
            "at": now,
            "until": one.until,
        }
        for one in held
    ]
    if rows:
        tx.execute(
            text("""INSERT INTO deferred (episode, incident, channel, reason, why, at, until)
                    VALUES (:episode, :incident, :channel, :reason, :why, :at, :until)"""),
            rows,
        )


def take_due(tx: Transaction, now: datetime) -> list[Held]:
    """What was held until now, or by a silence ended early, taken out; each with its episode as it stands.

    What was held at a time to come, by a clock that was set back since, is judged anew.
    """
    rows = tx.execute(
        text("""
        DELETE FROM deferred d WHERE until <= :now OR at > CAST(:now AS timestamptz) + interval '1 hour'
          OR (why LIKE 'silenced%'
              AND NOT EXISTS (SELECT 1 FROM silences s WHERE s.ends = d.until AND s.starts <= :now))
        RETURNING id, episode, channel, reason, why, until"""),
        {"now": now},
    ).all()
    known = episodes(tx, [row.episode for row in rows])
    return [
        Held(Notice(known[row.episode], row.reason, now, row.channel), row.why, row.until)
        for row in sorted(rows)
        if row.episode in known
    ]


def post(tx: Transaction, channel: str, key: str, message: Message, now: datetime) -> bool:
    """Put a message into the outbox; False where this very one is there already, unless that was given up."""
    statement = text("""
        INSERT INTO outbox (key, channel, episode, message, created_at, attempts, next_at)
        VALUES (:key, :channel, :episode, CAST(:message AS jsonb), :now, 0, :now)
        ON CONFLICT (key) DO UPDATE SET message = excluded.message, created_at = excluded.created_at, attempts = 0,
          next_at = excluded.next_at, gave_up_at = NULL, dismissed_at = NULL, error = NULL
          WHERE outbox.gave_up_at IS NOT NULL""")
    values = {
        "key": key,
        "channel": channel,
        "episode": message.episode,
        "message": msgspec.json.encode(message).decode(),
        "now": now,
    }
    return tx.execute(statement, values).rowcount == 1


# --- the sender


def due(tx: Transaction, now: datetime, limit: int = 200, no_later: timedelta = timedelta(hours=1)) -> list[Waiting]:
    """Messages whose time has come, the oldest of each channel first, so that no channel waits for another.

    What follows a message that waits to be sent again waits with it: it would fail as well, or overtake that one.
    None waits for longer than `no_later`, whatever the clock said when its time was set.
    """
    statement = text("""
        WITH unsent AS (SELECT *, next_at > :now AND next_at <= :latest AS waits FROM outbox
                        WHERE sent_at IS NULL AND gave_up_at IS NULL),
             waiting AS (SELECT channel, min(id) AS id FROM unsent WHERE waits GROUP BY channel)
        SELECT id, key, channel, message::text, attempts, created_at FROM (
          SELECT unsent.*, row_number() OVER (PARTITION BY unsent.channel ORDER BY unsent.id) AS place
          FROM unsent LEFT JOIN waiting ON waiting.channel = unsent.channel
          WHERE NOT waits AND (waiting.id IS NULL OR unsent.id < waiting.id)) ready
        ORDER BY place, id LIMIT :limit""")
    found = tx.execute(statement, {"now": now, "latest": now + no_later, "limit": limit})
    return [
        Waiting(id, key, channel, _message_of(body), attempts, created_at)
        for id, key, channel, body, attempts, created_at in found
    ]


def _message_of(body: str) -> Message:
    """As stored; of one that another version wrote in another shape, what can be told of it."""
    try:
        return msgspec.json.decode(body, type=Message)
    except msgspec.ValidationError:
        known = msgspec.json.decode(body, type=dict[str, object])
        words = "The rest of this message was written by another version of Tocsin: look at the dashboard."
        return Message(sort="notice", title=str(known.get("title", "An alert")), lines=(words,))


def mark_sent(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    tx.execute(
        text("UPDATE outbox SET sent_at = :now, attempts = attempts + 1, error = NULL WHERE id = ANY(:ids)"),
        {"ids": list(ids), "now": now},
    )


def mark_failed(tx: Transaction, ids: Sequence[int], error: str, next_at: datetime | None, now: datetime) -> None:
    """`next_at` None: given up; they stay there to be seen. Addresses in `error` are masked: they may hold secrets."""
    tx.execute(
        text("""UPDATE outbox SET attempts = attempts + 1, error = :error, next_at = coalesce(:next_at, next_at),
                gave_up_at = CASE WHEN CAST(:next_at AS timestamptz) IS NULL THEN CAST(:now AS timestamptz) END
                WHERE id = ANY(:ids)"""),
        {"ids": list(ids), "error": mask_addresses(error)[:500], "next_at": next_at, "now": now},
    )


# --- what people do


def silence(
    tx: Transaction, scope: str, ends: datetime, who: str, comment: str, now: datetime, rule: int | None = None
) -> int:
    """Nothing about this scope and all inside it is told until `ends`; the silence's id."""
    Scope.of(scope)
    if ends <= now:
        raise UsageError("a silence must end after now")
    statement = text("""
        INSERT INTO silences (scope, rule, starts, ends, who, comment, at)
        VALUES (:scope, :rule, :now, :ends, :who, :comment, :now) RETURNING id""")
    values = {"scope": scope, "rule": rule, "ends": ends, "who": who, "comment": comment, "now": now}
    return int(tx.execute(statement, values).scalar_one())


def end_silence(tx: Transaction, id: int, who: str, now: datetime) -> None:
    """End it now; what it held is told if it still rings."""
    statement = text("UPDATE silences SET ends = :now, ended_by = :who WHERE id = :id AND ends > :now")
    tx.execute(statement, {"id": id, "who": who, "now": now})


def give_feedback(tx: Transaction, episode: str, verdict: Verdict, who: str, now: datetime, note: str = "") -> bool:
    """Keep a person's word on an alert; False where there is no such alert."""
    statement = text("""
        INSERT INTO feedback (episode, verdict, who, note, at)
        SELECT id, :verdict, :who, :note, :now FROM episodes WHERE id = :episode""")
    values = {"episode": episode, "verdict": verdict, "who": who, "note": note, "now": now}
    return tx.execute(statement, values).rowcount == 1


# --- marks


def marks_like(tx: Transaction, prefix: str) -> Mapping[str, datetime]:
    """Marks whose name begins so."""
    rows = tx.execute(text("SELECT name, at FROM marks WHERE starts_with(name, :prefix)"), {"prefix": prefix})
    return {row[0]: row[1] for row in rows}


def mark(tx: Transaction, name: str, now: datetime) -> None:
    tx.execute(
        text("INSERT INTO marks (name, at) VALUES (:name, :now) ON CONFLICT (name) DO UPDATE SET at = excluded.at"),
        {"name": name, "now": now},
    )


def unmark(tx: Transaction, name: str) -> None:
    tx.execute(text("DELETE FROM marks WHERE name = :name"), {"name": name})


def trim(tx: Transaction, now: datetime, keep: timedelta = timedelta(days=90)) -> int:
    """Forget what was sent long ago; episodes, evidence and the log of what was told stay."""
    statement = text("DELETE FROM outbox WHERE coalesce(sent_at, gave_up_at) < :before")
    return tx.execute(statement, {"before": now - keep}).rowcount
