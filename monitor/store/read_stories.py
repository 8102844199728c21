"""The stories and articles behind a point of a chart, with a person's labels above the model's. Writes nothing.

Stories come from `story_counts`, the very rows that a recount would count, so a list is as long as its bar is high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Engine, text

from monitor.alerts.rules import Rule
from monitor.store.alerts import ASKED, holding
from monitor.store.reads import Point, read
from monitor.types import Kind, Sentiment

NEWEST_SCANNED = 5000
"""`most told` orders at most so many of the newest stories: the bound on what one page reads."""


@dataclass(frozen=True, slots=True)
class Named:
    """A company named in an article, with the sentiment toward it."""

    company: str
    name: str
    sentiment: Sentiment | None
    by_person: bool


@dataclass(frozen=True, slots=True)
class Headline:
    """An article as a list shows it. `topic` and `sentiment` are a person's where one has spoken, else the model's.

    In the list of a company's scope `sentiment` is the sentiment toward that company.
    """

    article: str
    story: str
    kind: str
    title: str
    url: str | None
    publisher: str
    counted_at: datetime
    published: datetime | None
    topic: str | None
    sentiment: Sentiment | None
    score: float | None
    topic_by_person: bool
    sentiment_by_person: bool
    articles: int
    publishers: int
    companies: tuple[Named, ...]


_DETAILS = """
SELECT a.id, a.story, a.kind, a.title, a.url, a.publisher, a.counted_at, a.published,
       coalesce(topic_label.value, sc.topic), sentiment_label.value, sc.negative, sc.neutral, sc.positive,
       topic_label.value IS NOT NULL, st.articles,
       (SELECT count(*) FROM story_publishers p WHERE p.story = a.story),
       (SELECT jsonb_agg(jsonb_build_array(m.company, coalesce(c.name, m.surface), company_label.value,
                                           cs.negative, cs.neutral, cs.positive) ORDER BY c.name)
        FROM mentions m
        LEFT JOIN companies c ON c.company = m.company
        LEFT JOIN company_scores cs ON cs.article = m.article AND cs.company = m.company AND cs.model = :model
        LEFT JOIN LATERAL (SELECT l.value FROM labels l WHERE l.article = m.article AND l.task = 'company'
                           AND l.company = m.company ORDER BY l.at DESC, l.id DESC LIMIT 1) company_label ON true
        WHERE m.article = a.id)
FROM picked
JOIN articles a ON a.id = picked.article
JOIN stories st ON st.story = a.story
LEFT JOIN scores sc ON sc.article = a.id AND sc.model = :model
LEFT JOIN LATERAL (SELECT l.value FROM labels l WHERE l.article = a.id AND l.task = 'topic'
                   ORDER BY l.at DESC, l.id DESC LIMIT 1) topic_label ON true
LEFT JOIN LATERAL (SELECT l.value FROM labels l WHERE l.article = a.id AND l.task = 'sentiment'
                   ORDER BY l.at DESC, l.id DESC LIMIT 1) sentiment_label ON true
ORDER BY picked.place, a.counted_at DESC
"""

_COUNTED = """
FROM story_counts c {asked}
WHERE c.scope = (SELECT id FROM scopes WHERE key = :scope) AND c.model = :model AND c.at >= :since AND c.at < :until
  AND c.kind = ANY(:kinds)
"""
_BY_RULE = f"JOIN articles a ON a.id = c.article AND {ASKED}"
_LISTED = f"""
SELECT c.story, c.article, c.at {_COUNTED}
  AND CASE :sentiment WHEN 'negative' THEN c.negative WHEN 'positive' THEN c.positive
                      WHEN 'neutral' THEN NOT c.negative AND NOT c.positive ELSE true END
