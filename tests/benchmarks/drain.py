"""How fast a prefilled log becomes rows, stories and counts, with a constant classifier. Run it; prints a table.

    python -m tests.benchmarks.drain [FILE] [--map title=text,...] [--kind comment] [--articles 20000]
                                     [--brokers postgres,kafka] [--batch 512] [--model NAME]

FILE is anything `tocsin replay` reads; by default the news beside the project (TOCSIN_TEST_DATA). One worker, a private
database made for the run; Kafka as the tests find it (TOCSIN_TEST_KAFKA, KAFKA_HOME). Beside the drain stand a bare
poll of the same topic by the same client, and the classifier alone on the same batches. With --model a real one
judges, and the drain is the whole path's rate.

CPU milliseconds an article tell what the cores are asked for, whatever else runs on the machine: of the worker and of
the database, beside those of the classifier alone. Their quotient bounds the path's share of the classifier's rate.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from ingest.sources.replay import replay
from monitor import embedded
from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Broker, Message, Outgoing
from monitor.classifier.constant import ConstantClassifier
from monitor.classifier.protocol import Classifier
from monitor.codec import encode
from monitor.embedded import Cluster
from monitor.entities import load_companies, tag_many
from monitor.judging import judged
from monitor.store.counts import recount
from monitor.store.engine import Database, open_database
from monitor.store.migrate import migrate
from monitor.store.models import ensure_service
from monitor.store.status import numbers
from monitor.types import KINDS, RawArticle
from monitor.worker import Worker, read

TOPIC = "news.bench"
NEWS = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


class Enough(Exception):
    """As many articles as asked for."""


def main() -> None:
    options = read_options()
    messages = read_messages(options)
    classifier = load(options.model)
    alone = classifier_alone(classifier, messages, options.batch)
    columns = (
        "log",
        "messages",
        "bare poll /s",
        "drain /s",
        "CPU ms: worker",
        "database",
        "rows",
        "stories",
        "recount",
    )
    table = Table(*columns, title="Drain, one worker")
    for name in options.brokers.split(","):
        with (
            tempfile.TemporaryDirectory() as folder,
            embedded.server(Path(folder)) as url,
            broker_of(name, url, Path(folder)) as connect,
        ):
            server = Cluster(Path(folder)).folder
            table.add_row(name, *measure(url, connect, messages, classifier, options.batch, server))
    Console().print(table)
    Console().print(
        f"the classifier {classifier.version!r} alone: {alone.rate:,.0f}/s, {alone.cpu_ms:.2f} CPU ms an article;"
        f" load {os.getloadavg()[0]:.1f}"
    )


def load(model: str | None) -> Classifier:
    if model is None:
        return ConstantClassifier()
    from monitor.classifier.transformer import load_classifier

    return load_classifier(model, Path(tempfile.gettempdir()))


class Alone(NamedTuple):
    rate: float
    """Articles a second."""
    cpu_ms: float
    """An article."""


def classifier_alone(classifier: Classifier, messages: Sequence[Outgoing], batch: int) -> Alone:
    articles = read([Message(TOPIC, 0, n, *one) for n, one in enumerate(messages)]).articles
    tagged = tag_many(articles, load_companies())
    judged(tagged[:64], classifier)
    begun, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(tagged), batch):
        judged(tagged[start : start + batch], classifier)
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    return Alone(len(tagged) / took, 1000 * used / len(tagged))


def database_cpu(server: Path) -> float:
    """CPU seconds of a private server's processes that live."""
    main = psutil.Process(int((server / "postmaster.pid").read_text().split()[0]))
    used = 0.0
    for one in [main, *main.children()]:
        with suppress(psutil.NoSuchProcess):
            used += sum(one.cpu_times()[:2])
    return used


def measure(
    url: str,
    connect: Callable[[str], Broker],
    messages: Sequence[Outgoing],
    classifier: Classifier,
    batch: int,
    server: Path,
) -> list[str]:
    migrate(url)
    database = open_database(url)
    ensure_service(database, classifier.version, {}, datetime.now(UTC))
    publisher = connect("publisher")
    for start in range(0, len(messages), 1000):
        publisher.publish(TOPIC, messages[start : start + 1000])
    bare = bare_poll(connect("bare"), len(messages))
    stop = threading.Event()
    worker = Worker(database, lambda: connect("worker"), lambda _: classifier, load_companies(), batch)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    # Neither joining the group nor filling and emptying the line is what is measured.
    first, cpu, servers_cpu, begun = once_read(database, len(messages) // 10, server)
    last, *rest, ended = once_read(database, len(messages) * 9 // 10, server)
    took, count = ended - begun, last - first
    used = [1000 * (end - start) / count for start, end in zip((cpu, servers_cpu), rest, strict=True)]
    once_read(database, len(messages), server)
    stop.set()
    thread.join()
    wrong = len(list(recount(database)))
    with database.connect() as connection:
        rows, stories = connection.execute(
            text("SELECT (SELECT count(*) FROM articles), (SELECT count(*) FROM stories)")
        ).one()
    publisher.close()
    database.dispose()
    figures = (f"{len(messages) / bare:,.0f}", f"{count / took:,.0f}", *(f"{one:.2f}" for one in used))
    return [f"{len(messages):,}", *figures, f"{rows:,}", f"{stories:,}", f"{wrong} differ" if wrong else "agrees"]


def once_read(database: Database, wanted: int, server: Path) -> tuple[int, float, float, float]:
    """Articles read when that many are, CPU seconds of this process and of the database, and the clock's."""
    while (count := numbers(database).read) < wanted:
        time.sleep(0.1)  # asking costs, too
    return count, time.process_time(), database_cpu(server), time.perf_counter()


def bare_poll(broker: Broker, count: int) -> float:
    """Seconds from the first message to the last, committing as the worker does."""
    broker.poll(1, 30)  # joining the group is not what is measured
    got, begun = 1, time.perf_counter()
    while got < count:
        found = broker.poll(4096, 1)
        got += len(found)
        broker.commit()
    took = time.perf_counter() - begun
    broker.close()
    return took


@contextmanager
def broker_of(name: str, url: str, folder: Path) -> Iterator[Callable[[str], Broker]]:
    """Opens a broker for a group."""
    if name == "postgres":
        yield lambda group: PostgresBroker(url, TOPIC, group)
        return
    from monitor.broker.kafka import KafkaBroker
    from monitor.broker.kafka_cluster import connection_settings, create_topic
    from tests.kafka_server import find_kafka

    server = find_kafka(folder)
    if isinstance(server, str):
        raise SystemExit(server)
    connection = connection_settings(server.address)
    create_topic(connection, TOPIC)
    yield lambda group: KafkaBroker(connection, TOPIC, group)
    server.stop()


def read_messages(options: argparse.Namespace) -> list[Outgoing]:
    found: list[RawArticle] = []

    def take(several: Sequence[RawArticle], /) -> None:
        found.extend(several)
        if len(found) >= options.articles:
            raise Enough

    with suppress(Enough):
        replay(options.file, take, mapping=options.map, kind=options.kind, now=lambda: datetime.now(UTC))
    return [encode(raw) for raw in found[: options.articles]]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=NEWS / "uci-news" / "business.csv.gz")
    parser.add_argument("--map", default="", help="as of tocsin replay")
    parser.add_argument("--kind", default="news", choices=KINDS)
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--brokers", default="postgres,kafka")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--model", help="a real classifier: small, or a folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
