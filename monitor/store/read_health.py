"""What the health and model pages read: feeds, partitions, dead letters, sizes, people's labels. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine

from monitor.store.feeds import STILL_ASKED
from monitor.store.reads import rows


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """What is known of one feed."""

    name: str
    url: str
    kind: str
    publisher: str
    cadence: timedelta
    failures: int
    error: str | None
    articles: int
    next_at: datetime | None
    asked_at: datetime | None
    ok_at: datetime | None
    article_at: datetime | None
    gaps_s: Sequence[int]


class Partition(NamedTuple):
    """How far the rows of one partition of the log have come."""

    topic: str
    partition: int
    offset: int
    counted_at: datetime
    saved_at: datetime


class DeadLetter(NamedTuple):
    """A message that never became an article, without its payload."""

    topic: str
    partition: int
    offset: int
    reason: str
    at: datetime
    retried_at: datetime | None


class Agreement(NamedTuple):
    """How many labels people gave for a task, and how many of them the model had given, too."""

    task: str
    origin: str
    labels: int
    agreed: int


class TableSize(NamedTuple):
    name: str
    rows: int
    bytes: int


def feeds(engine: Engine) -> list[FeedHealth]:
    """Of those that are asked, by name."""
    found = rows(
        engine,
        f"""SELECT name, url, kind, publisher, cadence_s AS cadence, failures, error, articles, next_at, asked_at,
                   ok_at, article_at, gaps_s FROM feeds WHERE {STILL_ASKED} ORDER BY name""",  # noqa: S608
    )
    return [FeedHealth(**dict(row._mapping) | {"cadence": timedelta(seconds=row.cadence)}) for row in found]


def partitions(engine: Engine) -> list[Partition]:
    found = rows(
        engine,
        'SELECT topic, partition, "offset", counted_at, saved_at FROM watermarks ORDER BY topic, partition',
    )
    return [Partition(*row) for row in found]


def dead_letters(engine: Engine, limit: int = 50) -> tuple[int, list[DeadLetter]]:
    """How many wait (not yet retried), and the newest of all."""
    waiting = rows(engine, "SELECT count(*) FROM dead_letters WHERE retried_at IS NULL")[0][0]
    found = rows(
        engine,
        """SELECT topic, partition, "offset", reason, at, retried_at FROM dead_letters
           ORDER BY at DESC LIMIT :limit""",
        limit=limit,
    )
    return waiting, [DeadLetter(*row) for row in found]


def agreement(engine: Engine, model: int, newest: int = 5000) -> list[Agreement]:
    """Of the newest labels, per task and origin: how often the model had said the same."""
    found = rows(
        engine,
        """WITH said AS (
             SELECT DISTINCT ON (article, task, company) article, task, company, value, origin
             FROM (SELECT * FROM labels ORDER BY id DESC LIMIT :newest) l
             ORDER BY article, task, company, at DESC, id DESC)
           SELECT said.task, said.origin, count(*), count(*) FILTER (WHERE said.value = CASE said.task
             WHEN 'topic' THEN sc.topic
             WHEN 'sentiment' THEN CASE greatest(sc.negative, sc.neutral, sc.positive)
               WHEN sc.negative THEN 'negative' WHEN sc.neutral THEN 'neutral' ELSE 'positive' END
             ELSE CASE greatest(cs.negative, cs.neutral, cs.positive)
               WHEN cs.negative THEN 'negative' WHEN cs.neutral THEN 'neutral' ELSE 'positive' END END)
           FROM said
           JOIN scores sc ON sc.article = said.article AND sc.model = :model
           LEFT JOIN company_scores cs ON cs.article = said.article AND cs.company = said.company AND cs.model = :model
           GROUP BY said.task, said.origin ORDER BY said.task, said.origin""",
        model=model,
        newest=newest,
    )
    return [Agreement(*row) for row in found]


def sizes(engine: Engine) -> tuple[int, list[TableSize]]:
    """The database's bytes, and its largest tables with PostgreSQL's own estimate of their rows."""
    total = rows(engine, "SELECT pg_database_size(current_database())")[0][0]
    found = rows(
        engine,
        """SELECT relname, greatest(n_live_tup, 0), pg_total_relation_size(relid)
           FROM pg_stat_user_tables ORDER BY 3 DESC LIMIT 12""",
    )
    return total, [TableSize(*row) for row in found]
