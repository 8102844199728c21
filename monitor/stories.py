"""Which articles tell the same story, and how new each is. Pure: candidates come from the caller.

A story is copies and rewrites of one report. Two articles are compared by the words of their headlines, stripped of
what desks add ("UPDATE 2-", " - Reuters", "RT @x:"), and by the words of their leads. Template headlines ("X profit
rises 12 pct") differ in exactly the words that matter, so a name or number that stands on one side against another
on the other side keeps two reports apart, however alike the rest.

Candidates are found by locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4):
bands of MinHash values, and one band for the whole headline.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np

WINDOW = timedelta(hours=72)
"""How far apart two articles of one story may be."""
BANDS, ROWS = 7, 3
VALUES = BANDS * ROWS
SAME = 0.60
"""Least similarity of one story; chosen on the first half of two months of real news by pairwise F1."""
LEAD_WORDS = 40
MIN_WORDS = 4
"""Shorter headlines ("Markets wrap") repeat daily without being copies, unless the lead agrees."""

_RETWEET = re.compile(r"^(?:rt|mt|via)\s+@\w+:?\s*", re.I)
_PREFIX = re.compile(
    r"^(?:(?:update|corrected|refile|wrapup|brief|exclusive|breaking|analysis|factbox|timeline|rpt|recap|video|watch"
    r"|breaking news|press release|just in|alert|live)\s*\d*\s*[-:\u2013\u2014|]\s*)+",
    re.I,
)
# " - Reuters", " | The Daily Site": at most four words after a separator at the end.
_SUFFIX = re.compile(r"\s+(?:[-\u2013\u2014|]|::)\s+(?:[^\s|]+\s*){1,4}$")
_LINK = re.compile(r"https?://\S+|www\.\S+")
_WORD = re.compile(r"\$?[^\W_]+(?:[.,'\u2019&-][^\W_]+)*%?")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have in is it its of on or say said says that the their this to was were"
        " will with pct percent cent",
    )
)


@dataclass(frozen=True, slots=True)
class Telling:
    """What one article is compared by."""

    words: frozenset[str]
    """Of the headline, stop words left out."""
    marks: frozenset[str]
    """Names and numbers among them: what tells two reports of one template apart."""
    lead: frozenset[str]
    headline: str
    """Normalised, for equality."""


def telling(title: str, body: str = "") -> Telling:
    """What a headline and its lead say, without what desks add."""
    stripped = strip_desk(title)
    found = _WORD.findall(stripped)
    lowered = [_plain(word) for word in found]
    # In Title Case every word looks like a name, so only numbers and tickers mark there.
    capitals = sum(word[0].isupper() for word in found)
    is_sentence_case = capitals <= max(2, 0.6 * len(found))
    marks = {
        low
        for word, low in zip(found, lowered, strict=True)
        if any(char.isdigit() for char in word)
        or word[0] == "$"
        or (is_sentence_case and word[0].isupper())
        or (len(word) > 1 and word.isupper() and not stripped.isupper())
    }
    lead = frozenset(_plain(word) for word in _WORD.findall(body[: LEAD_WORDS * 12])[:LEAD_WORDS]) - _STOP
    return Telling(frozenset(lowered) - _STOP, frozenset(marks) - _STOP, lead, " ".join(lowered))


def strip_desk(title: str) -> str:
    """The headline itself: no retweet mark, link, desk's prefix, site's suffix or ellipsis."""
    text = _LINK.sub(" ", _RETWEET.sub("", title)).strip()
    text = _PREFIX.sub("", text)
    cut = _SUFFIX.sub("", text)
    if len(cut.split()) >= MIN_WORDS:
        text = cut
    return text.rstrip(" .\u2026")


def similarity(one: Telling, other: Telling) -> float:
    """0 to 1. 1 for the same headline; else the share of common words, 0 where a mark stands against a mark."""
    if one.headline == other.headline:
        if len(one.words) >= MIN_WORDS or not (one.lead and other.lead):
            return 1.0 if len(one.words) >= MIN_WORDS else 0.5
        return max(0.5, _jaccard(one.lead, other.lead))
    leads = _jaccard(one.lead, other.lead) if min(len(one.lead), len(other.lead)) >= 8 else 0.0
    if one.marks - other.words and other.marks - one.words:
        return 0.0 if leads < 0.9 else leads
    return max(_jaccard(one.words, other.words), leads, _truncated(one, other))


def _truncated(one: Telling, other: Telling) -> float:
    """One headline is the beginning of the other: cut for a feed or a tweet."""
    short, long = sorted((one.headline, other.headline), key=len)
    return 0.95 if len(short) >= 40 and long.startswith(short) else 0.0


def sign(told: Telling) -> tuple[int, ...]:
    """VALUES MinHash values, 32-bit, of the words and pairs of headline and lead; empty for an empty text."""
    return sign_many([told])[0]


def sign_many(tellings: Sequence[Telling]) -> list[tuple[int, ...]]:
    """`sign` of each, in one pass over all their words."""
    hashes = [_hashes(told) for told in tellings]
    lengths = np.array([len(one) for one in hashes])
    if not lengths.sum():
        return [()] * len(tellings)
    flat = np.concatenate([one for one in hashes if len(one)]).astype(np.uint64)
    spread = (flat[:, None] * _MULTIPLIERS + _ADDENDS) >> np.uint64(32)  # multiply-shift, modulo 2**64
    starts = np.concatenate([[0], np.cumsum(lengths[lengths > 0])[:-1]])
    minima = iter(np.minimum.reduceat(spread, starts, axis=0).tolist())
    return [tuple(next(minima)) if length else () for length in lengths]


def bands(signature: Sequence[int], headline: str) -> tuple[int, ...]:
    """Signed 64-bit numbers; two articles that share one are worth comparing. The first is the headline's own."""
    keys = [_signed(zlib.crc32(headline.encode()) | (1 << 60))] if headline else []
    for band in range(BANDS if signature else 0):
        key = 1469598103934665603 + band  # FNV-1a
        for value in signature[band * ROWS : (band + 1) * ROWS]:
            key = ((key ^ value) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
        keys.append(_signed(key))
    return tuple(dict.fromkeys(keys))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier article that shares a band."""

    article: str
    story: str
    told: Telling


@dataclass(frozen=True, slots=True)
class Place:
    """Where an article belongs: an earlier story, or its own (None); novelty 1 for a first, else 1 - similarity."""

    story: str | None
    novelty: float


def choose_story(told: Telling, candidates: Iterable[Candidate]) -> Place:
    """The story of the most similar candidate, the earliest of equals, if that is similar enough."""
    best, greatest = None, 0.0
    for candidate in candidates:
        alike = similarity(told, candidate.told)
        if alike > greatest:
            best, greatest = candidate.story, alike
    if best is None or greatest < SAME:
        return Place(None, 1.0)
    return Place(best, round(1.0 - greatest, 4))


_RANDOM = np.random.default_rng(20140310)
_MULTIPLIERS = _RANDOM.integers(1, 2**63, size=VALUES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_ADDENDS = _RANDOM.integers(0, 2**63, size=VALUES, dtype=np.uint64)


def _hashes(told: Telling) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    words = told.headline.split()
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return np.array([zlib.crc32(part.encode()) for part in {*told.words, *pairs, *sorted(told.lead)}], dtype=np.uint32)


def _plain(word: str) -> str:
    word = word.lower().replace("\u2019", "'").removesuffix("'s").rstrip(".,%")  # "8%" is "8 percent"
    return word.replace(",", "")


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key
