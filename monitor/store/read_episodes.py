"""What the Alerts page reads of episodes, their evidence, verdicts and silences. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, text

from monitor.alerts.episodes import Episode
from monitor.store.reads import read

State = Literal["open", "over", "unmarked", "useful", "noise"]


class Verdict(NamedTuple):
    """What a person said of an episode: acknowledged, useful or noise."""

    verdict: str
    who: str
    note: str
    at: datetime


class Told(NamedTuple):
    """What was decided to be told of an episode (or not, and why), and what became of it."""

    channel: str
    reason: str
    at: datetime
    sent_at: datetime | None
    gave_up_at: datetime | None
    error: str | None


class Silence(NamedTuple):
    id: int
    scope: str
    rule: str | None
    starts: datetime
    ends: datetime
    who: str
    comment: str
    ended_by: str | None


class Wanted(NamedTuple):
    """Which episodes a list shows; None: whichever."""

    state: State | None = None
    since: datetime | None = None
    """Those that ran then or later."""
    rule: int | None = None
    scope: str | None = None
    """This scope, what lies inside it, and what rose with it."""


@dataclass(frozen=True, slots=True)
class SeenEpisode:
    """An episode with its rule's name, its newest verdict, and who has acknowledged it."""

    episode: Episode
    rule: str | None
    verdict: str | None
    acknowledged_by: str | None
    changed_at: datetime


_EPISODES = """
SELECT e.id, e.incident, coalesce(e.rule, 0), e.scope, e.number, e.kinds, e.sentiment, e.model, e.phase, e.since,
       e.detected, e.opened_at, e.ended, e.expected, e.seen, e.severity, e.peak, e.reason, e.volume_only,
       e.publishers, e.also, e.missing, e.reopened,
       r.name, verdict.verdict, acknowledged.who, e.changed_at
FROM episodes e
LEFT JOIN rules r ON r.id = e.rule
LEFT JOIN LATERAL (SELECT f.verdict FROM feedback f WHERE f.episode = e.id AND f.verdict IN ('useful', 'noise')
                   ORDER BY f.id DESC LIMIT 1) verdict ON true
LEFT JOIN LATERAL (SELECT f.who FROM feedback f WHERE f.episode = e.id ORDER BY f.id LIMIT 1) acknowledged ON true
"""
_STATES: dict[State | None, str] = {
    None: "",
    "open": "AND e.phase <> 'closed'",
    "over": "AND e.phase = 'closed'",
    "unmarked": "AND verdict.verdict IS NULL",
    "useful": "AND verdict.verdict = 'useful'",
    "noise": "AND verdict.verdict = 'noise'",
}
_WANTED = """WHERE (e.phase = 'closed') = :over
  AND (CAST(:since AS timestamptz) IS NULL OR e.phase <> 'closed' OR coalesce(e.ended, e.opened_at) >= :since)
  AND (CAST(:rule AS int) IS NULL OR e.rule = :rule)
  AND (CAST(:scope AS text) IN ('', 'all') OR e.scope = :scope OR :scope = ANY(e.also)
       OR starts_with(e.scope, :scope || '|') OR right(e.scope, length(:scope) + 1) = '|' || :scope)
"""
_ONE = text(_EPISODES + "WHERE e.id = :id")


def wanted_episodes(engine: Engine, wanted: Wanted, *, over: bool, limit: int) -> tuple[int, list[SeenEpisode]]:
    """How many closed (or not closed) episodes there are of those wanted, and the first: newest, or rarest if open."""
    order = "e.opened_at DESC, e.id" if over else "e.peak DESC, e.opened_at DESC, e.id"
    asked = f"{_EPISODES} {_WANTED} {_STATES[wanted.state]}"
    values = {"over": over, "since": wanted.since, "rule": wanted.rule, "scope": wanted.scope or ""}
    count = read(engine, text(f"SELECT count(*) FROM ({asked}) found"), values)[0][0]  # noqa: S608 (constants)
    rows = read(engine, text(f"{asked} ORDER BY {order} LIMIT :limit"), {**values, "limit": limit})
    return count, [_seen(row) for row in rows]


def scopes_with_episodes(engine: Engine) -> list[str]:
    """Keys of all scopes that ever rang."""
    return [row[0] for row in read(engine, text("SELECT DISTINCT scope FROM episodes ORDER BY 1"), {})]


def episode(engine: Engine, id: str) -> SeenEpisode | None:
    rows = read(engine, _ONE, {"id": id})
    return _seen(rows[0]) if rows else None


def evidence(engine: Engine, id: str, limit: int) -> tuple[int, list[str]]:
    """How many articles are behind an episode, and the newest of them; none that came after it calmed down."""
    statement = text(
        """SELECT article, count(*) OVER () FROM (
             SELECT s.article, s.at,
                    e.phase IN ('open', 'growing') OR row_number() OVER (ORDER BY s.at) <= e.seen AS its
             FROM episode_stories s JOIN episodes e ON e.id = s.episode WHERE e.id = :id) told
           WHERE its ORDER BY at DESC LIMIT :limit"""
    )
    rows = read(engine, statement, {"id": id, "limit": limit})
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


def publishers(engine: Engine, id: str) -> list[tuple[str, int]]:
    """Who told the stories behind an episode, and how many each."""
    statement = text(
        """SELECT family, count(*) FROM episode_stories, unnest(families) AS family
           WHERE episode = :id GROUP BY family ORDER BY 2 DESC, 1"""
    )
    return [(row[0], row[1]) for row in read(engine, statement, {"id": id})]


def verdicts(engine: Engine, id: str) -> list[Verdict]:
    """All that was ever said of an episode, oldest first."""
    statement = text("SELECT verdict, who, note, at FROM feedback WHERE episode = :id ORDER BY id")
    return [Verdict(*row) for row in read(engine, statement, {"id": id})]


def told(engine: Engine, id: str) -> list[Told]:
    """When which channel was told of an episode."""
    statement = text(
        """SELECT t.channel, t.reason, t.at, o.sent_at, o.gave_up_at, o.error FROM told t
           LEFT JOIN LATERAL (SELECT sent_at, gave_up_at, error FROM outbox o
                              WHERE (o.episode = t.episode OR o.key LIKE 'list:%')
                              AND o.channel = t.channel AND o.created_at = t.at
                              ORDER BY o.episode NULLS LAST LIMIT 1) o ON true
           WHERE t.episode = :id ORDER BY t.id"""
    )
    return [Told(*row) for row in read(engine, statement, {"id": id})]


def silences(engine: Engine, since: datetime) -> list[Silence]:
    """Those that end after then, the first to end first."""
    statement = text(
        """SELECT s.id, s.scope, r.name, s.starts, s.ends, s.who, s.comment, s.ended_by
           FROM silences s LEFT JOIN rules r ON r.id = s.rule WHERE s.ends > :since ORDER BY s.ends, s.id"""
    )
    return [Silence(*row) for row in read(engine, statement, {"since": since})]


def _seen(row: Any) -> SeenEpisode:
    values = list(row)
    for place in (5, 20, 21):  # kinds, also, missing
        values[place] = tuple(values[place])
    names = Episode.__slots__
    return SeenEpisode(Episode(**dict(zip(names, values[:23], strict=True))), *values[23:])
