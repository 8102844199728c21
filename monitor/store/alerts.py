"""What an evaluation reads and writes: rules, counts, learned banks, episodes, evidence. One transaction a tick.

Takes and returns the values of monitor/alerts, never rows. What is told lies in monitor/store/outbox.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from monitor.alerts.episodes import EVIDENCE_LIMIT, Episode, Evidence, Running
from monitor.alerts.rules import Rule, StoredRule, narrows_stories, rule_of, spec_of
from monitor.alerts.state import EpisodeState
from monitor.alerts.watch import Tally
from monitor.store.engine import Database as Database
from monitor.store.engine import open_database, transaction
from monitor.types import Sentiment

begin = transaction
open_alerts = open_database
Transaction = Connection
"""What callers hold; SQLAlchemy stays in monitor/store."""


LEAST_STORIES = 3
"""Scopes with fewer stories in the whole past begin as nobody's row, which amounts to the same."""


class Standing(NamedTuple):
    """Where the machine stands for one rule and scope."""

    state: EpisodeState
    number: int
    stepped_to: datetime


def model_in_service(tx: Transaction) -> int | None:
    return tx.execute(text("SELECT model FROM services ORDER BY id DESC LIMIT 1")).scalar()


# --- rules


def rules(tx: Transaction) -> list[StoredRule]:
    """Every rule, oldest first."""
    rows = tx.execute(text("SELECT id, name, spec, enabled, level, rate, measured_at, who, changed_at FROM rules"))
    found = [
        StoredRule(
            rule=rule_of(spec, id=id, name=name),
            enabled=enabled,
            level=level,
            rate=rate,
            measured_at=measured_at,
            who=who,
            changed_at=changed_at,
        )
        for id, name, spec, enabled, level, rate, measured_at, who, changed_at in rows
    ]
    return sorted(found, key=lambda one: one.rule.id)


def save_rule(
    tx: Transaction,
    rule: Rule,
    who: str,
    now: datetime,
    *,
    enabled: bool = True,
    level: float | None = None,
    rate: float | None = None,
) -> int:
    """Make a rule, or change the one of that name; its id. A changed rule is measured anew."""
    statement = text("""
        INSERT INTO rules (name, spec, enabled, level, rate, measured_at, who, changed_at)
        VALUES (:name, CAST(:spec AS jsonb), :enabled, :level, :rate, :measured_at, :who, :now)
        ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, enabled = excluded.enabled, level = excluded.level,
            rate = excluded.rate, measured_at = excluded.measured_at, who = excluded.who,
            changed_at = excluded.changed_at
        RETURNING id""")
    values = {
        "name": rule.name,
        "spec": json.dumps(spec_of(rule)),
        "enabled": enabled,
        "level": level,
        "rate": rate,
        "measured_at": None if rate is None else now,
        "who": who,
        "now": now,
    }
    return int(tx.execute(statement, values).scalar_one())


def seed_default_rule(tx: Transaction, now: datetime) -> None:
    """A fresh database watches everything for a surge of negative stories; a deleted default stays deleted."""
    tx.execute(text("LOCK TABLE rules IN SHARE ROW EXCLUSIVE MODE"))
    if not tx.execute(text("SELECT 1 FROM marks WHERE name = 'default rule'")).first():
        save_rule(tx, Rule(), "tocsin", now)
        tx.execute(text("INSERT INTO marks (name, at) VALUES ('default rule', :now)"), {"now": now})


def set_level(tx: Transaction, rule: int, level: float, rate: float, now: datetime) -> None:
    tx.execute(
        text("UPDATE rules SET level = :level, rate = :rate, measured_at = :now WHERE id = :rule"),
        {"rule": rule, "level": level, "rate": rate, "now": now},
    )


def enable_rule(tx: Transaction, rule: int, enabled: bool, who: str, now: datetime) -> None:
    tx.execute(
        text("UPDATE rules SET enabled = :enabled, who = :who, changed_at = :now WHERE id = :rule"),
        {"rule": rule, "enabled": enabled, "who": who, "now": now},
    )


def delete_rule(tx: Transaction, rule: int) -> None:
    """Its past episodes stay, under no rule."""
    tx.execute(text("DELETE FROM rules WHERE id = :rule"), {"rule": rule})


# --- counts and banks


