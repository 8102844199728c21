"""How a text is put before the network, in training and in service alike. Pure."""

from __future__ import annotations

import html
import re

_LINK = re.compile(r"(?:https?://|www\.)\S+")
CHARACTERS_A_WINDOW = 400
"""About what 128 tokens hold of a text about a company, the company's own tokens set aside."""


def normalise(text: str) -> str:
    """Without links, references resolved, white space single: what the labelled sets and live news have in common."""
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if "http" in text or "www." in text:
        text = _LINK.sub(" ", text)
    return " ".join(text.split())


def asking(text: str, company: str) -> tuple[str, str]:
    """The pair that the network reads to answer for a company: what the text says of it, marked, and its name."""
    return mark(around(text, company, CHARACTERS_A_WINDOW), company), company


def mark(text: str, entity: str) -> str:
    """The text with the company in brackets wherever it stands as a word; unchanged where it is not named.

    The company is also the second sequence of the pair, so that it can be asked for without being named.
    """
    if not entity or entity not in text:
        return text
    marked = _as_word(entity).sub(lambda found: f"[ {found[0]} ]", text)
    return marked if marked != text else text.replace(entity, f"[ {entity} ]")


def around(text: str, entity: str, characters: int) -> str:
    """The part of a long text that says most about the company: around its first mention, else the beginning."""
    if len(text) <= characters:
        return text
    named = _as_word(entity).search(text) if entity else None
    at = named.start() if named else max(0, text.find(entity))
    start = max(0, at - characters // 3)
    return text[start : start + characters]


def _as_word(entity: str) -> re.Pattern[str]:
    """Ford, not Stanford."""
    return re.compile(rf"(?<!\w){re.escape(entity)}(?!\w)")
