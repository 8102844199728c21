"""What an evaluation reads and writes: rules, counts, learned banks, episodes, evidence. One transaction a tick.

Takes and returns the values of monitor/alerts, never rows. What is told lies in monitor/store/outbox.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from monitor.alerts.episodes import EVIDENCE_LIMIT, Episode, Evidence, Running
from monitor.alerts.state import EpisodeState
from monitor.store.engine import Database as Database
from monitor.store.engine import open_database, transaction
from monitor.types import Sentiment

begin = transaction
open_alerts = open_database
Transaction = Connection
"""What callers hold; SQLAlchemy stays in monitor/store."""


class Standing(NamedTuple):
    """Where the machine stands for one rule and scope."""

    state: EpisodeState
    number: int
    stepped_to: datetime


def model_in_service(tx: Transaction) -> int | None:
    return tx.execute(text("SELECT model FROM services ORDER BY id DESC LIMIT 1")).scalar()


def took_over_at(tx: Transaction) -> datetime | None:
    """When the version in service followed another; None for a database's first."""
    statement = text(
        "SELECT since FROM services WHERE id = (SELECT max(id) FROM services) AND id > (SELECT min(id) FROM services)"
    )
    return tx.execute(statement).scalar()


# --- evidence


def column_of(sentiment: Sentiment) -> str:
    return "positive" if sentiment == "positive" else "negative"


TOLD_BEFORE = """EXISTS (
    SELECT 1 FROM story_counts e JOIN articles b ON b.id = e.article
    WHERE e.story = c.story AND e.scope = c.scope AND e.model = c.model AND e.kind <> c.kind AND e.kind = ANY(:kinds)
      AND (e.is_backfill, e.at, e.kind) < (c.is_backfill, c.at, c.kind)
      AND b.title ILIKE ALL(CAST(:words AS text[])))"""
"""Is row `c` of story_counts a story that another of the :kinds has told already? Together they count it once, by the
first of them that came live, and of those only that name all :words."""
ASKED = f"""NOT {TOLD_BEFORE} AND a.title ILIKE ALL(CAST(:words AS text[]))
  AND (cardinality(CAST(:families AS text[])) = 0 OR EXISTS (
    SELECT 1 FROM story_publishers p WHERE p.story = c.story AND p.family = ANY(:families)))"""  # noqa: S608 (a constant)
"""Does a rule count row `c` of story_counts, whose article is `a`? Its :words all in the headline, told by one of its
:families, where it names any."""


def evidence(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    asked: Mapping[str, datetime],
    *,
    families: Sequence[str] = (),
    words: str = "",
) -> dict[str, tuple[Evidence, ...]]:
    """Per scope the distinct stories counted live since its time, newest first, with all their witnesses.

    Of `families` and with all `words` in the headline only, where asked: the limit is on those, however many others
    are newer.
    """
    if not asked:
        return {}
    statement = text(f"""
        SELECT want.key, c.story, c.article, c.title, c.url, c.publisher, c.counted_at,
               ARRAY(SELECT p.family FROM story_publishers p WHERE p.story = c.story ORDER BY p.family)
        FROM unnest(CAST(:keys AS text[]), CAST(:sinces AS timestamptz[])) AS want(key, since)
        JOIN scopes s ON s.key = want.key
        JOIN LATERAL (SELECT c.story, c.article, c.at, a.title, a.url, a.publisher, a.counted_at
                      FROM story_counts c JOIN articles a ON a.id = c.article
                      WHERE c.scope = s.id AND c.model = :model AND c.at >= want.since AND c.kind = ANY(:kinds)
                        AND c.{column_of(sentiment)} AND NOT c.is_backfill AND {ASKED}
                      ORDER BY c.at DESC LIMIT {EVIDENCE_LIMIT}) c ON true
        ORDER BY want.key, c.at DESC""")  # noqa: S608 (a column name and constants)
    values = {
        "keys": list(asked),
        "sinces": list(asked.values()),
        "model": model,
        "kinds": list(kinds),
        "families": list(families),
        "words": holding(words),
    }
    found: dict[str, list[Evidence]] = {key: [] for key in asked}
    for key, story, article, title, url, publisher, at, told_by in tx.execute(statement, values):
        one = Evidence(
            story=story, article=article, title=title, url=url, publisher=publisher, at=at, families=tuple(told_by)
        )
        found[key].append(one)
    return {key: tuple(stories) for key, stories in found.items()}


