"""How long the dashboard's queries take at 100,000 and 1,000,000 articles over 90 days. Run it; prints a table.

    python tests/benchmarks/charts.py

A private database is made for the run. The articles' counts are drawn by SQL straight into the
roll-ups: 20 topics, 500 companies (a few of them busy, as in life), three kinds, five-minute, hourly and daily.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import psycopg

from dashboard.filters import MOVERS_COMPARED, Sums, View, WindowName, movers_window, sums_window, view_of
from monitor import embedded
from monitor.store import read_stories, reads
from monitor.store.migrate import migrate
from monitor.types import KINDS

WINDOWS: tuple[WindowName, ...] = ("24h", "7d", "90d")
LIMIT_MS = 50.0
RUNS = 15
SIZES = (100_000, 1_000_000)
TOPICS, COMPANIES = 20, 500

FILL = (
    "INSERT INTO models (version, manifest, registered_at) VALUES ('bench', '{}', now())",
    "INSERT INTO services (model, since, who, reason) VALUES (1, now(), 'bench', 'bench')",
    """INSERT INTO scopes (key, company, topic)
       SELECT 'all', NULL, NULL UNION ALL
       SELECT 'topic:T' || t, NULL, 'T' || t FROM generate_series(1, %(topics)s) t UNION ALL
       SELECT 'company:C' || c, 'C' || c, NULL FROM generate_series(1, %(companies)s) c UNION ALL
       SELECT 'company:C' || c || '|topic:T' || t, 'C' || c, 'T' || t
       FROM generate_series(1, %(companies)s) c, generate_series(1, %(topics)s) t""",
    """CREATE TEMP TABLE told AS
       SELECT n::text AS story,
              date_bin('5 minutes', now() - random() * interval '90 days', 'epoch') AS at,
              (ARRAY['news', 'news', 'news', 'news', 'comment', 'report'])[1 + floor(random() * 6)::int] AS kind,
              'T' || (1 + floor(random() ^ 2 * %(topics)s))::int AS topic,
              CASE WHEN random() < 0.8 THEN 'C' || (1 + floor(random() ^ 3 * %(companies)s))::int END AS company,
              random() * 2 - 1 AS score
       FROM generate_series(1, %(articles)s) n""",
    """INSERT INTO articles (id, source, kind, publisher, family, title, body, seen, counted_at, is_backfill, story,
                             novelty, stored_at)
       SELECT story, 'bench', kind, 'P', 'P', 'Story ' || story, '', at, at, false, story, 1, at FROM told""",
    "INSERT INTO stories SELECT story, 1 + floor(random() ^ 4 * 9)::int, at, at FROM told",
    "INSERT INTO story_publishers SELECT story, 'P' FROM told",
    """INSERT INTO scores SELECT story, 1, topic, 0.9, 0.2, 0.3, 0.5, at FROM told""",
    """INSERT INTO story_counts
       SELECT story, s.id, kind, 1, at, story, score < -0.3, score > 0.3, score, false
       FROM told t JOIN scopes s ON s.key IN ('all', 'topic:' || t.topic, 'company:' || t.company,
                                              'company:' || t.company || '|topic:' || t.topic)""",
)
ROLL_UP = """
INSERT INTO counts (model, scope, kind, minutes, at, total, negative, positive, score_sum, backfilled,
                    backfilled_negative)
SELECT 1, scope, kind, %(minutes)s, date_bin(%(width)s::interval, at, 'epoch'), count(*),
       count(*) FILTER (WHERE negative), count(*) FILTER (WHERE positive), sum(score), 0, 0
FROM story_counts GROUP BY 2, 3, 5
"""


def fill(url: str, articles: int) -> None:
    """An empty database of the given size."""
    values = {"articles": articles, "topics": TOPICS, "companies": COMPANIES}
    migrate(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, values if "%(" in statement else None)
        for minutes in (5, 60, 1440):
            connection.execute(ROLL_UP, {"minutes": minutes, "width": f"{minutes} minutes"})
        connection.execute("VACUUM ANALYZE")


def queries(database: reads.Database, now: datetime) -> dict[str, Callable[[], Sequence[object]]]:
    """What pages ask, by name: short and long windows, the busiest scopes."""
    asked: dict[str, Callable[[], Sequence[object]]] = {}
    for window in WINDOWS:
        asked |= _of_window(database, view_of(window, "All", "Europe/Berlin", now))
    asked["live strip"] = lambda: read_stories.latest(database, 1, KINDS, 14)
    return asked


def _of_window(database: reads.Database, view: View) -> dict[str, Callable[[], Sequence[object]]]:
    grain, kinds, window = view.grain, view.kinds, view.window
    movers, sums = movers_window(view), sums_window(view)
    past = view.since - 4 * reads.WEEK

    def trend(scope: str, since: datetime = view.since) -> Sequence[object]:
        return reads.series(database, 1, scope, kinds, since, view.until, grain.stored, grain.step, view.origin)

    def stories(scope: str, order: Literal["newest", "most told"]) -> Sequence[object]:
        return read_stories.stories(database, 1, scope, kinds, view.since, view.until, order=order, limit=26)

    def spans(family: reads.Family, sums: Sums, weeks: Sequence[int] = (0,)) -> Sequence[object]:
        these = [f"company:C{number}" for number in range(1, MOVERS_COMPARED + 1)]
        return reads.spans(database, 1, family, kinds, sums.since, sums.until, sums.stored, weeks, of="T1", these=these)

    def heat() -> Sequence[object]:
        return reads.topic_cells(
            database, 1, kinds, view.since, view.until, grain.heat_stored, grain.heat_step, view.origin
        )

    return {
        f"{window} trend of all": lambda: trend("all"),
        f"{window} trend of a company": lambda: trend("company:C1"),
        f"{window} what is usual of all": lambda: trend("all", past),
        f"{window} heat map": heat,
        f"{window} movers: topics": lambda: spans("topics", movers),
        f"{window} movers: companies": lambda: spans("companies", movers),
        f"{window} movers: the weeks before": lambda: spans("these", movers, (1, 2, 3, 4)),
        f"{window} all companies": lambda: spans("companies", sums),
        f"{window} companies in a topic": lambda: spans("companies of", sums),
        f"{window} newest stories of all": lambda: stories("all", "newest"),
        f"{window} most told of a company": lambda: stories("company:C1", "most told"),
    }


class Measured(NamedTuple):
    """Milliseconds of one query; on a busy machine the best says more than the median."""

    median: float
    best: float
    rows: int


def measure(ask: Callable[[], Sequence[object]]) -> Measured:
    rows = len(ask())
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return Measured(statistics.median(times), min(times), rows)


def main() -> int:
    print("| query | " + " | ".join(f"{size:,} articles: median ms, best (rows)" for size in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    results: dict[str, list[Measured]] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, embedded.server(Path(folder)) as url:
            fill(url, size)
            now = datetime.now(UTC)
            for name, ask in queries(reads.open_for_reading(url), now).items():
                results.setdefault(name, []).append(measure(ask))
    for name, cells in results.items():
        print(f"| {name} | " + " | ".join(f"{one.median:.1f}, {one.best:.1f} ({one.rows:,})" for one in cells) + " |")
    slow = [name for name, cells in results.items() if max(one.median for one in cells) > LIMIT_MS]
    print(f"\nslower than {LIMIT_MS:.0f} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
