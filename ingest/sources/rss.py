"""RSS and Atom -> entries. Owns feedparser; asks nobody and keeps nothing."""

from __future__ import annotations

import calendar
import io
import re
from datetime import UTC, datetime
from typing import Any

import feedparser

from ingest.dates import has_unknown_zone, parse_date
from ingest.entries import Entry, own_links
from ingest.fetch import Fetched, SourceUnavailable
from ingest.log import readable

ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
YEAR = re.compile(r"\d{4}")
PROLOGUE_BYTES = 65536
WEB_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)

LONGEST_TAG = re.compile(rb"<[A-Za-z][^<>]{65536}")
MOST_ENTRIES = 5_000
"""Feeds show 10 to 500. Parsing is quadratic in a tag's attributes, and takes minutes for 100,000 entries."""

CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
SURROGATE = re.compile(rb"&#(?:[xX]([dD][89a-fA-F][0-9a-fA-F]{2})|(5[5-7]\d{3}));")
SURROGATES = re.compile(rb"(?:" + SURROGATE.pattern + rb")+")

HARMLESS = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
"""Complaints after which everything was read all the same."""


def parse_feed(answer: Fetched, *, is_aggregator: bool = False) -> tuple[list[Entry], bool]:
    """(entries, whether all of the feed was read). SourceUnavailable for what is no feed.

    A feed that breaks off in the middle gives what stands before the break, and is not read as a whole.
    """
    if ENTITY.search(answer.body[:PROLOGUE_BYTES]):
        raise SourceUnavailable("it declares XML entities, which no feed needs and bombs are made of")
    if LONGEST_TAG.search(answer.body):
        raise SourceUnavailable("it has a tag of more than 64 KB, which no feed needs")
    if answer.body.count(b"<item") + answer.body.count(b"<entry") > MOST_ENTRIES:
        raise SourceUnavailable(f"more than {MOST_ENTRIES:,} entries; that is no feed")
    headers = {"content-type": answer.content_type, "content-location": answer.url}
    try:
        feed = feedparser.parse(io.BytesIO(_mended(answer.body)), response_headers=headers, sanitize_html=False)
    except Exception as error:
        raise SourceUnavailable(f"its feed can't be parsed: {type(error).__name__}: {error}") from error
    fault = feed.get("bozo_exception") if feed.bozo else None
    if not feed.get("version") and not feed.entries:
        raise SourceUnavailable(_no_feed(answer, fault))
    is_whole = fault is None or isinstance(fault, HARMLESS)
    if not feed.entries and not is_whole:
        raise SourceUnavailable(f"its XML is malformed: {fault}")
    entries = [_entry(entry, is_aggregator) for entry in feed.entries]
    return own_links(entries, feed.feed.get("link")), is_whole


def _mended(body: bytes) -> bytes:
    """Without what XML forbids but feeds contain, so that one bad character doesn't cost the whole feed: control
    bytes, and references to halves of a surrogate pair (made by software that escapes UTF-16 units one by one)."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body[:4]:
        return body  # UTF-16 or UTF-32: other bytes
    return SURROGATES.sub(_as_characters, body.translate(None, CONTROLS))


def _as_characters(references: re.Match[bytes]) -> bytes:
    units = [int(hexa, 16) if hexa else int(number) for hexa, number in SURROGATE.findall(references[0])]
    return readable("".join(map(chr, units))).encode("ascii", "xmlcharrefreplace")


def _no_feed(answer: Fetched, fault: object) -> str:
    if not answer.body.strip():
        return "it answers with nothing"
    if WEB_PAGE.search(answer.body[:2048]):
        return "it serves a web page, not a feed; look for its RSS or Atom link"
    return f"no RSS or Atom feed{f' ({fault})' if fault else ''}"


def _entry(entry: Any, is_aggregator: bool) -> Entry:
    # What broke off within an element is there, as None.
    content = next((part.get("value") for part in entry.get("content", ())), None)
    said_by = entry.get("source", {}).get("title") if is_aggregator else None
    return Entry(
        title=entry.get("title") or "",
        url=entry.get("link"),
        source_id=entry.get("id"),
        body=content or entry.get("summary") or "",
        author=entry.get("author") or None,
        published=_published(entry),
        publisher=said_by or None,
    )


def _published(entry: Any) -> datetime | None:
    # Asked for an absent `updated`, feedparser answers with `published` and a deprecation warning.
    name = "published" if "published" in entry else "updated" if "updated" in entry else None
    if name is None:
        return None
    try:
        return parse_date(entry[name])
    except ValueError:
        # feedparser knows many more forms, but takes "10:00" for today's and the 13th month for next January.
        # ... and a zone it does not know, and the half of a day, for nothing.
        at = None if has_unknown_zone(entry[name]) else _time(entry.get(f"{name}_parsed"))
        return at if at and str(at.year) in YEAR.findall(entry[name]) else None


def _time(parsed: Any) -> datetime | None:
    """feedparser's struct is UTC."""
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None
