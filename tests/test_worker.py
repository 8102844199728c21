"""The worker on a real log and a real database: the order of its steps and its limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Message, Outgoing
from monitor.classifier.constant import ConstantClassifier
from monitor.classifier.protocol import Classifier
from monitor.codec import encode
from monitor.entities import Companies, Company
from monitor.errors import BadDeploy
from monitor.store.counts import recount
from monitor.store.dead_letters import retry, to_retry, was_retried
from monitor.store.engine import Database, open_database
from monitor.store.models import ensure_service
from monitor.store.save import DeadMessage, save
from monitor.types import Judgement, Passage, RawArticle, Rejected
from monitor.worker import DeadLimit, Worker, read

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
TOPIC = "news.raw"


def raw(number: int, **changed: object) -> RawArticle:
    values: dict[str, object] = {
        "source": "wire",
        "kind": "news",
        "publisher": "Wire",
        "family": "Wire",
        "title": f"Acme wins case {number * 7919} against district {number * 104729}",
        "url": f"https://wire.example/{number}",
        "seen": NOW + timedelta(seconds=number),
        "counted_at": NOW + timedelta(seconds=number),
    }
    return RawArticle(**{**values, **changed})  # type: ignore[arg-type]


@dataclass
class Bench:
    """A database and a log with a worker to run on them."""

    url: str
    database: Database
    brokers: list[PostgresBroker] = field(default_factory=list)

    def connect(self) -> PostgresBroker:
        self.brokers.append(PostgresBroker(self.url, TOPIC, "workers"))
        return self.brokers[-1]

    def publish(self, messages: Sequence[Outgoing]) -> None:
        self.connect().publish(TOPIC, messages)

    def worker(self, load: Callable[[str], Classifier] = lambda _: ConstantClassifier(), **changed: int) -> Worker:
        companies = Companies([Company("ACME", "Acme", "ACME", ("Acme",))], {})
        return Worker(self.database, self.connect, load, companies, clock=lambda: NOW, **changed)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        with self.database.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def wait(self, statement: str, wanted: list[tuple[object, ...]]) -> None:
        deadline = time.monotonic() + 60
        while (found := self.ask(statement)) != wanted:
            assert time.monotonic() < deadline, f"{found} instead of {wanted}"
            time.sleep(0.05)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    database = open_database(database_url)
    ensure_service(database, "constant", {}, NOW)
    made = Bench(database_url, database)
    yield made
    for broker in made.brokers:
        broker.close()
    database.dispose()


@contextmanager
def running(worker: Worker) -> Iterator[threading.Event]:
    """The worker in a thread, stopped at the block's end; what ends it is raised here."""
    stop, errors = threading.Event(), []

    def run() -> None:
        try:
            worker.run(stop)
        except Exception as error:  # noqa: BLE001  raised again below
            errors.append(error)
            stop.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
    if errors:
        raise errors[0]


def lag(bench: Bench) -> int:
    return sum(bench.connect().lag().values())


def test_what_is_on_the_log_becomes_rows_dead_letters_and_counts(bench: Bench) -> None:
    bad = [Outgoing(b"x", b"\x09{}"), Outgoing(b"y", b""), encode(raw(99, title="", body="<p></p>"))]
    bench.publish([encode(raw(n)) for n in range(30)] + bad)
    with running(bench.worker(batch_articles=4)):
        bench.wait('SELECT count(*) FROM log_offsets WHERE "offset" > 0', [(4,)])
        bench.wait("SELECT count(*) FROM articles", [(30,)])
        bench.wait("SELECT count(*) FROM dead_letters", [(3,)])
        bench.publish([encode(raw(30)), encode(raw(0))])
        bench.wait("SELECT count(*) FROM articles", [(31,)])
    assert lag(bench) == 0
    assert bench.ask("SELECT count(*), count(DISTINCT company) FROM mentions") == [(31, 1)]
    assert not list(recount(bench.database))


def test_read_names_why_each_message_is_refused_and_how_far_it_reaches() -> None:
    values = [encode(raw(1)).value, b"\x07", encode(raw(2, title=" ", body="")).value]
    reading = read([Message(TOPIC, 3, 10 + n, b"", value) for n, value in enumerate(values)])
    assert [one.title for one in reading.articles] == [raw(1).title]
    assert ["unknown message version 7" in one.why.reason for one in reading.dead] == [True, False]
    assert reading.progress == [(TOPIC, 3, 12, raw(2).seen)]


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_time_that_no_database_could_give_back_makes_a_dead_letter(year: int) -> None:
    odd = datetime(year, 1, 1, tzinfo=UTC)
    for name in ("seen", "counted_at", "published"):
        message = Message(TOPIC, 0, 1, b"", encode(raw(1, **{name: odd})).value)
        assert "outside the years" in read([message]).dead[0].why.reason


