"""What persons say of articles: kept for good, and standing above the model's word in every count at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from psycopg import Cursor

from monitor.errors import UsageError
from monitor.store.counting import UNLABELLED
from monitor.store.engine import Database, cursor_of, lock, transaction
from monitor.store.stored import InStory, judgements, labelled, tagged_articles
from monitor.store.tallying import Part, count, parts_of, scope_ids, uncount
from monitor.types import SENTIMENTS

Task = Literal["topic", "sentiment", "company"]
Origin = Literal["correction", "audit", "import"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One person's word on one article. `company` names the company for the task `company`, else it is None."""

    article: str
    task: Task
    value: str
    company: str | None = None
    origin: Origin = "correction"
    who: str
    at: datetime


class LabelledText(NamedTuple):
    """A label with the text that it is about: what training reads."""

    label: Label
    title: str
    body: str
    name: str | None
    """The company as the text spells it."""


def add_labels(database: Database, labels: Sequence[Label]) -> None:
    """Keep them, and correct the counts in the same transaction. UsageError names a bad one; then none is kept."""
    with transaction(database) as connection:
        cursor = lock(connection)
        _check(cursor, labels)
        cursor.executemany(
            "INSERT INTO labels (article, task, company, value, origin, who, at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(one.article, one.task, one.company, one.value, one.origin, one.who, one.at) for one in labels],
        )
        stories = cursor.execute(
            "SELECT DISTINCT story FROM articles WHERE id = ANY(%s)", [[one.article for one in labels]]
        ).fetchall()
        for (story,) in stories:
            _recount_story(cursor, str(story))


def labels(database: Database, since: datetime | None = None) -> Iterator[LabelledText]:
    """Every label given at `since` or later, oldest first; the newest per article, task and company stands."""
    with transaction(database) as connection:
        cursor = cursor_of(connection)
        rows = cursor.execute(
            "SELECT l.article, l.task, l.value, l.company, l.origin, l.who, l.at, a.title, a.body, m.surface"
            " FROM labels l JOIN articles a ON a.id = l.article"
            " LEFT JOIN mentions m ON m.article = l.article AND m.company = l.company"
            " WHERE %s::timestamptz IS NULL OR l.at >= %s ORDER BY l.at, l.id",
            [since, since],
        ).fetchall()
    names = ("article", "task", "value", "company", "origin", "who", "at")
    for row in rows:
        yield LabelledText(Label(**dict(zip(names, row, strict=False))), *row[7:])


def _check(cursor: Cursor[Any], labels: Sequence[Label]) -> None:
    asked = [one.article for one in labels]
    known = {row[0] for row in cursor.execute("SELECT id FROM articles WHERE id = ANY(%s)", [asked])}
    named = set(cursor.execute("SELECT article, company FROM mentions WHERE article = ANY(%s)", [asked]).fetchall())
    for one in labels:
        if one.article not in known:
            raise UsageError(f"no article {one.article!r} in this database, so it can't be labelled")
        if one.task not in get_args(Task) or not one.value.strip():
            raise UsageError(f"a label is a topic, a sentiment or a company's sentiment; got {one.task}={one.value!r}")
        if one.task != "topic" and one.value not in SENTIMENTS:
            raise UsageError(f"a sentiment is one of {', '.join(SENTIMENTS)}; got {one.value!r}")
        if (one.task == "company") != (one.company is not None):
            raise UsageError("a company's sentiment names its company, other labels none")
        if one.company is not None and (one.article, one.company) not in named:
            raise UsageError(f"article {one.article!r} names no company {one.company!r}")


def _recount_story(cursor: Cursor[Any], story: str) -> None:
    """Under each version: who counts in a scope goes on counting there if it still may, else the first that may."""
    members = tagged_articles(cursor, "a.story = %s ORDER BY a.stored_at, a.counted_at, a.id", [story])
    said = labelled(cursor, [one.tagged.article.id for one in members])
    for model, version in cursor.execute("SELECT id, version FROM models ORDER BY id").fetchall():
        counted = cursor.execute(
            "SELECT scope, kind, article, at, negative, positive, score, is_backfill FROM story_counts"
            " WHERE story = %s AND model = %s",
            [story, model],
        ).fetchall()
        late = {row[2]: row[-1] for row in counted}
        wanted = _wanted(cursor, members, said, late, model, version)
        scopes = scope_ids(cursor, {part.tally.scope for part in wanted})
        fitting: dict[tuple[int, str, str], Part] = {}
        for part in wanted:
            fitting.setdefault((scopes[part.tally.scope], part.tally.kind, part.article), part)
        kept = [row[:3] for row in counted if _is_same(fitting.get(row[:3]), row[3:])]
        uncount(cursor, story, model, [row[:2] for row in counted if row[:3] not in kept])
        # Those who counted come first, the rest in the order in which they came.
        before = [fitting[row[:3]] for row in counted if row[:3] in fitting]
        count(cursor, [*before, *wanted], model)


def _wanted(
    cursor: Cursor[Any], members: Sequence[InStory], said: Any, late: Mapping[str, bool], model: int, version: str
) -> list[Part]:
    """What each article would count for. `late` says of those that count already whether they came as back-fill."""
    story = members[0].story
    return [
        part
        for one in judgements(cursor, [member.tagged for member in members], model, version)
        for part in parts_of(
            one,
            story,
            is_backfill=late.get(one.tagged.article.id, one.tagged.article.is_backfill),
            labelled=said.get(one.tagged.article.id, UNLABELLED),
        )
    ]


def _is_same(part: Part | None, row: tuple[Any, ...]) -> bool:
    return part is not None and (part.tally.at, *part.tally[3:], part.is_backfill) == row
