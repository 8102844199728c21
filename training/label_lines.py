"""`tocsin labels`: the queue, people's answers and everything said so far, as JSON lines of one shape.

A line is one article with one person's words on it: `article`, `topic`, `sentiment`, `companies` (key -> sentiment),
`origin` (`audit`, `correction`, `import`), `who`, `at`. What is null or absent was not said. The queue hands out such
lines with blanks, beside the text; never with the model's answer, which would be copied.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TextIO, get_args

from monitor.errors import UsageError
from monitor.labelling import MOST_STORIES, Asked, queue
from monitor.store.engine import Database
from monitor.store.labels import Label, LabelledText, Origin, Task, add_labels, labels
from monitor.store.read_unlabelled import judged_stories, stored_articles
from monitor.types import SENTIMENTS, TaggedArticle
from training.tell import Tell

BATCH = 200
"""Labels kept in one transaction: counts are locked meanwhile."""
SHOWN = 5
FIRST_YEAR = 1970
"""Times of another are slips; the first days of year 1 could be kept, but never be read again."""


def queue_lines(database: Database, size: int, days: int, seed: int, now: datetime) -> list[str]:
    """What is worth a person's word. UsageError where nothing is."""
    stories = judged_stories(database, now - timedelta(days=days), MOST_STORIES)
    asked = queue(stories, size, seed)
    if not asked:
        raise UsageError(f"no story of the last {days} days waits for a label; take more --days")
    known = stored_articles(database, [one.article for one in asked])
    return [_line(_blank(one, known[one.article])) for one in asked]


def _blank(one: Asked, tagged: TaggedArticle) -> dict[str, Any]:
    names = {mention.company: mention.surface for mention in tagged.mentions}
    return {
        "article": one.article,
        "origin": "audit" if one.is_audit else "correction",
        "why": one.why,
        "topic": None,
        "sentiment": None,
        "companies": dict.fromkeys(names),
        "named": names,
        "title": tagged.article.title,
        "body": tagged.article.body,
    }


def export_labels(database: Database, out: TextIO, since: datetime | None) -> int:
    """Everything said at `since` or later, with the text it is about; how many labels."""
    count = 0
    for _, group in groupby(labels(database, since), _said_together):
        several = list(group)
        # A second word on the same question is a line of its own.
        while several:
            line, several = _first_words(several)
            out.write(_line(line))
            count += len(line["companies"]) + (line["topic"] is not None) + (line["sentiment"] is not None)
    return count


def _said_together(one: LabelledText) -> tuple[object, ...]:
    return one.label.article, one.label.origin, one.label.who, one.label.at


def _first_words(several: Sequence[LabelledText]) -> tuple[dict[str, Any], list[LabelledText]]:
    first = several[0].label
    line: dict[str, Any] = {
        "article": first.article,
        "origin": first.origin,
        "who": first.who,
        "at": first.at.isoformat(),
        "topic": None,
        "sentiment": None,
        "companies": {},
        "title": several[0].title,
        "body": several[0].body,
    }
    later = []
    for one in several:
        place, name = (line["companies"], one.label.company) if one.label.company else (line, one.label.task)
        if place.get(name) is not None:
            later.append(one)
        else:
            place[name] = one.label.value
    return line, later


def import_labels(
    database: Database, lines: Iterable[str], topics: Sequence[str], who: str, now: datetime, tell: Tell
) -> int:
    """Keep what the lines say, but for what is kept already; how many. All lines are read before the first is kept."""
    given, faults = read_labels(lines, topics, who, now)
    known = stored_articles(database, list({one.article for one in given}))
    faults += [f"no article {one!r} in this database" for one in {one.article for one in given} - set(known)]
    faults += [
        f"article {one.article!r} names no company {one.company!r}"
        for one in given
        if one.company is not None and one.article in known and one.company not in _named_in(known[one.article])
    ]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise UsageError("nothing was kept: " + "; ".join(faults[:SHOWN]) + more)
    fresh = list(_new(given, [one.label for one in labels(database)]))
    for start in range(0, len(fresh), BATCH):
        add_labels(database, fresh[start : start + BATCH])
        tell(f"{min(start + BATCH, len(fresh)):,} of {len(fresh):,}")
    return len(fresh)


def _named_in(article: TaggedArticle) -> set[str]:
    return {mention.company for mention in article.mentions}


def _new(given: Sequence[Label], kept: Sequence[Label]) -> Iterator[Label]:
    """Without those kept already, and without what repeats the same person's last word on the same question."""
    standing: dict[tuple[str, ...], str] = {}
    for one in kept:
        standing[_question(one)] = one.value
    known = set(kept)
    for one in given:
        if one not in known and standing.get(_question(one)) != one.value:
            standing[_question(one)] = one.value
            yield one


def _question(one: Label) -> tuple[str, ...]:
    return one.article, one.task, one.company or "", one.origin, one.who


def read_labels(lines: Iterable[str], topics: Sequence[str], who: str, now: datetime) -> tuple[list[Label], list[str]]:
    """The labels of the lines, and what is wrong with which line."""
    found: list[Label] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found += labels_of(json.loads(line), topics, who, now)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number}: {error}")
    return found, faults


def labels_of(fields: Any, topics: Sequence[str], who: str, now: datetime) -> Iterator[Label]:
    """One line's labels. ValueError says what is wrong with it."""
    if not isinstance(fields, dict) or not isinstance(fields.get("article"), str):
        raise ValueError("needs an object with `article`")
    origin: Origin = fields.get("origin") or "import"
    if origin not in get_args(Origin):
        raise ValueError(f"origin is one of {', '.join(get_args(Origin))}, not {origin!r}")
    topic, at = fields.get("topic"), _time(fields.get("at"), now)
    if topic is not None and topic not in topics:
        near = difflib.get_close_matches(str(topic), topics, 1)
        raise ValueError(f"no topic {topic!r}" + (f"; perhaps {near[0]!r}" if near else ""))
    companies = fields.get("companies") or {}
    if not isinstance(companies, dict):
        raise ValueError("companies is an object: key -> sentiment")
    said: list[tuple[Task, str | None, Any]] = [("topic", None, topic), ("sentiment", None, fields.get("sentiment"))]
    said += [("company", company, value) for company, value in companies.items()]
    for task, company, value in said:
        if value is None:
            continue
        if task != "topic" and value not in SENTIMENTS:
            raise ValueError(f"a sentiment is one of {', '.join(SENTIMENTS)}, not {value!r}")
        yield Label(
            article=_storable(fields["article"]),
            task=task,
            value=value,
            company=company and _storable(company),
            origin=origin,
            who=_storable(str(fields.get("who") or who)),
            at=at,
        )


def _storable(said: str) -> str:
    """Postgres keeps no NUL, UTF-8 no lone surrogate."""
    if "\x00" in said or any("\ud800" <= letter <= "\udfff" for letter in said):
        raise ValueError(f"{said!r} holds what no text can")
    return said


def _time(said: Any, now: datetime) -> datetime:
    if said is None:
        return now
    at = datetime.fromisoformat(str(said))
    if at.tzinfo is None:
        raise ValueError(f"{said!r} names no time zone")
    if at.year < FIRST_YEAR:
        raise ValueError(f"{said!r} lies before {FIRST_YEAR}")
    return min(at, now)


def _line(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"
