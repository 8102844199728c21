"""Arrival times -> articles: who writes, about what, and who copies it. Pure; one rng decides a whole day."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from ingest.simulator import grammar
from ingest.simulator.world import Company, Publisher, companies, publishers, words
from monitor.types import Kind, Sentiment

KIND_WEIGHTS: dict[Kind, float] = {"news": 66, "report": 12, "comment": 22}
TONE_WEIGHTS: dict[Sentiment, float] = {"positive": 29, "neutral": 47, "negative": 24}
COPIED_SHARE = 0.35
"""Of a wire's reports; each is copied one to three times within the hour."""

HANDLES = (
    ("quiet", "north", "tape", "delta", "penny", "value", "river", "gamma", "slow", "macro", "lucky", "iron"),
    ("badger", "trader", "owl", "harbour", "bull", "sparrow", "ledger", "fox", "anchor", "pilot", "miller", "lynx"),
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """One article of the simulated stream, before anyone has fetched it."""

    at: datetime
    """When a reader's round comes by and sees it."""
    publisher: Publisher
    title: str
    body: str
    number: int
    author: str | None = None
    head_start: timedelta = timedelta(0)
    """So long before `at` it was published."""

    @property
    def published(self) -> datetime:
        return self.at - self.head_start

    @property
    def url(self) -> str:
        words_of_title = re.findall(r"[a-z0-9]+", self.title.lower())[:8]
        return f"https://{self.publisher.slug}.example/{self.at:%Y/%m/%d}/{'-'.join(words_of_title)}-{self.number:08x}"


@dataclass
class Bag:
    """Draws without repeating until everything was drawn, so that a day doesn't tell the same thing twice."""

    rng: random.Random
    left: dict[object, list[int]] = field(default_factory=lambda: defaultdict(list))

    def draw(self, key: object, options: Sequence[T]) -> T:
        if not self.left[key]:
            self.left[key] = self.rng.sample(range(len(options)), len(options))
        return options[self.left[key].pop()]


def day_of(rng: random.Random, times: Iterable[datetime]) -> list[Item]:
    """The items for the given arrivals with their copies, in order of time."""
    bag = Bag(rng)
    items: list[Item] = []
    for at in times:
        item = _original(rng, bag, at)
        items.append(item)
        if item.publisher.wire and item.body and rng.random() < COPIED_SHARE:
            items += copies(rng, item, rng.randint(1, 3), timedelta(minutes=55))
    return sorted(items, key=lambda item: (item.at, item.number))


def copies(rng: random.Random, item: Item, count: int, within: timedelta) -> list[Item]:
    """The item at `count` other families, each a little edited, within that time."""
    families = {publisher.family for publisher in publishers()} - {item.publisher.family}
    takers = {
        publisher.family: publisher
        for publisher in rng.sample(publishers(), len(publishers()))
        if publisher.kind == item.publisher.kind and publisher.family in families
    }
    return [
        replace(
            _edited(rng, item),
            at=item.at + within * rng.uniform(0.05, 1),
            publisher=taker,
            number=number_of(rng),
            head_start=timedelta(0),
        )
        for taker in list(takers.values())[:count]
    ]


def number_of(rng: random.Random) -> int:
    return rng.getrandbits(32)


def _original(rng: random.Random, bag: Bag, at: datetime) -> Item:
    kind = _weighted(rng, KIND_WEIGHTS)
    tone = _weighted(rng, TONE_WEIGHTS)
    topics = [topic for topic in grammar.topics() if (kind, tone) in topic.sections]
    writers = [one for one in publishers() if one.kind == kind and any(one.covers(topic.name) for topic in topics)]
    publisher = _weighted(rng, {one: one.weight for one in writers})
    topic = _weighted(rng, {topic.name: topic.weight for topic in topics if publisher.covers(topic.name)})
    sections = next(one.sections for one in topics if one.name == topic)
    template = bag.draw((topic, kind, tone), sections[kind, tone])
    company: Company = bag.draw(("company", tone), companies())
    blanks = grammar.Blanks(rng, words(), company)
    title, body = grammar.fill(template, blanks)
    closer = grammar.closer(blanks, template, kind, tone)
    if kind == "comment":
        return Item(at, publisher, f"{title} {closer}".strip(), "", number_of(rng), _handle(rng))
    if kind == "report":
        return Item(at, publisher, grammar.title_case(title), body, number_of(rng))
    return Item(at, publisher, title, f"{body} {closer}".strip(), number_of(rng))


def _edited(rng: random.Random, item: Item) -> Item:
    edits = [
        lambda: replace(item, title=f"{item.title} - {item.publisher.name}"),
        lambda: replace(item, title=f"UPDATE 1-{item.title}"),
        lambda: replace(item, body=f"({item.publisher.name}) {item.body}"),
        lambda: replace(item, body=f"{item.body} Reporting by {item.publisher.name}."),
        lambda: replace(item, body=item.body.replace(" said", " says")),
    ]
    return rng.choice(edits)()


def _handle(rng: random.Random) -> str:
    return f"{rng.choice(HANDLES[0])}_{rng.choice(HANDLES[1])}{rng.randint(1, 99)}"


def _weighted(rng: random.Random, weights: dict[T, float]) -> T:
    return rng.choices(list(weights), weights=list(weights.values()))[0]
