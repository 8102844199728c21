"""poll -> decode -> clean -> tag -> classify -> save -> commit. Owns that order; knows no implementation.

Three stages, each on one thread, so that batches keep their order: while one batch is saved, the next is judged, and
this thread reads on, signs for near-duplicates, and commits what is saved. Nothing is caught around a batch: what goes
wrong ends the process, nothing behind it is saved, and whoever starts it again reads the batch again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from monitor import metrics
from monitor.broker.protocol import Broker, Message
from monitor.classifier.protocol import Classifier
from monitor.codec import decode
from monitor.entities import Companies, tag_many
from monitor.errors import BadDeploy
from monitor.in_service import InService
from monitor.judging import judged
from monitor.patience import patiently
from monitor.station import Station
from monitor.store.dead_letters import was_retried
from monitor.store.engine import Database
from monitor.store.save import DeadMessage, Progress, Saved, save
from monitor.stories import Signed, sign_articles
from monitor.text import clean
from monitor.types import Article, Classified, RawArticle, Rejected

POLL_BATCHES = 8
POLL_TIMEOUT_S = 1.0
IN_FLIGHT_POLL_S = 0.05
"""While batches are in flight: how late a commit may follow its save where nothing new comes."""
MOST_IN_FLIGHT = 3
"""Batches between poll and commit: one is saved, one is judged, one waits. A kill has them read again."""
TELL_EVERY_S = 10.0
RECENT = 200
LEAST_DEAD = 50

log = structlog.get_logger(__name__)


class Reading(NamedTuple):
    """A batch of messages as far as pure code gets: readable articles, dead messages, and how far it reaches."""

    articles: list[Article]
    dead: list[DeadMessage]
    progress: list[Progress]


@dataclass
class DeadLimit:
    """More than half of the last 200 messages dead, and at least 50: that is no bad message but a bad deploy.

    Retried dead letters count for nothing: many at once that are still refused would stop the line for good.
    """

    recent: deque[str | None] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Why each was refused; None for a good one."""

    def check(self, messages: Sequence[Message], dead: Sequence[DeadMessage]) -> None:
        """BadDeploy if these messages pass the limit."""
        refused = {(message.partition, message.offset): why.reason for message, why in dead}
        for message in messages:
            if was_retried(message):
                continue
            reason = refused.get((message.partition, message.offset))
            self.recent.append(reason)
            if reason is None:
                continue
            reasons = [reason for reason in self.recent if reason is not None]
            if len(reasons) >= LEAST_DEAD and len(reasons) * 2 > len(self.recent):
                usual, times = Counter(reasons).most_common(1)[0]
                raise BadDeploy(
                    f"{len(reasons)} of the last {len(self.recent)} messages were refused ({times} times: {usual});"
                    " nothing of this batch was stored or skipped: mend what writes or reads them, then start again"
                )


class Judging(NamedTuple):
    """A batch on its way to the database."""

    reading: Reading
    signed: Mapping[str, Signed]
    classified: Future[list[Classified] | None]
    """None where no model judges it here and now."""


class Flight(NamedTuple):
    """A batch between poll and commit."""

    messages: Sequence[Message]
    saved: Future[Saved | None]
    """None where it is left to be read again."""