def holding(words: str) -> list[str]:
    """The patterns, for ILIKE ALL, of a text that holds all these words."""
    escaped = (word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") for word in words.split())
    return [f"%{word}%" for word in escaped]


# --- episodes


def standings(tx: Transaction) -> dict[tuple[int, str], Standing]:
    """Every rule's and scope's machine that is not quiet, or was not once."""
    rows = tx.execute(text("SELECT rule, scope, number, state, stepped_to FROM episode_states"))
    return {(rule, scope): Standing(state_of(scope, state), number, at) for rule, scope, number, state, at in rows}


def step_back(tx: Transaction, latest: datetime, to: datetime) -> None:
    """Let machines that were stepped beyond `latest` go on after `to`."""
    statement = text("UPDATE episode_states SET stepped_to = :to WHERE stepped_to > :latest")
    tx.execute(statement, {"to": to, "latest": latest})


_TIMES = ("start", "detected", "last_elevated")


def state_of(scope: str, stored: Mapping[str, Any]) -> EpisodeState:
    """The inverse of `_state_json`; fields that an older version did not store keep their defaults."""
    known = {name: value for name, value in stored.items() if name in EpisodeState.__dataclass_fields__}
    times = {name: datetime.fromisoformat(known[name]) for name in _TIMES if known.get(name)}
    return EpisodeState(**{**known, **times, "scope": scope})


def _state_json(state: EpisodeState) -> str:
    values = asdict(state)
    for name in _TIMES:
        values[name] = values[name] and values[name].isoformat()
    return json.dumps(values)


def save_standings(tx: Transaction, changed: Mapping[tuple[int, str], Standing]) -> None:
    rows = [
        {"rule": rule, "scope": scope, "number": one.number, "state": _state_json(one.state), "at": one.stepped_to}
        for (rule, scope), one in changed.items()
    ]
    if rows:
        tx.execute(
            text("""
            INSERT INTO episode_states (rule, scope, number, state, stepped_to)
            VALUES (:rule, :scope, :number, CAST(:state AS jsonb), :at)
            ON CONFLICT (rule, scope) DO UPDATE SET number = excluded.number, state = excluded.state,
              stepped_to = excluded.stepped_to"""),
            rows,
        )


EPISODE_COLUMNS = """id, incident, rule, scope, number, kinds, sentiment, model, phase, since, detected, opened_at,
 ended, expected, seen, severity, peak, reason, volume_only, publishers, also, missing, reopened"""
_FIELDS = [name.strip() for name in EPISODE_COLUMNS.split(",")]


def episode_of(row: Any) -> Episode:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("kinds", "also", "missing"):
        values[name] = tuple(values[name])
    return Episode(**{**values, "rule": values["rule"] or 0})


def episodes(tx: Transaction, ids: Sequence[str]) -> dict[str, Episode]:
    rows = tx.execute(text(f"SELECT {EPISODE_COLUMNS} FROM episodes WHERE id = ANY(:ids)"), {"ids": list(ids)})  # noqa: S608
    return {row[0]: episode_of(row) for row in rows}


def running_episodes(tx: Transaction) -> list[Episode]:
    """Open ones, oldest first."""
    rows = tx.execute(text(f"SELECT {EPISODE_COLUMNS} FROM episodes WHERE phase <> 'closed' ORDER BY opened_at"))  # noqa: S608
    return [episode_of(row) for row in rows]


def episode_stories(tx: Transaction, since: datetime, sentiment: Sentiment) -> list[Running]:
    """The stories behind every episode of a sentiment that is open or ended after `since`.

    One deal is good news for who sells and bad for who pays: alarms of two sentiments are never one event.
    """
    statement = text("""
        SELECT e.rule, e.id, e.incident, e.scope, array_agg(s.story)
        FROM episodes e JOIN episode_stories s ON s.episode = e.id
        WHERE e.sentiment = :sentiment AND (e.phase <> 'closed' OR e.ended >= :since)
        GROUP BY e.id ORDER BY e.opened_at""")
    return [
        Running(rule or 0, id, incident, scope, frozenset(stories))
        for rule, id, incident, scope, stories in tx.execute(statement, {"since": since, "sentiment": sentiment})
    ]


def save_episodes(tx: Transaction, changed: Sequence[Episode], now: datetime) -> None:
    """New ones and changed ones, with their incidents."""
    if not changed:
        return
    rows = [
        {**asdict(one), "kinds": list(one.kinds), "also": list(one.also), "missing": list(one.missing), "now": now}
        for one in changed
    ]
    for row in rows:
        row["rule"] = row["rule"] or None
    tx.execute(text("INSERT INTO incidents (id, started) VALUES (:incident, :since) ON CONFLICT DO NOTHING"), rows)
    moving = (
        "model",
        "phase",
        "ended",
        "expected",
        "seen",
        "peak",
        "publishers",
        "also",
        "missing",
        "reopened",
        "changed_at",
    )
    tx.execute(
        text(f"""
        INSERT INTO episodes ({EPISODE_COLUMNS}, changed_at)
        VALUES ({", ".join(f":{name}" for name in _FIELDS)}, :now)
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in moving)}"""),  # noqa: S608
        rows,
    )
    tx.execute(
        text("""
        UPDATE incidents i SET ended = (SELECT CASE WHEN bool_and(e.phase = 'closed') THEN max(e.ended) END
                                        FROM episodes e WHERE e.incident = i.id)
        WHERE i.id = ANY(:ids)"""),
        {"ids": [one.incident for one in changed]},
    )


_COUNT_ALL = text("""
    UPDATE episodes SET seen = greatest(seen, (SELECT count(*) FROM episode_stories s WHERE s.episode = episodes.id))
    WHERE id = ANY(:ids) AND seen >= :limit AND phase IN ('open', 'growing')""")
"""Of an episode with more stories than are asked for at once, those gathered before count, too."""


def save_evidence(tx: Transaction, behind: Mapping[str, Sequence[Evidence]]) -> None:
    """Stories behind episodes; witnesses that join later are taken in."""
    rows = [
        {"episode": id, "story": one.story, "article": one.article, "at": one.at, "families": list(one.families)}
        for id, stories in behind.items()
        for one in stories
    ]
    if rows:
        tx.execute(
            text("""
            INSERT INTO episode_stories (episode, story, article, at, families)
            VALUES (:episode, :story, :article, :at, :families)
            ON CONFLICT (episode, story) DO UPDATE SET families = excluded.families"""),
            rows,
        )
        tx.execute(_COUNT_ALL, {"ids": list(behind), "limit": EVIDENCE_LIMIT})
