"""What the dashboard reads of counts and of the model in service: bounded queries over roll-ups. Writes nothing.

Charts come from `counts` alone, so their cost grows with the time shown, not with the news stored.
Articles and stories are read in monitor/store/read_stories.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, TextClause, create_engine, text
from sqlalchemy.exc import OperationalError

from monitor.errors import Unavailable
from monitor.store.engine import CONNECT, refusals_told
from monitor.types import Kind

StoredMinutes = Literal[5, 60, 1440]
WEEK = timedelta(days=7)
Database = Engine
"""What readers outside hold; SQLAlchemy stays in monitor/store."""


class Point(NamedTuple):
    """Distinct stories of one scope in one step of a chart, all asked kinds together."""

    at: datetime
    total: int
    negative: int
    positive: int
    score_sum: float


class Cell(NamedTuple):
    """A Point that says of which scope it is."""

    scope: str
    at: datetime
    total: int
    negative: int
    positive: int
    score_sum: float


class Span(NamedTuple):
    """One scope's sums over a window (`weeks_ago` 0) or over the same window some weeks before."""

    scope: str
    weeks_ago: int
    total: int
    negative: int
    positive: int
    score_sum: float


class Service(NamedTuple):
    """The model version whose scores and counts are shown."""

    model: int
    version: str
    since: datetime
    who: str
    reason: str
    manifest: dict[str, Any]


def open_for_reading(url: str) -> Engine:
    """An engine that can't write and gives up on a query after ten seconds; connects on first use."""
    guard = "-c default_transaction_read_only=on -c statement_timeout=10000"
    return create_engine(
        url, pool_size=4, max_overflow=8, pool_pre_ping=True, connect_args={**CONNECT, "options": guard}
    )


def service(engine: Engine) -> Service | None:
    """The newest row of `services`; None before a first model is in service."""
    found = rows(
        engine,
        """SELECT m.id, m.version, s.since, s.who, s.reason, m.manifest
           FROM services s JOIN models m ON m.id = s.model ORDER BY s.id DESC LIMIT 1""",
    )
    return Service(*found[0]) if found else None


def series(
    engine: Engine,
    model: int,
    scope: str,
    kinds: Sequence[Kind],
    since: datetime,
    until: datetime,
    stored: StoredMinutes,
    step: timedelta,
    origin: datetime,
) -> list[Point]:
    """One scope's counts in [since, until), summed into steps aligned to `origin`; empty steps are absent."""
    found = rows(
        engine,
        """SELECT date_bin(:step, at, :origin) AS step_at, sum(total), sum(negative), sum(positive), sum(score_sum)
           FROM counts
           WHERE model = :model AND minutes = :stored AND scope = (SELECT id FROM scopes WHERE key = :scope)
             AND kind = ANY(:kinds) AND at >= :since AND at < :until
           GROUP BY step_at ORDER BY step_at""",
        model=model,
        scope=scope,
        kinds=list(kinds),
        since=since,
        until=until,
        stored=stored,
        step=step,
        origin=origin,
    )
    return [Point(*row) for row in found]


def topic_cells(
    engine: Engine,
    model: int,
    kinds: Sequence[Kind],
    since: datetime,
    until: datetime,
    stored: StoredMinutes,
    step: timedelta,
    origin: datetime,
) -> list[Cell]:
    """Every topic's counts in [since, until), for the heat map."""
    found = rows(
        engine,
        """SELECT s.key, date_bin(:step, c.at, :origin) AS step_at,
                  sum(c.total), sum(c.negative), sum(c.positive), sum(c.score_sum)
           FROM scopes s JOIN counts c ON c.scope = s.id
           WHERE s.company IS NULL AND s.topic IS NOT NULL AND c.model = :model AND c.minutes = :stored
             AND c.kind = ANY(:kinds) AND c.at >= :since AND c.at < :until
           GROUP BY s.key, step_at ORDER BY s.key, step_at""",
        model=model,
        kinds=list(kinds),
        since=since,
        until=until,
        stored=stored,
        step=step,
        origin=origin,
    )
    return [Cell(*row) for row in found]


