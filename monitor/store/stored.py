"""Articles as they were saved, with one model version's judgement and what persons have said. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Cursor

from monitor.store.counting import Labelled
from monitor.types import Article, Classified, Judgement, Mention, Probabilities, TaggedArticle


class InStory(NamedTuple):
    """An article in its story; `tagged.article.is_backfill` is how it was counted."""

    tagged: TaggedArticle
    story: str


_COLUMNS = """a.id, a.source, a.kind, a.title, a.publisher, a.family, a.body, a.url, a.author, a.published, a.seen,
a.counted_at, a.is_backfill, a.story"""
_NAMES = (
    *("id", "source", "kind", "title", "publisher", "family", "body", "url", "author", "published", "seen"),
    *("counted_at", "is_backfill"),
)


def tagged_articles(cursor: Cursor[Any], condition: str, values: Sequence[object]) -> list[InStory]:
    """Articles `a` of which an SQL condition (with its ORDER BY and LIMIT) holds, with the companies they name."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM articles a WHERE {condition}", values).fetchall()  # noqa: S608  ours
    mentions = _mentions(cursor, [row[0] for row in rows])
    return [
        InStory(TaggedArticle(Article(**dict(zip(_NAMES, row[:-1], strict=True))), mentions[row[0]]), row[-1])
        for row in rows
    ]


def judgements(cursor: Cursor[Any], tagged: Iterable[TaggedArticle], model: int, version: str) -> list[Classified]:
    """The articles that this version has judged, with its judgement; the others are left out."""
    by_id = {one.article.id: one for one in tagged}
    toward: dict[str, dict[str, Probabilities]] = defaultdict(dict)
    for article, company, *odds in cursor.execute(
        "SELECT article, company, negative, neutral, positive FROM company_scores"
        " WHERE model = %s AND article = ANY(%s)",
        [model, list(by_id)],
    ):
        toward[article][company] = Probabilities(*odds)
    scores = cursor.execute(
        "SELECT article, topic, topic_probability, negative, neutral, positive FROM scores"
        " WHERE model = %s AND article = ANY(%s)",
        [model, list(by_id)],
    )
    found = {
        article: Classified(
            by_id[article],
            Judgement(
                topic, sure, Probabilities(*odds), tuple(toward[article][m.company] for m in by_id[article].mentions)
            ),
            version,
        )
        for article, topic, sure, *odds in scores
    }
    return [found[article] for article in by_id if article in found]


def labelled(cursor: Cursor[Any], articles: Sequence[str]) -> dict[str, Labelled]:
    """What persons have said of them, the newest word per task and company; the unlabelled are absent."""
    rows = cursor.execute(
        "SELECT DISTINCT ON (article, task, company) article, task, company, value FROM labels"
        " WHERE article = ANY(%s) ORDER BY article, task, company, at DESC, id DESC",
        [list(articles)],
    )
    said: dict[str, dict[str, Any]] = defaultdict(lambda: {"topic": None, "sentiment": None, "companies": {}})
    for article, task, company, value in rows:
        if task == "company":
            said[article]["companies"][company] = value
        else:
            said[article][task] = value
    return {article: Labelled(**values) for article, values in said.items()}


def _mentions(cursor: Cursor[Any], articles: Sequence[str]) -> dict[str, tuple[Mention, ...]]:
    rows = cursor.execute(
        "SELECT m.article, m.company, coalesce(c.name, m.surface), c.ticker, m.surface"
        " FROM mentions m LEFT JOIN companies c ON c.company = m.company WHERE m.article = ANY(%s)"
        " ORDER BY m.article, m.company",
        [list(articles)],
    )
    found: dict[str, list[Mention]] = defaultdict(list)
    for article, *mention in rows:
        found[article].append(Mention(*mention))
    return defaultdict(tuple, {article: tuple(several) for article, several in found.items()})
