"""poll -> decode -> clean -> tag -> classify -> save -> commit. Owns that order; knows no implementation.

Nothing is caught around a batch: what goes wrong ends the process, and whoever starts it again reads the batch again.
A poll brings several batches: while one is being saved the next is judged, and all are committed together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from monitor import metrics
from monitor.broker.protocol import Broker, Message
from monitor.classifier.protocol import Classifier
from monitor.codec import decode
from monitor.entities import Companies, tag_many
from monitor.errors import BadDeploy
from monitor.in_service import InService
from monitor.judging import judged
from monitor.store.engine import Database, patiently
from monitor.store.save import DeadMessage, Progress, Saved, save
from monitor.text import clean
from monitor.types import Article, Classified, RawArticle, Rejected

POLL_BATCHES = 8
POLL_TIMEOUT_S = 1.0
LAG_EVERY_S = 3.0
TELL_EVERY_S = 10.0
RECENT = 200
LEAST_DEAD = 50

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch of messages as far as pure code gets: readable articles, dead messages, and how far it reaches."""

    articles: list[Article]
    dead: list[DeadMessage]
    progress: list[Progress]


@dataclass
class DeadLimit:
    """More than half of the last 200 messages dead, and at least 50: that is no bad message but a bad deploy."""

    recent: deque[str | None] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Why each was refused; None for a good one."""

    def check(self, messages: Sequence[Message], dead: Sequence[DeadMessage]) -> None:
        """BadDeploy if these messages pass the limit."""
        refused = {(message.partition, message.offset): why.reason for message, why in dead}
        for message in messages:
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
        """Work until `stop` is set; then the batch at hand is finished."""
        service = InService(self.database, self.load, self.clock)
        while service.wait(stop) is not None:
            with _open(self.connect) as broker, ThreadPoolExecutor(1, "save") as saver:
                self._work(broker, service, saver, stop)
        service.close()

    def _work(self, broker: Broker, service: InService, saver: ThreadPoolExecutor, stop: threading.Event) -> None:
        """Until stopped, or until the artefacts of the version in service are not here: then others shall read.

        Another version is taken up between two batches, by the same consumer: its partitions stay where they are.
        """
        teller, checked = _Teller(), time.monotonic()
        while not stop.is_set() and service.current(stop) is not None:
            if time.monotonic() - checked > LAG_EVERY_S:
                checked = time.monotonic()
                metrics.LAG.set(sum(broker.lag().values()))
            with metrics.BATCH_SECONDS.labels("poll").time():
                messages = broker.poll(self.batch_articles * POLL_BATCHES, POLL_TIMEOUT_S)
            if messages:
                if not self._take(messages, service, saver, teller, stop):
                    return  # and never a commit on this consumer again: it would skip what was not judged
                broker.commit()

    def _take(
        self,
        messages: Sequence[Message],
        service: InService,
        saver: ThreadPoolExecutor,
        teller: _Teller,
        stop: threading.Event,
    ) -> bool:
        """Judge and save them all. False if ended before the last: what is saved is read again, and known then."""
        saving: Future[Saved] | None = None
        for start in range(0, len(messages), self.batch_articles):
            classifier = service.current(stop)
            if classifier is None or (saving is not None and stop.is_set()):
                if saving is not None:
                    saving.result()
                return False
            batch = messages[start : start + self.batch_articles]
            reading = read(batch)
            self.limit.check(batch, reading.dead)
            classified = judge(reading.articles, classifier, self.companies)
            if saving is not None:
                teller.tell(saving.result())
            saving = saver.submit(self._save, classified, reading, stop)
        if saving is not None:
            teller.tell(saving.result())
        return True

    def _save(self, classified: Sequence[Classified], reading: Reading, stop: threading.Event) -> Saved:
        def once() -> Saved:
            return save(self.database, classified, reading.dead, reading.progress, self.clock())

        with metrics.BATCH_SECONDS.labels("save").time():
            saved = patiently("save a batch", once, stop.is_set)
        metrics.STORED.inc(saved.articles)
        metrics.DEAD.inc(len(reading.dead))
        return saved


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


def judge(articles: Sequence[Article], classifier: Classifier, companies: Companies) -> list[Classified]:
    """Tag the companies and classify, in the order given."""
    return judged(tag_many(articles, companies), classifier)


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
