"""How a text is put before the network, in training and in service alike. Pure."""

from __future__ import annotations

import html
import re

_LINK = re.compile(r"(?:https?://|www\.)\S+")


def normalise(text: str) -> str:
    """Without links, references resolved, white space single: what the labelled sets and live news have in common."""
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if "http" in text or "www." in text:
        text = _LINK.sub(" ", text)
    return " ".join(text.split())


def mark(text: str, entity: str) -> str:
    """The text with the company in brackets wherever it stands; unchanged where it is not named.

    The company is also the second sequence of the pair, so that it can be asked for without being named.
    """
    return text.replace(entity, f"[ {entity} ]") if entity else text


def around(text: str, entity: str, characters: int) -> str:
    """The part of a long text that says most about the company: around its first mention, else the beginning."""
    if len(text) <= characters:
        return text
    at = max(0, text.find(entity) - characters // 3) if entity in text else 0
    return text[at : at + characters]
