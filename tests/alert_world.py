"""A database with a past, and an alerting program over it that can be killed: what tests of alerts let happen in."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from sqlalchemy import text

from monitor.alerts.message import Naming
from monitor.alerts.notify import Sender, channels_of
from monitor.delivery import Postman
from monitor.evaluation import Evaluator
from monitor.store import rules
from monitor.store.engine import Database, open_database, transaction
from monitor.store.models import ensure_service
from monitor.store.save import save
from monitor.types import Article, Classified, Judgement, Kind, Mention, Probabilities, TaggedArticle

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
BAD, FLAT = Probabilities(0.9, 0.08, 0.02), Probabilities(0.05, 0.9, 0.05)
TOPICS = ("Legal | Regulation", "Earnings", "Macro")
HOUSES = ("Harbour", "Meridian", "Concord", "Ledger", "Quay", "Tape")
MODEL = "test-1"


W = TypeVar("W", bound="World")


class World:
    """A database with rows, and an alerting program that can be killed and started again."""

    def __init__(self, url: str, at: datetime = NOW) -> None:
        self.url = url
        self.database: Database = open_database(url)
        self.at = at
        self.out = io.StringIO()
        self.lag: dict[int, int] = {}
        self.number = 0
        ensure_service(self.database, MODEL, {}, at)
        with transaction(self.database) as tx:
            rules.seed_default_rule(tx, at)
        self.restart()

    def restart(self) -> None:
        """As after a kill: nothing is left but the database."""
        channels = channels_of(["console://"])
        self.evaluator = Evaluator(tuple(channels), Naming({}, "http://127.0.0.1:8501"), "news.raw")
        self.postman = Postman(channels, Sender(console=self.out), "secret", "http://127.0.0.1:8501")

    def article(self, company: str | None, at: datetime, house: str, mood: Probabilities, **more: object) -> Classified:
        self.number += 1
        name = str(more.get("headline") or self.headline()) + str(more.get("ending", ""))
        mentions = (Mention(company, f"{company} Corp", company, company),) if company else ()
        article = Article(
            id=f"a{self.number:07d}",
            source=house,
            kind=cast(Kind, more.get("kind", "news")),
            publisher=f"{house} Daily",
            family=house,
            title=f"{company or 'Markets'} {name}",
            body="",
            url=f"https://{house}.example/{self.number}",
            author=None,
            published=at,
            seen=at,
            counted_at=at,
            is_backfill=bool(more.get("is_backfill")),
        )
        judgement = Judgement(str(more.get("topic", TOPICS[0])), 0.9, mood, (mood,) * len(mentions))
        return Classified(TaggedArticle(article, mentions), judgement, MODEL)

    def headline(self) -> str:
        """Unlike any other: ten words drawn by its number."""
        chance = random.Random(self.number)
        return " ".join("".join(chance.choices("bdfgklmnprst", k=3)) + chance.choice("aeiou") for _ in range(10))

    def save(self, rows: Sequence[Classified]) -> None:
        for begin in range(0, len(rows), 500):
            save(self.database, rows[begin : begin + 500], [], [], self.at)

    def history(self, days: int = 5) -> None:
        """Every hour two flat stories about six companies, and one bad story in turn."""
        rows = []
        for hour in range(days * 24):
            at = self.at - timedelta(days=days) + timedelta(hours=hour, minutes=7)
            for place in range(3):
                company, house = f"C{(hour + place) % 6}", HOUSES[(hour * 7 + place) % 6]
                mood = BAD if place == 0 and hour % 2 else FLAT
                rows.append(self.article(company, at, house, mood, topic=TOPICS[place], is_backfill=True))
        self.save(rows)

    def crisis(self, company: str = "C1", stories: int = 12, houses: Sequence[str] = HOUSES, **more: object) -> None:
        self.save([self.article(company, self.at, houses[i % len(houses)], BAD, **more) for i in range(stories)])

    def tick(self, minutes: float = 0, step: float = 5) -> None:
        """Let time pass with evaluations, at least one."""
        end = self.at + timedelta(minutes=minutes)
        while True:
            with transaction(self.database) as tx:
                self.evaluator.tick(tx, self.lag, self.at)
            self.postman.deliver(self.database, self.at)
            if self.at >= end:
                return
            self.at = min(end, self.at + timedelta(minutes=step))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with transaction(self.database) as tx:
            return [tuple(row) for row in tx.execute(text(query))]

    def told(self) -> list[object]:
        return [
            row[0] for row in self.rows("SELECT message->>'sort' FROM outbox WHERE sent_at IS NOT NULL ORDER BY id")
        ]

    def episodes(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT scope, phase FROM episodes ORDER BY opened_at, id")


@contextmanager
def lived(one: W) -> Iterator[W]:
    """The world with its history; its connections end with the block."""
    try:
        one.history()
        yield one
    finally:
        one.database.dispose()


LEGAL_AT_C1 = "company:C1|topic:Legal | Regulation"
