"""feeds.toml -> Sources. Reads and checks the list; every error names the file, the entry and the mend."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from ingest.sources.json_api import FIELDS, JsonApi
from monitor.errors import UsageError
from monitor.types import Feed, Kind

CADENCE = re.compile(r"(\d+)\s*([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SHORTEST_CADENCE = timedelta(seconds=30)
SHIPPED = "shipped feeds.toml"


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[feed]]` of a feeds.toml."""

    name: str
    url: str
    kind: Kind
    publisher: str
    family: str | None = None
    """Who owns the publisher; the publisher where absent."""
    cadence: str = "10m"
    format: Literal["feed", "json"] = "feed"
    aggregator: bool = False
    """Each entry names its own publisher."""
    json: JsonApi | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A feed and how to read what it answers: as RSS or Atom where `api` is None."""

    feed: Feed
    api: JsonApi | None = None
    is_aggregator: bool = False


def read_sources(feeds: Path | None, data_dir: Path) -> list[Source]:
    """The user's list where one is named, else the shipped one with `data_dir`/feeds.toml over it.

    An entry replaces an earlier one of its name; `enabled = false` takes it away.
    """
    if feeds is not None:
        return _enabled([_read(feeds)])
    own = data_dir / "feeds.toml"
    shipped = _parse(files("ingest").joinpath("feeds.toml").read_text(encoding="utf-8"), SHIPPED)
    return _enabled([shipped, _read(own)] if own.exists() else [shipped])


def parse_sources(text: str, where: str) -> list[Source]:
    """The sources of one feeds.toml's text. UsageError names `where`."""
    return _enabled([_parse(text, where)])


def names_in(path: Path) -> list[str]:
    """The feeds that a feeds.toml names, those that are switched off, too; none where there is no file."""
    return [entry.name for entry in _read(path)] if path.exists() else []


def to_toml(entry: Mapping[str, str]) -> str:
    """A `[[feed]]` block with these strings."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in entry.items()]
    return "\n".join(["[[feed]]", *lines, ""])


def key_of(api: JsonApi | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key a source needs, or None where it needs none. UsageError where the environment lacks it."""
    if api is None or api.key_env is None:
        return None
    if not (key := environ.get(api.key_env, "").strip()):
        raise UsageError(f"the environment variable {api.key_env} is empty; set it to the source's key")
    return key


def _enabled(lists: Iterable[Sequence[FeedEntry]]) -> list[Source]:
    merged = {entry.name: entry for entries in lists for entry in entries}
    return [_source(entry) for entry in merged.values() if entry.enabled]


def _read(path: Path) -> list[FeedEntry]:
    try:
        return _parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read ({error}); name a readable feeds.toml with TOCSIN_FEEDS") from error


def _parse(text: str, where: str) -> list[FeedEntry]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: no valid TOML: {error}") from error
    entries = data.get("feed", [])  # a list whose entries are all comments now is one, too
    if not isinstance(entries, list) or data.keys() - {"feed"}:
        others = ", ".join(sorted(data.keys() - {"feed"})) or "nothing"
        raise UsageError(f"{where}: holds {others} where [[feed]] entries are expected")
    found = [_entry(entry, number, where) for number, entry in enumerate(entries, 1)]
    names = [entry.name for entry in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{where}: two feeds are named {twice!r}; give one another name")
    return found


def _entry(data: Any, number: int, where: str) -> FeedEntry:
    named = f"{where}: feed {number}"
    if isinstance(data, dict) and isinstance(data.get("name"), str):
        named += f" ({data['name']})"
    try:
        entry = msgspec.convert(data, FeedEntry)
        _cadence(entry.cadence)
    except (msgspec.ValidationError, ValueError) as error:
        known = ", ".join(FeedEntry.__struct_fields__)
        raise UsageError(f"{named}: {error}; an entry has {known}") from error
    if problem := _problem(entry):
        raise UsageError(f"{named}: {problem}")
    return entry


def _problem(entry: FeedEntry) -> str | None:
    if not entry.name.strip() or not entry.publisher.strip():
        return "name and publisher must not be empty"
    if not entry.url.startswith(("http://", "https://")):
        return f"url {entry.url!r} must start with https:// or http://"
    if (entry.format == "json") != (entry.json is not None):
        return 'format = "json" and a table [feed.json] belong together'
    if entry.json is None:
        return None
    if "title" not in entry.json.fields:
        return '[feed.json.fields] must say where the title is, as in title = "headline"'
    if unknown := entry.json.fields.keys() - set(FIELDS):
        return f"[feed.json.fields] has {', '.join(sorted(unknown))}; the fields are {', '.join(FIELDS)}"
    if entry.json.key_env and not (entry.json.key_header or entry.json.key_query):
        return "key_env needs key_header or key_query, to say how the key travels"
    return None


def _cadence(text: str) -> timedelta:
    match = CADENCE.fullmatch(text.strip())
    if not match:
        raise ValueError(f'cadence {text!r} is not a number and s, m, h or d, as in "10m"')
    cadence = timedelta(**{UNITS[match[2]]: int(match[1])})
    if cadence < SHORTEST_CADENCE:
        raise ValueError(f"cadence {text!r} is impolite; the shortest is {SHORTEST_CADENCE.seconds}s")
    return cadence


def _source(entry: FeedEntry) -> Source:
    feed = Feed(
        name=entry.name,
        url=entry.url,
        kind=entry.kind,
        publisher=entry.publisher,
        family=entry.family or entry.publisher,
        cadence=_cadence(entry.cadence),
    )
    return Source(feed, entry.json, entry.aggregator)
