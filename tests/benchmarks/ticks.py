"""The real tick over 5,000 scopes and 90 stored days: database reads, judging, writes, one transaction. Prints a table.

python -m tests.benchmarks.ticks

A private database is made for the run and its five-minute counts are drawn by SQL; articles of the two hours that are
watched come through `save`, as from a worker. Seconds are from the transaction's begin to its commit: by the wall, and
of them our own processor time, which other work on the machine does not lengthen much (Postgres' is not in it).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg

from monitor import embedded
from monitor.store.engine import transaction
from monitor.store.migrate import migrate
from tests.alert_world import BAD, FLAT, HOUSES, World

SCOPES, DAYS, STORIES = 5000, 90, 300_000
TICKS, ARTICLES, SURGES, STORIES_OF_SURGE = 24, 500, 99, 8
NOW = datetime(2026, 3, 3, 10, tzinfo=UTC)
FILL = (
    "INSERT INTO scopes (key) VALUES ('all') ON CONFLICT DO NOTHING",
    "INSERT INTO scopes (key, company) SELECT 'company:C' || c, 'C' || c FROM generate_series(1, %(scopes)s) c",
    """CREATE TEMP TABLE told AS
       SELECT s.id AS scope, date_bin('5 minutes', %(now)s - random() * %(days)s * interval '1 day', 'epoch') AS at,
              random() < 0.3 AS negative
       FROM (SELECT 'company:C' || (1 + floor(random() ^ 2 * %(scopes)s))::int AS key
             FROM generate_series(1, %(stories)s)) drawn JOIN scopes s USING (key)""",
    "INSERT INTO told SELECT (SELECT id FROM scopes WHERE key = 'all'), at, negative FROM told",
)
ROLL_UP = """
INSERT INTO counts (model, scope, kind, minutes, at, total, negative, positive, score_sum, backfilled,
                    backfilled_negative)
SELECT (SELECT id FROM models LIMIT 1), scope, 'news', %(minutes)s, date_bin(%(width)s::interval, at, 'epoch'),
       count(*), count(*) FILTER (WHERE negative), 0, 0, 0, 0 FROM told GROUP BY 2, 5"""


def filled(url: str) -> World:
    migrate(url)
    world = World(url, NOW)
    values = {"scopes": SCOPES, "now": NOW, "days": DAYS, "stories": STORIES}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, values if "%(" in statement else None)
        for minutes in (5, 1440):
            connection.execute(ROLL_UP, {"minutes": minutes, "width": f"{minutes} minutes"})
        connection.execute("VACUUM ANALYZE counts")
    return world


class Took(NamedTuple):
    wall: float
    own: float


def timed_tick(world: World) -> Took:
    wall, own = time.perf_counter(), time.process_time()
    with transaction(world.database) as tx:
        world.evaluator.tick(tx, {}, world.at)
    return Took(time.perf_counter() - wall, time.process_time() - own)


def learning(world: World) -> list[Took]:
    took = [timed_tick(world)]
    while world.evaluator.behind:
        took.append(timed_tick(world))
    return took


def watching(world: World) -> list[Took]:
    """Two hours of news; the second hour begins with surges at once."""
    took = []
    for number in range(TICKS):
        world.at += timedelta(minutes=5)
        rows = [
            world.article(f"C{1 + (7 * number + 11 * n) % SCOPES}", world.at, HOUSES[n % 6], FLAT if n % 3 else BAD)
            for n in range(ARTICLES)
        ]
        if number == TICKS // 2:
            surges = [f"C{50 * n + 1}" for n in range(SURGES)]
            rows += [
                world.article(one, world.at, HOUSES[n % 6], BAD) for one in surges for n in range(STORIES_OF_SURGE)
            ]
        world.save(rows)
        took.append(timed_tick(world))
    return took


def line(title: str, took: list[Took]) -> None:
    walls, own = [one.wall for one in took], [one.own for one in took]
    print(
        f"{title:<44} {len(took):>6} {max(walls):>8.2f} s {statistics.median(walls):>7.2f} s {sum(walls):>7.1f} s"
        f" {max(own):>8.2f} s {statistics.median(own):>7.2f} s {sum(own):>7.1f} s",
        flush=True,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with embedded.server(Path(folder)) as url:
            world = filled(url)
            load = os.getloadavg()[0]
            print(
                f"\n{SCOPES} scopes, {STORIES:,} stories in {DAYS} days, Postgres on the same machine, load {load:.1f}"
            )
            sorts = f"{'worst':>10} {'median':>9} {'in all':>9}"
            print(f"{'by the wall, then of our processor':<44} {'ticks':>6} {sorts} {sorts}")
            line("35 days learned at first start, in slices", learning(world))
            took = watching(world)
            line(f"ticks of five minutes, {ARTICLES} new articles each", took)
            line(f"  of these the one with {SURGES} surges at once", [took[TICKS // 2]])
            print(f"episodes opened: {len(world.episodes())}")
            world.database.dispose()
        embedded.wipe(Path(folder))


if __name__ == "__main__":
    main()