@dataclass
class Worker:
    """One worker program. `connect` opens a broker: only while there is a model to judge with is one open."""

    database: Database
    connect: Callable[[], Broker]
    load: Callable[[str], Classifier]
    """The classifier of a version. ModelUnavailable where its artefacts are not here."""
    companies: Companies
    batch_articles: int = 256
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    limit: DeadLimit = field(default_factory=DeadLimit)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then the batch that is being judged is finished."""
        service = InService(self.database, self.load, self.clock)
        while service.wait(stop) is not None:
            with (
                _open(self.connect) as broker,
                Station[Reading, list[Classified]]("judge", lambda one: self._judge(one, service, stop)) as judging,
                Station[Judging, Saved]("save", lambda one: self._save(one, stop)) as saving,
            ):

                def send(one: Reading) -> Future[Saved | None]:
                    classified = judging.submit(one)  # first: meanwhile it is signed here
                    return saving.submit(Judging(one, sign_articles(one.articles), classified))

                self._work(broker, service, send, stop)
        service.close()

    def _work(
        self,
        broker: Broker,
        service: InService,
        send: Callable[[Reading], Future[Saved | None]],
        stop: threading.Event,
    ) -> None:
        """Until stopped, or until the artefacts of the version in service are not here: then others shall read."""
        flights: deque[Flight] = deque()
        teller = _Teller()
        # With batches in flight it is the judging thread that asks for the version in service.
        while not stop.is_set() and (flights or service.current(stop) is not None):
            with metrics.BATCH_SECONDS.labels("poll").time():
                timeout_s = IN_FLIGHT_POLL_S if flights else POLL_TIMEOUT_S
                messages = broker.poll(self.batch_articles * POLL_BATCHES, timeout_s)
            for start in range(0, len(messages), self.batch_articles):
                batch = messages[start : start + self.batch_articles]
                reading = read(batch)
                self.limit.check(batch, reading.dead)
                if len(flights) == MOST_IN_FLIGHT and not _land(flights.popleft(), broker, teller):
                    return
                flights.append(Flight(batch, send(reading)))
            while flights and flights[0].saved.done():
                if not _land(flights.popleft(), broker, teller):
                    return
        while flights and _land(flights.popleft(), broker, teller):
            pass

    def _judge(self, reading: Reading, service: InService, stop: threading.Event) -> list[Classified] | None:
        """Another version is taken up here, between two batches, by the same consumer: its partitions stay."""
        classifier = None if stop.is_set() else service.current(stop)
        return None if classifier is None else judged(tag_many(reading.articles, self.companies), classifier)

    def _save(self, judging: Judging, stop: threading.Event) -> Saved | None:
        classified, (_, dead, progress) = judging.classified.result(), judging.reading
        if classified is None:
            return None

        def once() -> Saved:
            return save(self.database, classified, dead, progress, self.clock(), judging.signed)

        with metrics.BATCH_SECONDS.labels("save").time():
            saved = patiently("save a batch", once, stop.is_set)
        metrics.STORED.inc(saved.articles)
        metrics.DEAD.inc(len(dead))
        return saved


def _land(flight: Flight, broker: Broker, teller: _Teller) -> bool:
    """Commit a batch once it is saved. False where it is not: it and all behind it are left to be read again."""
    saved = flight.saved.result()
    if saved is not None:
        broker.commit(flight.messages)
        teller.tell(saved)
    return saved is not None


def read(messages: Sequence[Message]) -> Reading:
    """Decode and clean. Pure; no message is lost: each is an article or a dead letter."""
    articles: list[Article] = []
    dead: list[DeadMessage] = []
    reached: dict[tuple[str, int], Progress] = {}
    for message in messages:
        raw = decode(message.value)
        found = clean(raw) if isinstance(raw, RawArticle) else raw
        if isinstance(found, Rejected):
            dead.append(DeadMessage(message, found))
        else:
            articles.append(found)
        where = (message.topic, message.partition)
        before = reached[where].seen if where in reached else None
        seen = max(filter(None, (before, raw.seen if isinstance(raw, RawArticle) else None)), default=None)
        reached[where] = Progress(*where, message.offset, seen)
    return Reading(articles, dead, list(reached.values()))


@dataclass
class _Teller:
    """Says now and then what was done."""

    articles: int = 0
    stories: int = 0
    since: float = field(default_factory=time.monotonic)

    def tell(self, saved: Saved) -> None:
        self.articles += saved.articles
        self.stories += saved.stories
        passed = time.monotonic() - self.since
        if passed > TELL_EVERY_S:
            log.info("stored", articles=self.articles, stories=self.stories, per_s=round(self.articles / passed))
            self.articles, self.stories, self.since = 0, 0, time.monotonic()


@contextmanager
def _open(connect: Callable[[], Broker]) -> Iterator[Broker]:
    broker = connect()
    try:
        yield broker
    finally:
        broker.close()
