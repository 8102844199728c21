"""The values that flow, one type per stage, frozen. Imports nothing of ours.

    source      RawArticle      what a source said, with its three times; travels on the log
    clean       Article         readable text, canonical URL, identity | Rejected
    tag         TaggedArticle   + the companies it names
    classify    Classified      + Judgement: topic, sentiment, sentiment toward each company
    save        Count           distinct stories per (scope, kind, model, bucket)
    detect      Episode         a stretch in which a scope is above its own normal
    tell        Notification    what one reader is told, and why now

All times are aware and UTC. Types for one seam only (Message, ModelVersion, ...) sit beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

Kind = Literal["news", "report", "comment"]
Sentiment = Literal["negative", "neutral", "positive"]

KINDS: tuple[Kind, ...] = ("news", "report", "comment")
SENTIMENTS: tuple[Sentiment, ...] = ("negative", "neutral", "positive")
"""In the order of every probability vector."""

BUCKET = timedelta(minutes=5)
"""The finest grain of counting."""
SKEW = timedelta(minutes=10)
"""So far the clocks of two programs may be apart; what lies further ahead, a clock wrote that was set back since."""


def bucket_of(at: datetime, size: timedelta = BUCKET) -> datetime:
    """The start of the bucket that holds `at`; buckets are aligned to the Unix epoch, in UTC."""
    width = int(size.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // width * width, UTC)


class RawArticle(msgspec.Struct, frozen=True, kw_only=True):
    """What a source said, uninterpreted: title and body may hold HTML, `published` may be absent.

    `seen` is when we fetched it; `counted_at` the time it counts under: `seen` for live news,
    `published` where known for back-fills and catch-ups (`is_backfill`), which never open or grow an episode.
    """

    source: str
    kind: Kind
    publisher: str
    family: str
    """Who owns the publisher: three titles of one house are one witness."""
    title: str
    seen: datetime
    counted_at: datetime
    source_id: str | None = None
    """The source's own id, the identity where there is no URL, and of every comment that has one."""
    url: str | None = None
    body: str = ""
    author: str | None = None
    published: datetime | None = None
    is_backfill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """A readable article with its identity. `id`: of its canonical URL, else of (source, source_id);
    a comment's the other way round."""

    id: str
    source: str
    kind: Kind
    publisher: str
    family: str
    title: str
    body: str
    url: str | None
    author: str | None
    published: datetime | None
    seen: datetime
    counted_at: datetime
    is_backfill: bool

    @property
    def text(self) -> str:
        return f"{self.title}\n{self.body}" if self.body else self.title

    @property
    def witness(self) -> str:
        """Who says it, for counting distinct publishers: the family; of a comment its author."""
        return (self.author or self.family) if self.kind == "comment" else self.family


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that can never become an article, with the reason a person reads in the dead letters."""

    reason: str


class Mention(NamedTuple):
    """A company named in a text."""

    company: str
    """Its key, stable across texts: the ticker where it has one, else the watch-list's key."""
    name: str
    """Its display name."""
    ticker: str | None
    surface: str
    """As the text spells it; what the classifier is asked about."""


@dataclass(frozen=True, slots=True)
class TaggedArticle:
    """An article with the companies it names, each once, in the order it names them."""

    article: Article
    mentions: tuple[Mention, ...]


class Passage(NamedTuple):
    """What a classifier reads: a text, and the company names whose sentiment is asked for."""

    text: str
    entities: tuple[str, ...] = ()


class Probabilities(NamedTuple):
    """Calibrated, summing to 1, in the order of SENTIMENTS."""

    negative: float
    neutral: float
    positive: float

    @property
    def score(self) -> float:
        """p(positive) - p(negative), in [-1, 1]."""
        return self.positive - self.negative

    @property
    def sentiment(self) -> Sentiment:
        return SENTIMENTS[max(range(3), key=self.__getitem__)]


class Judgement(NamedTuple):
    """What a classifier answers for a Passage; `entities` in the order asked."""

    topic: str
    topic_probability: float
    probabilities: Probabilities
    entities: tuple[Probabilities, ...] = ()

    @property
    def sentiment(self) -> Sentiment:
        return self.probabilities.sentiment

    @property
    def score(self) -> float:
        return self.probabilities.score


@dataclass(frozen=True, slots=True)
class Classified:
    """A tagged article with one model version's judgement; `judgement.entities` answers `tagged.mentions` in order."""

    tagged: TaggedArticle
    judgement: Judgement
    model: str


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What is counted together: everything, a topic, a company, or a topic at a company."""

    company: str | None = None
    topic: str | None = None

    @property
    def key(self) -> str:
        """`all`, `topic:T`, `company:C` or `company:C|topic:T`; stable, used in URLs and alert keys."""
        parts = [f"company:{self.company}"] if self.company else []
        parts += [f"topic:{self.topic}"] if self.topic else []
        return "|".join(parts) or "all"

    @classmethod
    def of(cls, key: str) -> Scope:
        """The inverse of `key`. Topics hold ` | ` themselves, so the split is at `|topic:`. ValueError otherwise."""
        company: str | None = None
        topic: str | None = None
        rest = key
        if rest.startswith("company:"):
            company, _, topic_part = rest.removeprefix("company:").partition("|topic:")
            topic = topic_part or None
        elif rest.startswith("topic:"):
            topic = rest.removeprefix("topic:")
        elif rest != "all":
            raise ValueError(f"unknown scope {key!r}: all, topic:NAME, company:KEY or company:KEY|topic:NAME")
        return cls(company, topic)


@dataclass(frozen=True, slots=True)
class Count:
    """Distinct stories of one (scope, kind) in the bucket that starts `at`, under one model version.

    `backfilled` and `backfilled_negative` are the part of `total` and `negative` that came late (back-fill, first
    fetch): charts show it, episodes neither open nor grow on it.
    """

    scope: Scope
    kind: Kind
    at: datetime
    total: int
    negative: int
    positive: int
    score_sum: float
    backfilled: int = 0
    backfilled_negative: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A source that is asked again and again, as `feeds.toml` names it."""

    name: str
    url: str
    kind: Kind
    publisher: str
    family: str
    cadence: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What is remembered of a source between two times of asking, by name; its health is read from it."""

    name: str
    etag: str | None = None
    modified: str | None = None
    failures: int = 0
    """In a row; 0 after a success."""
    error: str | None = None
    articles: int = 0
    next_at: datetime | None = None
    asked_at: datetime | None = None
    ok_at: datetime | None = None
    article_at: datetime | None = None
    gaps_s: tuple[int, ...] = ()
    """The latest gaps between its articles, for "silent longer than usual"."""