def tallies(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    since: datetime,
    until: datetime,
    *,
    least_stories: int = 1,
) -> list[Tally]:
    """Five-minute counts in [since, until), the kinds together, of scopes with `least_stories` or more there."""
    statement = text(f"""
        WITH heard AS (
          SELECT scope FROM counts WHERE model = :model AND minutes = :coarse AND kind = ANY(:kinds)
             AND at >= date_bin(:width, :since, 'epoch') AND at < :until
          GROUP BY scope HAVING sum(total) >= :least)
        SELECT s.key, c.at, sum(c.total), sum(c.{_column(sentiment)}), sum(c.total - c.backfilled),
               sum({_live(sentiment)})
        FROM counts c JOIN heard ON heard.scope = c.scope JOIN scopes s ON s.id = c.scope
        WHERE c.model = :model AND c.minutes = 5 AND c.kind = ANY(:kinds) AND c.at >= :since AND c.at < :until
        GROUP BY s.key, c.at""")  # noqa: S608 (columns from the two functions below)
    values = {
        "model": model,
        "kinds": list(kinds),
        "since": since,
        "until": until,
        "least": least_stories,
        "coarse": 1440 if least_stories > 1 else 5,
        "width": timedelta(days=1) if least_stories > 1 else timedelta(minutes=5),
    }
    return [Tally(key, at, *map(int, sums)) for key, at, *sums in tx.execute(statement, values)]


def narrow_tallies(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    since: datetime,
    until: datetime,
    *,
    families: Sequence[str],
    words: Sequence[str],
) -> list[Tally]:
    """As `tallies`, of stories that name all `words` in their headline and are told by one of `families` alone."""
    statement = text(f"""
        SELECT s.key, c.at, count(*), count(*) FILTER (WHERE c.{_column(sentiment)}),
               count(*) FILTER (WHERE NOT c.is_backfill),
               count(*) FILTER (WHERE c.{_column(sentiment)} AND NOT c.is_backfill)
        FROM articles a JOIN story_counts c ON c.article = a.id JOIN scopes s ON s.id = c.scope
        WHERE a.counted_at >= :since AND a.counted_at < :until AND c.model = :model AND c.kind = ANY(:kinds)
          AND a.title ILIKE ALL(CAST(:words AS text[]))
          AND (cardinality(CAST(:families AS text[])) = 0 OR EXISTS (SELECT 1 FROM story_publishers p
               WHERE p.story = c.story AND p.family = ANY(:families)))
        GROUP BY s.key, c.at""")  # noqa: S608 (a column name)
    values = {
        "model": model,
        "kinds": list(kinds),
        "since": since,
        "until": until,
        "families": list(families),
        "words": [f"%{_escaped(word)}%" for word in words],
    }
    return [Tally(key, at, *map(int, sums)) for key, at, *sums in tx.execute(statement, values)]


def tallies_of(
    tx: Transaction, model: int, rule: Rule, since: datetime, until: datetime, *, least_stories: int = 1
) -> list[Tally]:
    """What a rule counts: whole scopes, or of them the stories that it asks for."""
    if narrows_stories(rule):
        return narrow_tallies(
            tx,
            model,
            rule.kinds,
            rule.sentiment,
            since,
            until,
            families=rule.publishers,
            words=rule.text.split(),
        )
    return tallies(tx, model, rule.kinds, rule.sentiment, since, until, least_stories=least_stories)


def _column(sentiment: Sentiment) -> str:
    return "positive" if sentiment == "positive" else "negative"


def _live(sentiment: Sentiment) -> str:
    """Back-fill is kept apart for all and for negative stories; of positive ones it is taken in proportion."""
    if sentiment == "positive":
        return "c.positive * (c.total - c.backfilled) / greatest(c.total, 1)"
    return "c.negative - c.backfilled_negative"


def first_count(tx: Transaction, model: int, since: datetime) -> datetime | None:
    """When the stored past begins, at the earliest `since`."""
    statement = text("SELECT min(at) FROM counts WHERE model = :model AND minutes = 1440 AND at >= :since")
    return tx.execute(statement, {"model": model, "since": since}).scalar()


def stories_backfilled(tx: Transaction, model: int, since: datetime) -> int:
    """Stories that came as back-fill: more of them than were learned from, and the past must be learned anew."""
    statement = text("""
        SELECT coalesce(sum(backfilled), 0) FROM counts WHERE model = :model AND minutes = 1440
        AND scope = (SELECT id FROM scopes WHERE key = 'all') AND at >= :since""")
    return int(tx.execute(statement, {"model": model, "since": since}).scalar_one())


def load_bank(tx: Transaction, model: int, series: str) -> tuple[bytes, int] | None:
    """(bank, stories learned from)."""
    statement = text("SELECT bank, learned FROM detector_states WHERE model = :model AND series = :series")
    row = tx.execute(statement, {"model": model, "series": series}).first()
    return (bytes(row[0]), int(row[1])) if row else None


def save_bank(tx: Transaction, model: int, series: str, at: datetime, bank: bytes, learned: int, now: datetime) -> None:
    tx.execute(
        text("""
        INSERT INTO detector_states (model, series, at, learned, bank, saved_at)
        VALUES (:model, :series, :at, :learned, :bank, :now)
        ON CONFLICT (model, series) DO UPDATE SET at = excluded.at, learned = excluded.learned,
          bank = excluded.bank, saved_at = excluded.saved_at"""),
        {"model": model, "series": series, "at": at, "learned": learned, "bank": bank, "now": now},
    )