def test_a_bad_deploy_stops_the_line_and_stores_and_skips_nothing(bench: Bench) -> None:
    bench.publish([Outgoing(b"k%d" % n, b"\x09") for n in range(60)])
    with pytest.raises(BadDeploy, match="unknown message version 9"), running(bench.worker()) as stop:
        stop.wait(5)
    assert bench.ask("SELECT count(*) FROM dead_letters") == [(0,)]
    assert lag(bench) == 60


@pytest.mark.parametrize(
    ("good", "bad", "stops"), [(0, 49, False), (0, 50, True), (60, 59, False), (49, 50, True), (500, 100, False)]
)
def test_the_limit_is_half_of_the_last_200_and_at_least_50(good: int, bad: int, stops: bool) -> None:
    fine, poison = encode(raw(1)).value, b"\x09"
    messages = [Message(TOPIC, 0, n, b"", fine if n < good else poison) for n in range(good + bad)]
    limit, reading = DeadLimit(), read(messages)
    if stops:
        with pytest.raises(BadDeploy):
            limit.check(messages, reading.dead)
    else:
        limit.check(messages, reading.dead)


def test_dead_letters_retried_too_early_become_dead_letters_again_and_stop_nobody(bench: Bench) -> None:
    letters = [
        (Message(TOPIC, n % 4, 1000 + n, b"k", b"\x09"), Rejected("unknown message version 9")) for n in range(60)
    ]
    save(bench.database, [], [DeadMessage(*letter) for letter in letters], [], NOW)
    retry(bench.database, to_retry(bench.database, (), everything=True), bench.connect(), TOPIC, NOW)
    bench.publish([encode(raw(1))])
    with running(bench.worker()):
        bench.wait("SELECT count(*) FROM articles", [(1,)])
        bench.wait("SELECT count(*) FROM dead_letters WHERE retried_at IS NULL", [(60,)])
    assert lag(bench) == 0


def test_an_address_that_ends_in_two_numbers_is_no_retried_letter() -> None:
    keys = [b"news.raw/3/17", b"https://wire.example/2026/12", b"news.raw/3/x", b"\xff/1/1"]
    assert [was_retried(Message(TOPIC, 3, 10, key, b"")) for key in keys] == [True, False, False, False]


@dataclass
class Named:
    """Judges as the constant classifier does, under another name, and can fail once."""

    version: str
    fails: list[Exception] = field(default_factory=list)

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        if self.fails:
            raise self.fails.pop()
        return ConstantClassifier().classify(passages)


def test_an_error_in_a_batch_ends_the_worker_and_the_next_reads_it_again(bench: Bench) -> None:
    bench.publish([encode(raw(n)) for n in range(40)])
    failing = Named("constant", [RuntimeError("out of memory")])
    with pytest.raises(RuntimeError, match="out of memory"), running(bench.worker(lambda _: failing)) as stop:
        stop.wait(3)
    assert lag(bench) == 40
    with running(bench.worker()):
        bench.wait("SELECT count(*) FROM articles", [(40,)])


def test_nothing_behind_a_batch_that_fails_is_saved_or_committed(bench: Bench) -> None:
    """The next batches are read and wait while it is judged."""
    bench.publish([encode(raw(n)) for n in range(100)])
    worker = bench.worker(lambda _: FailsAt(3), batch_articles=10)
    with pytest.raises(RuntimeError, match="the third"), running(worker) as stop:
        stop.wait(5)
    assert bench.ask("SELECT count(*) FROM articles") == [(20,)]
    assert 80 <= lag(bench) <= 100
    with running(bench.worker(batch_articles=10)):
        bench.wait("SELECT count(*) FROM articles", [(100,)])
    assert not list(recount(bench.database))


class FailsAt(ConstantClassifier):
    """Fails at one of its batches."""

    def __init__(self, batch: int) -> None:
        self.left = batch

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        self.left -= 1
        if not self.left:
            raise RuntimeError("the third")
        return super().classify(passages)


def test_stopped_in_the_middle_it_finishes_its_batch(bench: Bench) -> None:
    bench.publish([encode(raw(n)) for n in range(200)])
    worker = bench.worker(batch_articles=10)
    with running(worker):
        while not bench.ask("SELECT 1 FROM articles LIMIT 1"):
            time.sleep(0.005)
    stored = int(str(bench.ask("SELECT count(*) FROM articles")[0][0]))
    assert stored % 10 == 0
    assert stored >= 200 - lag(bench), "what is committed is stored"
    with running(bench.worker(batch_articles=10)):
        bench.wait("SELECT count(*) FROM articles", [(200,)])
    assert not list(recount(bench.database))