Family = Literal["these", "topics", "companies", "topics of", "companies of"]

_FAMILIES: dict[Family, str] = {
    "these": "s.key = ANY(:these)",
    "topics": "s.company IS NULL AND s.topic IS NOT NULL",
    "companies": "s.company IS NOT NULL AND s.topic IS NULL",
    "topics of": "s.company = :of AND s.topic IS NOT NULL",
    "companies of": "s.topic = :of AND s.company IS NOT NULL",
}

# LATERAL: a look into the primary key per scope and window. A join would read all scopes' counts of the window.
_SPANS = """
SELECT s.key, w.ago, c.total, c.negative, c.positive, c.score_sum
FROM scopes s
CROSS JOIN unnest(CAST(:agos AS int[]), CAST(:sinces AS timestamptz[]), CAST(:untils AS timestamptz[]))
           AS w(ago, since, until)
CROSS JOIN LATERAL (
  SELECT sum(total) AS total, sum(negative) AS negative, sum(positive) AS positive, sum(score_sum) AS score_sum
  FROM counts
  WHERE model = :model AND minutes = :stored AND scope = s.id AND kind = ANY(:kinds) AND at >= w.since AND at < w.until
) c
WHERE {family} AND c.total > 0
"""
_SPANS_OF = {family: text(_SPANS.format(family=condition)) for family, condition in _FAMILIES.items()}


def spans(
    engine: Engine,
    model: int,
    family: Family,
    kinds: Sequence[Kind],
    since: datetime,
    until: datetime,
    stored: StoredMinutes,
    weeks: Sequence[int] = (0,),
    *,
    of: str | None = None,
    these: Sequence[str] = (),
) -> list[Span]:
    """Sums of every scope of a family over [since, until) and over the same window `weeks` ago.

    `these` names the scopes themselves, `of` the company or the topic of the last two families; empty spans are absent.
    """
    values: dict[str, object] = {
        "model": model,
        "stored": stored,
        "kinds": list(kinds),
        "agos": list(weeks),
        "sinces": [since - WEEK * ago for ago in weeks],
        "untils": [until - WEEK * ago for ago in weeks],
    }
    if family == "these":
        values["these"] = list(these)
    elif of is not None:
        values["of"] = of
    return [Span(*row) for row in read(engine, _SPANS_OF[family], values)]


def newest_count(engine: Engine, model: int) -> datetime | None:
    """The newest day that holds news, for "nothing here, the newest is of ..."."""
    found = rows(
        engine,
        """SELECT max(at) FROM counts
           WHERE model = :model AND minutes = 60 AND scope = (SELECT id FROM scopes WHERE key = 'all')""",
        model=model,
    )
    return found[0][0] if found else None


def oldest_count(engine: Engine, model: int) -> datetime | None:
    """When the history begins; what "learning" is measured from."""
    found = rows(
        engine,
        """SELECT min(at) FROM counts
           WHERE model = :model AND minutes = 1440 AND scope = (SELECT id FROM scopes WHERE key = 'all')""",
        model=model,
    )
    return found[0][0] if found else None


def company_names(engine: Engine) -> dict[str, str]:
    """Key -> display name of every company that was ever named in an article."""
    return {row[0]: row[1] for row in rows(engine, "SELECT company, name FROM companies ORDER BY name")}


def topics(engine: Engine) -> list[str]:
    """Every topic that was ever counted."""
    return [
        row[0]
        for row in rows(engine, "SELECT topic FROM scopes WHERE company IS NULL AND topic IS NOT NULL ORDER BY topic")
    ]


def read(engine: Engine, statement: TextClause, values: Mapping[str, object]) -> list[Any]:
    """Rows of one query. Unavailable where the database does not answer, else what `refusals_told` tells."""
    try:
        with refusals_told(), engine.connect() as connection:
            return list(connection.execute(statement, values).all())
    except OperationalError as error:
        raise Unavailable("the database does not answer; is it running? This page asks again by itself") from error


def rows(engine: Engine, statement: str, **values: object) -> list[Any]:
    """`read` of plain SQL."""
    return read(engine, text(statement), values)
