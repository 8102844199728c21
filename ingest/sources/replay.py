"""A recorded file -> RawArticles on the log, as back-fill or as if it happened now. Keeps no more than one batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ingest.dates import parse_date
from ingest.log import Publish, readable
from ingest.rows import BadRow, Row, open_rows
from monitor.errors import UsageError
from monitor.types import KINDS, Kind, RawArticle

FIELDS = ("title", "body", "url", "published", "source_id", "author", "publisher", "family", "kind")
USUAL_NAMES = {
    "title": ("title", "headline", "text"),
    "body": ("body", "summary", "description", "content"),
    "published": ("published", "at", "published_at", "date", "created_at", "timestamp"),
    "source_id": ("source_id", "id"),
}
"""Columns that are taken for a field without being told; for the rest, the column of the same name."""

BATCH = 500
PEEKED = 100

When = Literal["backfill", "live"]


@dataclass
class Report:
    """What a replay did."""

    published: int = 0
    bad: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """How a row becomes an article: which column feeds which field, and what the file says by itself."""

    columns: Mapping[str, str]
    source: str
    kind: Kind

    def article(self, row: Row, now: datetime) -> RawArticle:
        """As back-fill seen now. ValueError says what is wrong with the row."""
        values = {name: _text(_lookup(row, column)) for name, column in self.columns.items() if name != "published"}
        published = parse_date(_lookup(row, self.columns["published"])) if "published" in self.columns else None
        published = min(published, now) if published else None
        title, url = values.get("title", ""), values.get("url") or None
        if not title.strip() and not values.get("body", "").strip():
            raise ValueError(f"no {self.columns['title']}: neither title nor body")
        kind = values.get("kind") or self.kind
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        publisher = values.get("publisher") or (_host(url) if url else "") or self.source.removeprefix("replay:")
        return RawArticle(
            source=self.source,
            kind=kind,
            publisher=publisher,
            family=values.get("family") or publisher,
            title=title,
            body=values.get("body", ""),
            url=url,
            source_id=values.get("source_id") or (None if url else _fingerprint(row)),
            author=values.get("author") or None,
            published=published,
            seen=now,
            counted_at=published or now,
            is_backfill=True,
        )


def replay(
    path: Path,
    publish: Publish,
    *,
    mapping: str = "",
    kind: Kind = "news",
    speed: float | None = None,
    when: When = "backfill",
    now: Callable[[], datetime],
    sleep: Callable[[float], object] = time.sleep,
    tell: Callable[[int, int, Report], None] = lambda _read, _size, _report: None,
) -> Report:
    """Publish every usable row of the file, in its order; bad rows are reported and passed over.

    `mapping` is `field=column,...`; `speed` None is as fast as it goes, else times the recorded pace;
    `tell(bytes read, bytes in all, report so far)` hears of each batch. UsageError for a wrong file or mapping.
    """
    report = Report()
    with open_rows(path) as file:
        rows = file.rows()
        first = list(islice(rows, PEEKED))
        reading = Reading(_columns(path, mapping, first), f"replay:{path.name.split('.')[0]}", kind)
        articles = _articles(chain(first, rows), reading, report, now)
        for batch in _paced_batches(articles, speed, now, sleep) if speed else _batches(articles):
            publish([_live(article, now()) for article in batch] if when == "live" else batch)
            report.published += len(batch)
            tell(file.bytes_read(), file.size, report)
        tell(file.size, file.size, report)
    return report


def parse_mapping(mapping: str) -> dict[str, str]:
    """`title=text,published=at` -> {"title": "text", "published": "at"}. UsageError names what is wrong."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in mapping.split(","))):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            raise UsageError(f"--map: {part!r} is not FIELD=COLUMN, as in title=text,published=at")
        if name not in FIELDS:
            raise UsageError(f"--map: there is no field {name!r}; the fields are {', '.join(FIELDS)}")
        pairs[name] = column
    return pairs


def parse_speed(speed: str) -> float | None:
    """`max` -> None, `10` -> 10.0. UsageError otherwise."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise UsageError(f"--speed: {speed!r} is neither max nor a factor above 0, as in --speed 10")
    return factor


def _columns(path: Path, mapping: str, first: Sequence[tuple[int, Row] | BadRow]) -> dict[str, str]:
    """Field -> column, told or usual, for the columns that the first rows have."""
    rows = [row for row in first if not isinstance(row, BadRow)]
    if not rows:
        reason = f" (line {first[0].line}: {first[0].reason})" if first and isinstance(first[0], BadRow) else ""
        raise UsageError(f"{path}: no rows to replay{reason}; give JSON lines or CSV with a header")
    available = list(dict.fromkeys(column for _, row in rows for column in row))
    told = parse_mapping(mapping)
    for name, column in told.items():
        if all(_lookup(row, column) is None for _, row in rows):
            raise UsageError(
                f"--map {name}={column}: {path.name} has no column {column!r}; it has {', '.join(available)}"
            )
    usual = {
        name: found
        for name in FIELDS
        if name not in told
        and (found := next((one for one in USUAL_NAMES.get(name, (name,)) if one in available), None))
        and found not in told.values()
    }
    if "title" not in told | usual:
        raise UsageError(f"{path.name} has no title column; name one of {', '.join(available)} with --map title=COLUMN")
    return usual | told


def _articles(
    rows: Iterator[tuple[int, Row] | BadRow], reading: Reading, report: Report, now: Callable[[], datetime]
) -> Iterator[RawArticle]:
    for row in rows:
        if isinstance(row, BadRow):
            report.bad.append(row)
            continue
        try:
            yield reading.article(row[1], now())
        except (ValueError, RecursionError) as error:  # what was just read may be too deep to be spelt out again
            report.bad.append(BadRow(row[0], str(error)))


def _batches(articles: Iterator[RawArticle]) -> Iterator[list[RawArticle]]:
    while batch := list(islice(articles, BATCH)):
        yield batch


def _paced_batches(
    articles: Iterator[RawArticle], factor: float, now: Callable[[], datetime], sleep: Callable[[float], object]
) -> Iterator[list[RawArticle]]:
    """Whatever is due, when it is due: `factor` times the recorded pace."""
    started = now()
    first: datetime | None = None
    batch: list[RawArticle] = []
    for article in articles:
        first = first or article.published
        if first and article.published:
            due = started + (article.published - first) / factor
            while (left := (due - now()).total_seconds()) > 0:
                if batch:
                    yield batch
                    batch = []
                sleep(left)
        batch.append(article)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _live(article: RawArticle, now: datetime) -> RawArticle:
    """The same story as if it happened now."""
    return msgspec.structs.replace(article, published=now, seen=now, counted_at=now, is_backfill=False)


def _lookup(row: Mapping[str, Any], column: str) -> Any:
    """The column's value; a dotted name goes into nested objects. None where it is absent."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return readable(value if isinstance(value, str) else str(value))


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _fingerprint(row: Row) -> str:
    """An identity for a row that brings none, so that replaying the file again adds nothing."""
    return hashlib.sha256(repr(sorted(row.items())).encode("utf-8", "surrogatepass")).hexdigest()[:24]
