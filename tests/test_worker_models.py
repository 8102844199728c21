"""The worker changes models: between two batches, on the same consumer, and never to one that is not here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from monitor.broker.protocol import Broker
from monitor.classifier.protocol import Classifier
from monitor.codec import encode
from monitor.errors import ModelUnavailable
from monitor.store.models import put_in_service, register
from monitor.store.workers import workers
from monitor.types import Judgement, Passage
from tests.contracts.conftest import Log, log
from tests.test_worker import NOW, Bench, Named, bench, lag, raw, running

__all__ = ["bench", "log"]


@dataclass
class Slow(Named):
    """Takes its time, and remembers which texts it judged."""

    judged: list[str] = field(default_factory=list)

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        time.sleep(0.05)
        self.judged += [one.text for one in passages]
        return super().classify(passages)


def test_a_swap_comes_between_two_batches_within_ten_seconds_and_the_same_consumer_goes_on(
    bench: Bench, log: Log
) -> None:
    register(bench.database, "second", {}, NOW)
    connections: list[Broker] = []
    loaded: dict[str, Slow] = {}

    def connect() -> Broker:
        connections.append(log.open())
        return connections[-1]

    def load(version: str) -> Classifier:
        return loaded.setdefault(version, Slow(version))

    worker = bench.worker(load, batch_articles=4)
    worker.connect = connect
    publisher = log.open()
    publisher.publish(log.topic, [encode(raw(n)) for n in range(500)])
    with running(worker):
        while not bench.ask("SELECT 1 FROM articles LIMIT 1"):
            time.sleep(0.05)
        put_in_service(bench.database, "second", "ann", "better", NOW)
        flipped = time.monotonic()
        while not bench.ask("SELECT 1 FROM scores WHERE model = 2"):
            assert time.monotonic() - flipped < 10, "the worker never took up the new version"
            time.sleep(0.05)
        assert [one.version for one in workers(bench.database, NOW)] == ["second"]
        bench.wait("SELECT count(*) FROM articles", [(500,)])
        while sum(publisher.lag().values()):
            time.sleep(0.05)
    assert len(connections) == 1, "a second consumer would have been a rebalance"
    assert bench.ask("SELECT count(*), count(DISTINCT article) FROM scores") == [(500, 500)]
    texts = [text for one in loaded.values() for text in one.judged]
    assert len(texts) == len(set(texts)) == 500, "nothing was judged twice"
    assert workers(bench.database, NOW) == [], "a worker that stops in order leaves no row"


def test_without_the_models_artefacts_it_says_so_and_takes_no_messages(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    here: set[str] = set()

    def load(version: str) -> Classifier:
        if version not in here:
            raise ModelUnavailable(f"no artefacts of {version!r} here; copy them to models/")
        return Named(version)

    bench.publish([encode(raw(n)) for n in range(5)])
    with running(bench.worker(load)):
        time.sleep(0.5)
        assert lag(bench) == 5
        assert "no artefacts of 'constant' here" in capsys.readouterr().out
        assert [(one.version, one.problem) for one in workers(bench.database, NOW)] == [
            (None, "no artefacts of 'constant' here; copy them to models/")
        ]
        here.add("constant")
        bench.wait("SELECT count(*) FROM articles", [(5,)])
        assert [(one.version, one.problem) for one in workers(bench.database, NOW)] == [("constant", None)]


def test_a_flip_to_a_version_that_is_not_here_leaves_the_messages_to_others(bench: Bench) -> None:
    register(bench.database, "second", {}, NOW)

    def load(version: str) -> Classifier:
        if version == "second":
            raise ModelUnavailable("no artefacts of 'second' here")
        return Slow(version)

    bench.publish([encode(raw(n)) for n in range(600)])
    with running(bench.worker(load, batch_articles=4)):
        while not bench.ask("SELECT 1 FROM articles LIMIT 1"):
            time.sleep(0.05)
        put_in_service(bench.database, "second", "ann", "better", NOW)
        while workers(bench.database, NOW)[0].problem is None:
            time.sleep(0.05)
        with running(bench.worker(Named)):
            bench.wait("SELECT count(*) FROM articles", [(600,)])
            bench.wait('SELECT sum("offset") FROM log_offsets', [(600,)])
    assert bench.ask("SELECT count(*) FROM scores") == [(600,)]
    assert lag(bench) == 0