# --- evidence


def evidence(
    tx: Transaction,
    model: int,
    kinds: Sequence[str],
    sentiment: Sentiment,
    asked: Mapping[str, datetime],
    *,
    families: Sequence[str] = (),
    words: Sequence[str] = (),
) -> dict[str, tuple[Evidence, ...]]:
    """Per scope the distinct stories counted live since its time, newest first, with all their witnesses."""
    if not asked:
        return {}
    statement = text(f"""
        SELECT want.key, c.story, c.article, a.title, a.url, a.publisher, a.counted_at,
               ARRAY(SELECT p.family FROM story_publishers p WHERE p.story = c.story ORDER BY p.family)
        FROM unnest(CAST(:keys AS text[]), CAST(:sinces AS timestamptz[])) AS want(key, since)
        JOIN scopes s ON s.key = want.key
        JOIN LATERAL (SELECT story, article, at FROM story_counts sc
                      WHERE sc.scope = s.id AND sc.model = :model AND sc.at >= want.since AND sc.kind = ANY(:kinds)
                        AND sc.{_column(sentiment)} AND NOT sc.is_backfill
                      ORDER BY at DESC LIMIT {EVIDENCE_LIMIT}) c ON true
        JOIN articles a ON a.id = c.article
        WHERE a.title ILIKE ALL(CAST(:words AS text[]))
        ORDER BY want.key, c.at DESC""")  # noqa: S608 (a column name and a constant)
    values = {
        "keys": list(asked),
        "sinces": list(asked.values()),
        "model": model,
        "kinds": list(kinds),
        "words": [f"%{_escaped(word)}%" for word in words],
    }
    found: dict[str, list[Evidence]] = {key: [] for key in asked}
    seen: set[tuple[str, str]] = set()
    for key, story, article, title, url, publisher, at, told_by in tx.execute(statement, values):
        if (key, story) in seen or (families and not set(told_by) & set(families)):
            continue
        seen.add((key, story))
        one = Evidence(
            story=story, article=article, title=title, url=url, publisher=publisher, at=at, families=tuple(told_by)
        )
        found[key].append(one)
    return {key: tuple(stories) for key, stories in found.items()}


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


# --- episodes


def standings(tx: Transaction) -> dict[tuple[int, str], Standing]:
    """Every rule's and scope's machine that is not quiet, or was not once."""
    rows = tx.execute(text("SELECT rule, scope, number, state, stepped_to FROM episode_states"))
    return {(rule, scope): Standing(state_of(scope, state), number, at) for rule, scope, number, state, at in rows}


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


_EPISODE = """id, incident, rule, scope, number, kinds, sentiment, model, phase, since, detected, opened_at, ended,
 expected, seen, severity, peak, reason, volume_only, publishers, also, missing, reopened"""
_FIELDS = [name.strip() for name in _EPISODE.split(",")]


def episode_of(row: Any) -> Episode:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("kinds", "also", "missing"):
        values[name] = tuple(values[name])
    return Episode(**{**values, "rule": values["rule"] or 0})


def episodes(tx: Transaction, ids: Sequence[str]) -> dict[str, Episode]:
    rows = tx.execute(text(f"SELECT {_EPISODE} FROM episodes WHERE id = ANY(:ids)"), {"ids": list(ids)})  # noqa: S608
    return {row[0]: episode_of(row) for row in rows}


def running_episodes(tx: Transaction) -> list[Episode]:
    """Open ones, oldest first."""
    rows = tx.execute(text(f"SELECT {_EPISODE} FROM episodes WHERE phase <> 'closed' ORDER BY opened_at"))  # noqa: S608
    return [episode_of(row) for row in rows]


def episode_stories(tx: Transaction, since: datetime) -> list[Running]:
    """The stories behind every episode that is open or ended after `since`."""
    statement = text("""
        SELECT e.rule, e.id, e.incident, e.scope, array_agg(s.story)
        FROM episodes e JOIN episode_stories s ON s.episode = e.id
        WHERE e.phase <> 'closed' OR e.ended >= :since GROUP BY e.id ORDER BY e.opened_at""")
    return [
        Running(rule or 0, id, incident, scope, frozenset(stories))
        for rule, id, incident, scope, stories in tx.execute(statement, {"since": since})
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
    moving = ("phase", "ended", "seen", "peak", "publishers", "also", "missing", "reopened", "changed_at")
    tx.execute(
        text(f"""
        INSERT INTO episodes ({_EPISODE}, changed_at)
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
