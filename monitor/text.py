"""RawArticle -> Article: readable text, canonical URL, identity. Pure: no clock, no network, no database."""

from __future__ import annotations

import hashlib
import html
import re

from courlan import clean_url
from selectolax.lexbor import LexborHTMLParser

from monitor.types import Article, RawArticle, Rejected

MAX_TITLE = 1_000
MAX_BODY = 200_000
"""Characters kept. A longer body is a document pasted whole: its head says what it is about."""

MAX_NAME = 200
"""Characters kept of who wrote or published it. Publishers and authors are keys in the database, which have an end."""

# Control characters but tab and newline, and the lone surrogates that UTF-8 and Postgres cannot carry.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MARKUP = re.compile(r"<[a-zA-Z!/?]")
# Nothing to normalise: lower-case host, no query, no fragment, no escapes.
_PLAIN_URL = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}(?:/[\w./~+,;=@!$&'()*-]*)?")
_TAG = re.compile(r"<(/?)([a-zA-Z!?][^\s/>]*)[^>]*>")
MAX_PARSED_TAGS = 5_000
_INVISIBLE = "script, style, noscript, template, iframe, svg, head"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def clean(raw: RawArticle) -> Article | Rejected:
    """The article, or why it can never be one: no text at all, no identity, an address that is no web page."""
    body = readable(raw.body, MAX_BODY)
    title = readable(raw.title, MAX_TITLE) or _SENTENCE_END.split(body, maxsplit=1)[0][:MAX_TITLE]
    if not title:
        return Rejected("no text: title and body are empty")
    url = canonical_url(raw.url) if raw.url else None
    if raw.url and url is None and raw.source_id is None:
        return Rejected(f"not a web address: {readable(raw.url, 200)!r}")
    if url is None and not raw.source_id:
        return Rejected("no identity: neither a URL nor the source's own id")
    return Article(
        # A comment's link is often its thread's, which others share.
        id=identity(None if raw.kind == "comment" and raw.source_id else url, raw.source, raw.source_id),
        source=_name(raw.source),
        kind=raw.kind,
        publisher=_name(raw.publisher) or _name(raw.source),
        family=_name(raw.family) or _name(raw.publisher) or _name(raw.source),
        title=title,
        body=body,
        url=url,
        author=_name(raw.author) if raw.author else None,
        published=min(raw.published, raw.seen) if raw.published else None,
        seen=raw.seen,
        counted_at=min(raw.counted_at, raw.seen),
        is_backfill=raw.is_backfill,
    )


def _name(text: str) -> str:
    return _line(text[: 4 * MAX_NAME])[:MAX_NAME].rstrip()


def readable(text: str, limit: int) -> str:
    """Plain text on one line: markup and what it hides gone, references resolved, white space single."""
    text = text[: limit * 4]  # markup is a few times its text; a bomb must not cost minutes
    if "<" in text and _MARKUP.search(text):
        text = _without_markup(text)
    if "&" in text:
        text = html.unescape(text)
    return _line(text)[:limit].rstrip()


def canonical_url(url: str) -> str | None:
    """The address without tracking parameters, fragment and accidents of writing; None unless http or https."""
    url = url.strip().replace("\\", "")
    if not _PLAIN_URL.fullmatch(url):
        url = _UNSTORABLE.sub("", url)
        if not url.lower().startswith(("http://", "https://")) or len(url) > 2_000:
            return None
        try:
            url = clean_url(url.partition("#")[0]) or ""
        except ValueError:
            return None
        if not re.match(r"https?://[^/\s]+", url):
            return None
    return url


def identity(url: str | None, source: str, source_id: str | None) -> str:
    """32 hex digits of the SHA-256 of the canonical URL, http and https alike, else of (source, source_id)."""
    what = url.partition("://")[2].rstrip("/") if url else f"{source}\n{source_id}"
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:32]


def _without_markup(text: str) -> str:
    if text.count("<") > MAX_PARSED_TAGS:
        return _without_tags(text)
    tree = LexborHTMLParser(text)
    for node in tree.css(_INVISIBLE):
        node.decompose()
    root = tree.body or tree.root
    return root.text(separator=" ") if root else ""


def _without_tags(text: str) -> str:
    """In one pass, whatever the nesting: a parser takes minutes over fifty thousand open elements."""
    parts: list[str] = []
    position, hidden = 0, ""
    for tag in _TAG.finditer(text):
        if not hidden:
            parts.append(text[position : tag.start()])
        name = tag[2].lower()
        if hidden:
            hidden = "" if tag[1] and name == hidden else hidden
        elif not tag[1] and name in ("script", "style"):
            hidden = name
        position = tag.end()
    return " ".join(parts if hidden else [*parts, text[position:]])


def _line(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        text = _UNSTORABLE.sub("", text)
    return " ".join(text.split())