ORDER BY c.at DESC, c.story
"""

_STORIES = {
    "newest": f"""WITH picked AS (SELECT article, rank() OVER (ORDER BY at DESC) AS place
            FROM ({_LISTED} LIMIT :limit OFFSET :skip) counted) {_DETAILS}""",  # noqa: S608 (two constants above)
    "most told": f"""WITH picked AS (
              SELECT counted.article, row_number() OVER (ORDER BY s.articles DESC, counted.at DESC) AS place
              FROM ({_LISTED} LIMIT {NEWEST_SCANNED}) counted JOIN stories s ON s.story = counted.story
              ORDER BY place LIMIT :limit OFFSET :skip) {_DETAILS}""",  # noqa: S608 (constants above)
}

_LATEST = text(
    f"""WITH picked AS (
          SELECT id AS article, row_number() OVER (ORDER BY counted_at DESC, id) AS place
          FROM (SELECT id, counted_at FROM articles WHERE kind = ANY(:kinds) ORDER BY counted_at DESC LIMIT :limit) a)
        {_DETAILS}"""  # noqa: S608 (a constant above)
)

_OF_STORY = text(
    f"""WITH picked AS (SELECT id AS article, row_number() OVER (ORDER BY counted_at, id) AS place
          FROM articles WHERE story = :story ORDER BY counted_at, id LIMIT :limit) {_DETAILS}"""  # noqa: S608
)

_NAMED = text(
    f"""WITH picked AS (SELECT article, place FROM
          unnest(CAST(:articles AS text[])) WITH ORDINALITY AS asked(article, place)) {_DETAILS}"""  # noqa: S608
)


def stories(
    engine: Engine,
    model: int,
    scope: str,
    kinds: Sequence[Kind],
    since: datetime,
    until: datetime,
    *,
    sentiment: Sentiment | None = None,
    order: Literal["newest", "most told"] = "newest",
    limit: int = 50,
    skip: int = 0,
    rule: Rule | None = None,
) -> list[Headline]:
    """The stories counted for a scope in [since, until), each by the article whose scores counted.

    All of them, each kind's for itself, or those that a rule counts.
    """
    values = {
        "model": model,
        "scope": scope,
        "kinds": list(kinds),
        "since": since,
        "until": until,
        "sentiment": sentiment or "any",
        "limit": limit,
        "skip": skip,
        **_asked(rule),
    }
    statement = text(_STORIES[order].replace("{asked}", _BY_RULE if rule else ""))
    company = scope.removeprefix("company:").partition("|topic:")[0] if scope.startswith("company:") else None
    return [_headline(row, company) for row in read(engine, statement, values)]


def series(
    engine: Engine,
    model: int,
    rule: Rule,
    scope: str,
    since: datetime,
    until: datetime,
    step: timedelta,
    origin: datetime,
) -> list[Point]:
    """What a rule counts of a scope, as reads.series gives all of it: slower, for its stories are looked at."""
    statement = text(f"""
        SELECT date_bin(:step, c.at, :origin) AS step_at, count(*), count(*) FILTER (WHERE c.negative),
               count(*) FILTER (WHERE c.positive), sum(c.score)
        {_COUNTED.format(asked=_BY_RULE)} GROUP BY step_at ORDER BY step_at""")
    values = {"model": model, "scope": scope, "kinds": list(rule.kinds), "since": since, "until": until}
    values |= {"step": step, "origin": origin, **_asked(rule)}
    return [Point(*row) for row in read(engine, statement, values)]


def _asked(rule: Rule | None) -> dict[str, Any]:
    return {"words": holding(rule.text), "families": list(rule.publishers)} if rule else {}


def latest(engine: Engine, model: int, kinds: Sequence[Kind], limit: int = 12) -> list[Headline]:
    """The newest articles, copies too: what the live strip shows."""
    return [_headline(row) for row in read(engine, _LATEST, {"model": model, "kinds": list(kinds), "limit": limit})]


def articles_of_story(engine: Engine, model: int, story: str, limit: int = 50) -> list[Headline]:
    """A story's articles, first told first."""
    return [_headline(row) for row in read(engine, _OF_STORY, {"model": model, "story": story, "limit": limit})]


def named_articles(engine: Engine, model: int, articles: Sequence[str]) -> list[Headline]:
    """These articles, in this order; those unknown are absent."""
    return [_headline(row) for row in read(engine, _NAMED, {"model": model, "articles": list(articles)})]


_FIRST = ("article", "story", "kind", "title", "url", "publisher", "counted_at", "published", "topic")


def _headline(row: Any, company: str | None = None) -> Headline:
    companies = tuple(_named(*one) for one in row[16] or ())
    sentiment: Sentiment | None = row[9] or _strongest(*row[10:13])
    by_person = row[9] is not None
    toward = next((one for one in companies if one.company == company), None)
    if toward is not None:
        sentiment, by_person = toward.sentiment, toward.by_person
    score = None if row[10] is None else row[12] - row[10]
    known = zip(_FIRST, row, strict=False)
    return Headline(
        **dict(known),
        sentiment=sentiment,
        score=score,
        topic_by_person=row[13],
        sentiment_by_person=by_person,
        articles=row[14],
        publishers=row[15],
        companies=companies,
    )


def _named(company: str, name: str, label: Sentiment | None, *probabilities: float | None) -> Named:
    return Named(company, name, label or _strongest(*probabilities), label is not None)


def _strongest(*probabilities: float | None) -> Sentiment | None:
    negative, neutral, positive = probabilities
    if negative is None or neutral is None or positive is None:
        return None
    named: dict[Sentiment, float] = {"negative": negative, "neutral": neutral, "positive": positive}
    return max(named, key=lambda name: named[name])


def publisher_families(engine: Engine, newest: int = 2000) -> list[str]:
    """Families of the feeds and of the newest articles, comments' authors left out."""
    statement = text("""
        SELECT family FROM feeds WHERE kind <> 'comment' UNION
        SELECT family FROM (SELECT family, kind FROM articles ORDER BY counted_at DESC LIMIT :newest) lately
        WHERE kind <> 'comment' ORDER BY 1""")
    return [row[0] for row in read(engine, statement, {"newest": newest})]
