"""A headline -> what it is compared by: its words in one spelling, and those among them that tell reports apart. Pure.

Desks write one report in many ways: "UPDATE 2-" before it, " - Reuters" after it, "$9.3 bln" for "$9.3 billion",
"GM" for "General Motors". Names, numbers and days are marks: template headlines differ in nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from sys import intern

from monitor.vocabulary import ordinary_words, other_names, word_set

HEADLINE_WORDS = 60
"""Of a longer title, which is no headline, the beginning is compared."""
LEAD_WORDS = 40
LEAD_CHARACTERS = LEAD_WORDS * 12
MIN_WORDS = 4
TOLD_LATELY = 4_096
"""Articles that a new one may be compared with are mostly of the last minutes; some 10 MB."""

_RETWEET = re.compile(r"^(?:rt|mt|via)\s+@\w+:?\s*", re.I)
_PREFIX = re.compile(
    r"^(?:(?:update|updated|corrected|refile|repeat|amended|wrapup|brief|exclusive|breaking|analysis|factbox|timeline"
    r"|rpt|recap|video|watch|breaking news|press release|just in|alert|live)\s*\d*\s*[-:\u2013\u2014|]\s*)+",
    re.I,
)
# "GLOBAL MARKETS-", "FOREX-", "US STOCKS-": a wire's desk. Longer than the names people join ("OPEC-Russia").
_DESK = re.compile(r"^[A-Z][A-Z/&. ]{4,24}-(?=[A-Z0-9$\"'])")
_BRACKETED = re.compile(r"[(\[](?:update[ds]?|video|photos?|pictures?|exclusive|live|watch)\W*\d*[)\]]", re.I)
_EDITION = re.compile(r"\s*(?:[-\u2013\u2014]+\s*\d(?:st|nd|rd|th) update|\(\d\))\s*$", re.I)
# " - Reuters", " | The Daily Site": at most four words after a separator at the end.
_SUFFIX = re.compile(r"\s+(?:[-\u2013\u2014|]|::)\s+(?:[^\s|]+\s*){1,4}$")
_COLUMN = re.compile(
    r"\b(?:briefing|digest|newsletter|edition|calendar|agenda|horoscope|live blog|live updates"
    r"|week (?:ahead|in review)|day ahead|(?:stocks|things|shares|earnings|what) to (?:watch|know|expect)|in focus"
    r"|need to know|at a glance|top (?:stories|news|headlines|gainers|losers|movers)|most active|premarket movers"
    r"|(?:business|market|stock|company|world) (?:news|update|report|summary|snapshot|commentary))\b"
)
_LINK = re.compile(r"https?://\S+|www\.\S+")

# Marks that combine are part of the word: the vowels of Devanagari and Thai among them.
_LETTER = r"(?:[^\W_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0e7f])"
_DIGIT = re.compile(r"\d")
_WORD = re.compile(rf"\$?{_LETTER}+(?:[.,'\u2019&]{_LETTER}+)*%?")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts written without spaces: Thai, Lao, kana, Han."""

_AMOUNT = re.compile(
    r"(?:(?:\b(?:US|A|C|HK|NZ|S))?[$\u20ac\u00a3\u00a5\u20b9]|\b(?:USD?|EUR|GBP|INR|Rs\.?|Re\.?)\s?)?"
    r"(?<![\w.])(\d+(?:,\d{2,3})*(?:\.\d+)?)"
    r"(?:[\s-]?(billion|bln|bn|b|million|mln|mil|mn|m|trillion|trln|tn|thousand|k|crore|cr|lakh|pct|pc)\b\.?)?",
    re.I,
)
_MULTIPLE = {"b": 1e9, "m": 1e6, "t": 1e12, "k": 1e3, "c": 1e7, "l": 1e5} | {"thousand": 1e3}
_QUARTER = re.compile(r"\b(?:(first|second|third|fourth)|([1-4])(?:st|nd|rd|th))[ -]quarter\b|\b([1-4])Q\b", re.I)
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"), 2)
}
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_DAYS = word_set(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july august"
    " september october november december jan feb apr jun jul aug sep sept oct nov dec"
)
_ASSETS = word_set(
    "oil brent crude gold silver copper platinum palladium wheat corn soybeans sugar coffee cocoa cotton gas gasoline"
    " dollar euro yen pound sterling franc yuan rupee ruble rouble peso lira bitcoin bonds treasuries"
)
"""Watched in themselves: a report on one is none on another, however it is written."""
KINDS = word_set(
    "bank company firm group giant airline startup chain fund utility conglomerate exchange carmaker automaker"
    " chipmaker drugmaker retailer grocer lender insurer brewer miner producer maker operator developer supplier"
    " regulator regulators"
)
"""What a company is called where its name is left out."""
_STOP = word_set(
    "a an and are as at be by for from has have in is it its of on or say said says that the their this to was were"
    " will with per pct pc percent cent"
)


