"""A JSON API, described by configuration -> entries. Asks nobody; a key is read from the environment, never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ingest.dates import parse_date
from ingest.entries import Entry, own_links
from ingest.fetch import Fetched, SourceUnavailable


class JsonApi(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a JSON answer keeps its items, and which of their members feed which field (dotted paths)."""

    fields: dict[str, str]
    items: str = ""
    """Dotted path to the list; empty where the answer is the list."""
    date_format: str | None = None
    """`epoch`, a strptime pattern, or absent: ISO 8601, RFC 822 and epoch numbers are recognised."""
    key_env: str | None = None
    """The environment variable that holds the key."""
    key_header: str | None = None
    """The header the key travels in, after `key_prefix`."""
    key_prefix: str = ""
    key_query: str | None = None
    """Or the query parameter."""


FIELDS = ("title", "body", "url", "published", "source_id", "author", "publisher")


def parse_items(answer: Fetched, api: JsonApi) -> tuple[list[Entry], bool]:
    """(entries, True). SourceUnavailable where the answer is no JSON or the mapping doesn't fit it."""
    try:
        data = _decoded(answer.body)
    except (ValueError, RecursionError) as error:
        start = answer.body[:40].decode("utf-8", "replace").strip()
        raise SourceUnavailable(f"it answers with no JSON ({error}); it begins {start!r}") from error
    items = lookup(data, api.items) if api.items else data
    if not isinstance(items, list):
        raise SourceUnavailable(f"items = {api.items!r} leads to no list; {_shape(data)}")
    rows = [item for item in items if isinstance(item, Mapping)]
    if items and not any(_text(lookup(row, api.fields["title"])) for row in rows):
        shape = _shape(rows[0]) if rows else "its items are no objects"
        raise SourceUnavailable(f"title = {api.fields['title']!r} is in none of the {len(items)} items; {shape}")
    dates = [_date(row, api) for row in rows]
    wrong = [date for date in dates if isinstance(date, ValueError)]
    if wrong and len(wrong) == len(dates):
        raise SourceUnavailable(f"published = {api.fields['published']!r}: {wrong[0]}; set date_format") from wrong[0]
    return own_links([_entry(row, api, date) for row, date in zip(rows, dates, strict=True)]), True


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(body)  # slower, but it takes byte order marks, lone surrogates, NaN and long numbers


def lookup(value: Any, path: str) -> Any:
    """What a dotted path leads to, numbers being places in lists; None where it breaks off."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _date(row: Mapping[str, Any], api: JsonApi) -> datetime | ValueError | None:
    if "published" not in api.fields:
        return None
    try:
        return parse_date(lookup(row, api.fields["published"]), api.date_format)
    except ValueError as error:
        return error


def _entry(row: Mapping[str, Any], api: JsonApi, published: datetime | ValueError | None) -> Entry:
    values = {name: _text(lookup(row, path)) for name, path in api.fields.items() if name != "published"}
    return Entry(
        title=values.get("title") or "",
        url=values.get("url"),
        source_id=values.get("source_id"),
        body=values.get("body") or "",
        author=values.get("author"),
        published=None if isinstance(published, ValueError) else published,
        publisher=values.get("publisher"),
    )


def _text(value: Any) -> str | None:
    """Text and numbers as text, the names of a list with commas; an object is a mapping that stops too early, and what
    lies deeper in a list is no name (recursion would end where a hostile source wants)."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, list):
        return ", ".join(filter(None, (_text(one) for one in value if not isinstance(one, list)))) or None
    return None if value is None or isinstance(value, Mapping) else str(value)


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "it has " + ", ".join(ascii(str(name))[1:-1] for name in list(value)[:20])
    return f"it is a {type(value).__name__}"
