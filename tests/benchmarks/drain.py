"""How fast a prefilled log becomes rows, stories and counts, with a constant classifier. Run it; prints a table.

    python tests/benchmarks/drain.py [FILE] [--articles 20000] [--brokers postgres,kafka] [--batch 512] [--model NAME]

FILE is anything `tocsin replay` reads; by default the news beside the project (TOCSIN_TEST_DATA). One worker, a private
database made for the run; Kafka as the tests find it (TOCSIN_TEST_KAFKA, KAFKA_HOME). Beside the drain stand a bare
poll of the same topic by the same client, and the classifier alone on the same passages. With --model a real one
judges, and the drain is the whole path's rate.
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
from monitor.entities import load_companies, tag_many
from monitor.store.counts import recount
from monitor.store.engine import open_database
from monitor.store.migrate import migrate
from monitor.store.models import ensure_service
from monitor.store.status import numbers
from monitor.types import Passage, RawArticle
from monitor.worker import Worker, read

TOPIC = "news.bench"
NEWS = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


class Enough(Exception):
    """As many articles as asked for."""


def main() -> None:
    options = read_options()
    messages = read_messages(options.file, options.articles)
    classifier = load(options.model)
    alone = classifier_alone(classifier, messages, options.batch)
    table = Table(
        "log", "messages", "bare poll /s", "drain /s", "rows", "stories", "recount", title="Drain, one worker"
    )
    for name in options.brokers.split(","):
        with (
            tempfile.TemporaryDirectory() as folder,
            embedded.server(Path(folder)) as url,
            broker_of(name, url, Path(folder)) as connect,
        ):
            table.add_row(name, *measure(url, connect, messages, classifier, options.batch))
    Console().print(table)
    Console().print(f"the classifier {classifier.version!r} alone: {alone:,.0f}/s")


def load(model: str | None) -> Classifier:
    if model is None:
        return ConstantClassifier()
    from monitor.classifier.transformer import load_classifier

    return load_classifier(model, Path(tempfile.gettempdir()))


def classifier_alone(classifier: Classifier, messages: Sequence[Outgoing], batch: int) -> float:
    articles = read([Message(TOPIC, 0, n, *one, datetime.now(UTC)) for n, one in enumerate(messages)]).articles
    tagged = tag_many(articles, load_companies())
    passages = [Passage(one.article.text, tuple(mention.surface for mention in one.mentions)) for one in tagged]
    classifier.classify(passages[:64])
    begun = time.perf_counter()
    for start in range(0, len(passages), batch):
        classifier.classify(passages[start : start + batch])
    return len(passages) / (time.perf_counter() - begun)


def measure(
    url: str, connect: Callable[[str], Broker], messages: Sequence[Outgoing], classifier: Classifier, batch: int
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
    before = 0
    while not before:  # joining the group is not what is measured here either
        time.sleep(0.02)
        before = numbers(database).read
    begun = time.perf_counter()
    while numbers(database).read < len(messages):
        time.sleep(0.1)
    took = time.perf_counter() - begun
    stop.set()
    thread.join()
    wrong = len(list(recount(database)))
    with database.connect() as connection:
        rows, stories = connection.execute(
            text("SELECT (SELECT count(*) FROM articles), (SELECT count(*) FROM stories)")
        ).one()
    publisher.close()
    database.dispose()
    rates = (f"{len(messages) / bare:,.0f}", f"{(len(messages) - before) / took:,.0f}")
    return [f"{len(messages):,}", *rates, f"{rows:,}", f"{stories:,}", f"{wrong} differ" if wrong else "agrees"]


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
    from monitor.broker.kafka import KafkaBroker, connection_settings, create_topic
    from tests.kafka_server import find_kafka

    server = find_kafka(folder)
    if isinstance(server, str):
        raise SystemExit(server)
    connection = connection_settings(server.address)
    create_topic(connection, TOPIC)
    yield lambda group: KafkaBroker(connection, TOPIC, group)
    server.stop()


def read_messages(file: Path, articles: int) -> list[Outgoing]:
    found: list[RawArticle] = []

    def take(several: Sequence[RawArticle], /) -> None:
        found.extend(several)
        if len(found) >= articles:
            raise Enough

    with suppress(Enough):
        replay(file, take, now=lambda: datetime.now(UTC))
    return [encode(raw) for raw in found[:articles]]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=NEWS / "uci-news" / "business.csv.gz")
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--brokers", default="postgres,kafka")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--model", help="a real classifier: small, or a folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
