"""What an evaluation reads of episodes, their evidence and the data's completeness. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import text

from monitor.alerts.backlog import Progress
from monitor.alerts.calendar import Market
from monitor.alerts.completeness import FeedFacts, Rhythm, rhythm_of
from monitor.alerts.episodes import Episode, Evidence
from monitor.alerts.rules import Rule
from monitor.alerts.watch import HISTORY
from monitor.store.alert_counts import tallies_of
from monitor.store.alerts import EPISODE_COLUMNS, Transaction, episode_of
from monitor.store.feeds import STILL_ASKED
from monitor.types import Scope


def progress(tx: Transaction, topic: str) -> list[Progress]:
    """Of the topic that is read: another's partitions go by the same numbers."""
    statement = text('SELECT partition, counted_at, "offset" FROM watermarks WHERE topic = :topic')
    return [Progress(*row) for row in tx.execute(statement, {"topic": topic})]


def articles_per_hour(tx: Transaction, since: datetime) -> dict[str, list[tuple[datetime, int]]]:
    """Per source the hours in which we saw articles of it, oldest first."""
    statement = text("""
        SELECT source, date_trunc('hour', seen, 'UTC') AS hour, count(*) FROM articles
        WHERE seen >= :since GROUP BY source, hour ORDER BY source, hour""")
    out: dict[str, list[tuple[datetime, int]]] = {}
    for source, hour, count in tx.execute(statement, {"since": since}):
        out.setdefault(source, []).append((hour, count))
    return out


def rhythms(tx: Transaction, now: datetime, market: Market) -> dict[str, Rhythm]:
    """When each feed speaks, of those known for long enough. Reads a month of articles."""
    hours = articles_per_hour(tx, now - HISTORY)
    learned = {name: rhythm_of(ones, now, market) for name, ones in hours.items()}
    return {name: one for name, one in learned.items() if one is not None}


def feed_facts(tx: Transaction, rhythms: Mapping[str, Rhythm]) -> list[FeedFacts]:
    """Of the feeds that are asked, by name."""
    columns = "name, cadence_s, failures, error, ok_at, article_at, gaps_s"
    rows = tx.execute(text(f"SELECT {columns} FROM feeds WHERE {STILL_ASKED} ORDER BY name"))  # noqa: S608
    return [
        FeedFacts(
            name,
            timedelta(seconds=cadence),
            failures,
            error,
            ok_at,
            article_at,
            tuple(timedelta(seconds=gap) for gap in gaps),
            rhythms.get(name),
        )
        for name, cadence, failures, error, ok_at, article_at, gaps in rows
    ]


def last_episodes(tx: Transaction, rule: int, scopes: Sequence[str]) -> list[Episode]:
    """The newest episode of each of these scopes under a rule."""
    statement = text(f"""
        SELECT DISTINCT ON (scope) {EPISODE_COLUMNS} FROM episodes
        WHERE rule = :rule AND scope = ANY(:scopes) ORDER BY scope, number DESC""")  # noqa: S608 (constant)
    return [episode_of(row) for row in tx.execute(statement, {"rule": rule, "scopes": list(scopes)})]


def to_remind(tx: Transaction, now: datetime, after: timedelta) -> list[Episode]:
    """Open episodes of events that nobody has looked at and that were last told so long ago."""
    statement = text(f"""
        SELECT {EPISODE_COLUMNS} FROM episodes e WHERE phase IN ('open', 'growing') AND opened_at <= :before
          AND NOT EXISTS (SELECT 1 FROM feedback f JOIN episodes g ON g.id = f.episode WHERE g.incident = e.incident)
          AND NOT EXISTS (SELECT 1 FROM told t WHERE t.incident = e.incident AND t.at > :before)
          AND NOT EXISTS (SELECT 1 FROM deferred d WHERE d.incident = e.incident)""")  # noqa: S608 (constant)
    return [episode_of(row) for row in tx.execute(statement, {"before": now - after})]


def counts_of(
    tx: Transaction, episode: Episode, rule: Rule | None, since: datetime, until: datetime
) -> list[tuple[datetime, int]]:
    """The episode's stories per five-minute bucket, as its rule counts them; where that is deleted, the scope's."""
    asked = replace(rule or Rule(), kinds=episode.kinds, sentiment=episode.sentiment)
    return [(one.at, one.marked) for one in tallies_of(tx, episode.model, asked, since, until, scope=episode.scope)]


def evidence_of(tx: Transaction, episode: str) -> list[Evidence]:
    """The stories behind an episode, newest first."""
    statement = text("""
        SELECT s.story, s.article, a.title, a.url, a.publisher, s.at, s.families
        FROM episode_stories s JOIN articles a ON a.id = s.article WHERE s.episode = :id ORDER BY s.at DESC, s.story""")
    return [
        Evidence(
            story=row[0], article=row[1], title=row[2], url=row[3], publisher=row[4], at=row[5], families=tuple(row[6])
        )
        for row in tx.execute(statement, {"id": episode})
    ]


def company_names(tx: Transaction, episodes: Sequence[Episode]) -> dict[str, str]:
    """Key -> name of the companies that a message about these names."""
    keys = {Scope.of(key).company for one in episodes for key in (one.scope, *one.also)} - {None}
    rows = tx.execute(text("SELECT company, name FROM companies WHERE company = ANY(:keys)"), {"keys": list(keys)})
    return {row[0]: row[1] for row in rows}


def precision(tx: Transaction, rule: int) -> tuple[int, int, int]:
    """(useful, noise, unmarked) events that a rule rang for so far: a word on one alert is on its event."""
    statement = text("""
        SELECT count(*) FILTER (WHERE v = 'useful'), count(*) FILTER (WHERE v = 'noise'),
               count(*) FILTER (WHERE v IS NULL)
        FROM (SELECT (SELECT f.verdict FROM feedback f JOIN episodes g ON g.id = f.episode
                      WHERE g.incident = e.incident AND f.verdict <> 'acknowledged' ORDER BY f.id DESC LIMIT 1) AS v
              FROM (SELECT DISTINCT incident FROM episodes WHERE rule = :rule) e) judged""")
    row = tx.execute(statement, {"rule": rule}).one()
    return int(row[0]), int(row[1]), int(row[2])


def open_count(tx: Transaction) -> int:
    return int(tx.execute(text("SELECT count(*) FROM episodes WHERE phase <> 'closed'")).scalar_one())