@dataclass(frozen=True, slots=True)
class Telling:
    """What one article is compared by."""

    words: frozenset[str]
    """Of the headline, stop words left out."""
    marks: frozenset[str]
    """Names, numbers and days among them: what tells two reports of one template apart."""
    names: tuple[str, ...]
    """Its words with a capital, in order."""
    lead: frozenset[str]
    lead_marks: frozenset[str]
    headline: str
    """Normalised, for equality."""
    is_thin: bool
    """Fewer than MIN_WORDS words, or a column's standing title ("Stocks to watch today") that names nobody: such ones
    repeat daily without being copies."""


def telling(title: str, body: str = "") -> Telling:
    """What a headline and its lead say, without what desks add."""
    return _told(title, body[:LEAD_CHARACTERS])


@lru_cache(TOLD_LATELY)
def _told(title: str, lead: str) -> Telling:
    text = strip_desk(_normal(title))
    found = _words(text)[:HEADLINE_WORDS]
    words = frozenset(low for _, low in found) - _STOP
    marks = _marks(found, text) - _STOP
    headline = " ".join(low for _, low in found)
    lead_text = _normal(lead)
    lead_words = _words(lead_text)[:LEAD_WORDS]
    return Telling(
        words=words,
        marks=marks,
        names=tuple(low for written, low in found if written[0].isupper()),
        lead=frozenset(low for _, low in lead_words) - _STOP,
        lead_marks=_marks(lead_words, lead_text) - _STOP,
        headline=headline,
        is_thin=len(words) < MIN_WORDS or _is_column(headline, marks),
    )


def _is_column(headline: str, marks: frozenset[str]) -> bool:
    return bool(_COLUMN.search(headline)) and all(_DIGIT.match(mark) or mark in _DAYS for mark in marks)


def strip_desk(title: str) -> str:
    """The headline itself: no retweet mark, link, desk's prefix, site's suffix or ellipsis."""
    text = _BRACKETED.sub(" ", _LINK.sub(" ", _RETWEET.sub("", title))).strip()
    text = _PREFIX.sub("", _DESK.sub("", _PREFIX.sub("", _EDITION.sub("", text))))
    cut = _SUFFIX.sub("", text)
    if len(cut.split()) >= MIN_WORDS:
        text = cut
    return text.rstrip(" .\u2026")


def _normal(text: str) -> str:
    """One spelling of characters and amounts: no accents on Latin letters, "9300000000" for "$9.3 bln"."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text)))
    if _DIGIT.search(text) or "uarter" in text:
        text = _AMOUNT.sub(_amount, _QUARTER.sub(_quarter, text))
    return text


def _quarter(match: re.Match[str]) -> str:
    return "Q" + (_ORDINALS[match[1].lower()] if match[1] else match[2] or match[3])


def _amount(match: re.Match[str]) -> str:
    number, unit = match[1].replace(",", ""), (match[2] or "").lower()
    if unit and unit[0] != "p":
        number = f"{float(number) * (_MULTIPLE.get(unit) or _MULTIPLE['t' if unit[0] == 't' else unit[0]]):.0f}"
    return f" {number}"


def _words(text: str) -> list[tuple[str, str]]:
    """(as written, plain) of each word; of a script without spaces, of each pair of characters."""
    found = []
    for written in _WORD.findall(text):
        if _UNSPACED.search(written) and len(written) > 2:
            found += [(pair, pair) for pair in map("".join, pairwise(written))]
        else:
            found.append((written, _plain(written)))
    return found


def _plain(word: str) -> str:
    low = word.lower()
    if low.isalpha():
        return intern(_NUMBER_WORDS.get(low, low))
    low = (
        low.replace("\u2019", "'").removesuffix("'s").strip("$.,%").replace(",", "").replace("'", "")
    )  # 8% is 8 percent
    return low if low[:1].isdigit() else low.replace(".", "")  # "U.S." is "US"


def _marks(found: Sequence[tuple[str, str]], text: str) -> frozenset[str]:
    """Names, numbers, days and assets. Where every word has its capital, or a sentence begins, a capital says little:
    there a word that English knows is no name."""
    capitals = sum(word[0].isupper() for word, _ in found)
    is_all_capitals = text.isupper()
    ordinary = ordinary_words()
    is_title_case = capitals > max(2, 0.6 * len(found))
    marks = set()
    for place, (word, low) in enumerate(found):
        is_named = word[0].isupper() and (
            low in _DAYS
            or not ((is_title_case or place == 0) and low in ordinary)
            or (len(word) > 1 and word.isupper() and not is_all_capitals)
        )
        if is_named or low in _ASSETS or word[0] == "$" or _DIGIT.search(low):
            marks.add(low)
    return frozenset(marks)


def forms(told: Telling) -> frozenset[str]:
    """The headline's words, and what its names are written as elsewhere: "walmart" of Wal-Mart, "gm" of General Motors,
    "meta" of Facebook."""
    words = told.headline.split()
    found = {one + other for one, other in pairwise(words)}
    known = other_names()
    found.update(*(known[name] for name in told.names if name in known))
    initials = "".join(name[0] for name in told.names)
    for length in (2, 3, 4):
        found.update(initials[start : start + length] for start in range(len(initials) - length + 1))
    return told.words.union(found)
