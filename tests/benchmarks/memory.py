"""Does a worker's memory stay flat? One worker program, 200,000 simulated articles. Run it; prints a table.

    python tests/benchmarks/memory.py [--articles 200000]

The worker runs as its own process on the Postgres log of a private database, with a constant classifier; its resident
memory is read after every tenth of the way.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from monitor import embedded
from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Outgoing
from monitor.codec import encode
from monitor.store.engine import open_database
from monitor.store.migrate import migrate
from monitor.store.models import ensure_service
from monitor.store.status import numbers
from monitor.types import RawArticle

TOPIC, GROUP = "news.memory", "memory"
PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "worker.py"
WORDS = ["profit", "loss", "bank", "rate", "deal", "recall", "court", "chief", "bond", "oil", "wind", "chip", "strike"]
STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--articles", type=int, default=200_000)
    articles = parser.parse_args().articles
    table = Table("articles", "worker's memory, MB", "articles/s", title="Memory of one worker")
    with tempfile.TemporaryDirectory() as folder, embedded.server(Path(folder)) as url:
        migrate(url)
        database = open_database(url)
        ensure_service(database, "constant", {}, datetime.now(UTC))
        broker = PostgresBroker(url, TOPIC, GROUP)
        made = messages()
        worker = subprocess.Popen([sys.executable, str(PROGRAM), url, "postgres", TOPIC, GROUP, "256", "0"])
        for step in range(1, STEPS + 1):
            begun, share = time.perf_counter(), articles // STEPS
            while batch := list(islice(made, min(2000, share))):
                broker.publish(TOPIC, batch)
                share -= len(batch)
            while numbers(database).read < articles // STEPS * step:
                time.sleep(0.2)
            resident = psutil.Process(worker.pid).memory_info().rss / 1e6
            rate = articles / STEPS / (time.perf_counter() - begun)
            table.add_row(f"{articles // STEPS * step:,}", f"{resident:.0f}", f"{rate:,.0f}")
        worker.terminate()
        worker.wait()
        broker.close()
        database.dispose()
    Console().print(table)


def messages() -> Iterator[Outgoing]:
    """Endless news: distinct headlines, a copy now and then, bodies of every length."""
    chance, at = random.Random(1), datetime(2026, 1, 1, tzinfo=UTC)
    title = ""
    for number in range(10**9):
        at += timedelta(seconds=20)
        if number % 5:
            title = f"{' '.join(chance.choices(WORDS, k=6)).capitalize()} of firm {number}"
        yield encode(
            RawArticle(
                source="bench",
                kind="news",
                publisher=f"Paper {number % 40}",
                family=f"House {number % 40}",
                title=title,
                body=" ".join(chance.choices(WORDS, k=chance.choice((0, 20, 200)))),
                url=f"https://bench.example/{number}",
                seen=at,
                counted_at=at,
                is_backfill=True,
            )
        )


if __name__ == "__main__":
    main()
