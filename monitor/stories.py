"""Which articles tell the same story, and how new each is. Pure: candidates come from the caller.

A story is copies and rewrites of one report. Two articles are compared by the words of their headlines, stripped of
what desks add ("UPDATE 2-", " - Reuters", "RT @x:"), and by the words of their leads. Template headlines ("X profit
rises 12 pct") differ in exactly the words that matter, so a name or number that stands on one side against another
on the other side keeps two reports apart, however alike the rest.

Candidates are found by locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4):
bands of MinHash values, and one band for the whole headline.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from monitor.headlines import KINDS, Telling, forms, telling
from monitor.types import Article
from monitor.vocabulary import word_set

WINDOW = timedelta(hours=72)
"""How far apart two articles of one story may be."""
BANDS, ROWS = 7, 3
VALUES = BANDS * ROWS
PER_BAND = 12
"""Most candidates a band brings, the newest. A daily template ("Morning briefing") would bring thousands."""
SAME = 0.60
"""Least similarity of one story; chosen on the first half of two months of real news by pairwise F1."""

_UP = word_set(
    "up rise rises rose rising risen gain gains gained climb climbs climbed jump jumps jumped surge surges surged soar"
    " soars soared rally rallies rallied higher increase increases increased increasing beat beats raise raises raised"
    " upgrade upgrades upgraded profit advance advances advanced accelerates stronger expands best highest high"
)
_DOWN = word_set(
    "down fall falls fell falling fallen drop drops dropped slip slips slipped sink sinks sank slide slides slid plunge"
    " plunges plunged tumble tumbles tumbled lower decline declines declined declining decrease decreases decreased"
    " slump slumps slumped dive dives miss misses cut cuts"
    " downgrade downgrades downgraded loss retreat retreats dip dips slows weaker shrinks worst lowest"
    " low"
)


def similarity(one: Telling, other: Telling) -> float:
    """0 to 1. 1 for the same headline; else the share of common words, 0 where a mark stands against a mark."""
    leads = _leads(one, other)
    if one.is_thin and other.is_thin:
        return max(leads, 0.5 * (one.headline == other.headline))
    if one.headline == other.headline:
        return 1.0
    alike = max(_jaccard(one.words, other.words), leads, _truncated(one, other))
    if alike < SAME:
        return alike
    here, there = _missing(one.marks, other), _missing(other.marks, one)
    if (here and there) or _opposed(one.words, other.words) or _other_subject(one, other):
        # The same text under another headline: it names what both headlines name.
        return leads if leads >= 0.9 and here <= other.lead and there <= one.lead else 0.0
    return alike


def _missing(marks: frozenset[str], other: Telling) -> set[str]:
    """The marks that the other headline lacks in every form; "Malaysia" is there where "Malaysian" is."""
    left = marks - other.words
    if not left:
        return set()
    known = forms(other)
    long = [form for form in known if len(form) > 4]
    return {
        mark
        for mark in left - known
        if len(mark) < 5 or not any(form.startswith(mark) or mark.startswith(form) for form in long)
    }


def _leads(one: Telling, other: Telling) -> float:
    """How alike the leads are; 0 where they are short, or of one template with other names."""
    if min(len(one.lead), len(other.lead)) < 8:
        return 0.0
    if one.lead_marks - other.lead and other.lead_marks - one.lead:
        return 0.0
    return _jaccard(one.lead, other.lead)


def _other_subject(one: Telling, other: Telling) -> bool:
    """The headlines are the same but for their first word, and that is no "carmaker" for a company's name."""
    here, _, rest = one.headline.partition(" ")
    there, _, others = other.headline.partition(" ")
    if rest != others or not rest or here == there:
        return False
    return here not in KINDS | forms(other) and there not in KINDS | forms(one)


def _opposed(one: frozenset[str], other: frozenset[str]) -> bool:
    """One headline says up where the other says down."""
    here, there = one - other, other - one
    return bool((here & _UP and there & _DOWN) or (here & _DOWN and there & _UP))


def _truncated(one: Telling, other: Telling) -> float:
    """One headline is the beginning of the other: cut for a feed or a tweet."""
    short, long = sorted((one.headline, other.headline), key=len)
    return 0.95 if len(short) >= 40 and long.startswith(short) else 0.0


def sign(told: Telling) -> tuple[int, ...]:
    """VALUES MinHash values, 32-bit, of the words of headline and lead; empty for an empty text."""
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


def bands(signature: Sequence[int], told: Telling) -> tuple[int, ...]:
    """Signed 64-bit numbers; two articles that share one are worth comparing. The first is of all the headline's words,
    in whatever order."""
    words = " ".join(sorted(told.words)) or told.headline
    keys = [_signed(zlib.crc32(words.encode()) | (1 << 60))] if words else []
    for band in range(BANDS if signature else 0):
        key = 1469598103934665603 + band  # FNV-1a
        for value in signature[band * ROWS : (band + 1) * ROWS]:
            key = ((key ^ value) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
        keys.append(_signed(key))
    return tuple(dict.fromkeys(keys))


@dataclass(frozen=True, slots=True)
class Signed:
    """An article with what it is compared by and looked up by."""

    article: Article
    told: Telling
    bands: tuple[int, ...]


def sign_articles(articles: Sequence[Article]) -> dict[str, Signed]:
    """By id; of several with one id the first. The costly part of placing them, which needs no database."""
    tellings = [telling(article.title, article.body) for article in articles]
    signed = [
        Signed(article, told, bands(signature, told))
        for article, told, signature in zip(articles, tellings, sign_many(tellings), strict=True)
    ]
    return {one.article.id: one for one in reversed(signed)}


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
    return np.array([zlib.crc32(word.encode()) for word in told.words | told.lead], dtype=np.uint32)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key
