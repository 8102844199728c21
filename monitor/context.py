"""Whether a word of a text stands there as a company's name: what is before it, after it, and around it. Pure."""

from __future__ import annotations

import re
import unicodedata

from monitor.vocabulary import word_set

_WORD = re.compile(r"[\w&'\u2019.-]+")
SENTENCE_START = re.compile(r"(?:^|[.!?:;\u2014\u2013|]\s+|\"|\u201c|-\s)$")
BUSINESS = re.compile(
    r"\b(?:shares?|stocks?|earnings|profits?|revenues?|sales|quarter(?:ly)?|Q[1-4]|CEO|CFO|chief executive|dividend"
    r"|guidance|analysts?|upgrade[sd]?|downgrade[sd]?|price target|investors?|acquir\w+|merger|deal|IPO|buyback"
    r"|forecasts?|outlook"
    r"|results|lawsuit|recalls?|Inc|Corp|plc|market cap|EPS|billion|million|launch(?:es)?|cuts?|layoffs|unveils?)\b",
    re.I,
)
COMPANY_WORDS = word_set(
    "inc inc. corp corp. corporation plc co co. ltd ltd. limited ag nv se group holdings shares stock ceo cfo earnings"
    " profit profits results revenue shareholders"
)


_MOVES = re.compile(r" (?:up|down|off)(?: nearly| about| almost| over| more than)? \$?\d|,? [+-]\d")
"""What a price does in a headline without a verb: "Apple up 3%"."""

_VERBS = word_set(
    "accused acquires adds agrees announces appoints beats boosts buys climbs closes cuts declares denies delays dips"
    " disappoints drags drops edges expands expects faces falls fires forecasts gains grabs halts hikes hires hits"
    " invests issues jumps launches leads loses lowers makes misses names offers opens plans plunges posts pulls raises"
    " rallies reaches recalls reports returns reveals rises rolls sees sells settles shuts signs sinks slashes slides"
    " slips slumps soars sues surges suspends targets to tops tumbles unveils upgrades warns wins said says will"
)
"""What a company does in a headline: the word after a subject."""


def acts(text: str, start: int, end: int) -> bool:
    """Whether a name that is a word of English stands as a company: it owns, acts, or is called one, and is no part of
    a longer name. Within a sentence the capital suffices."""
    before = text[:start].rstrip()
    if before[-1:] in "&$\u20ac\u00a3" and before:
        return False
    named = _WORD.findall(text[max(0, start - 24) : start])
    begins = not before or bool(SENTENCE_START.search(text[max(0, start - 3) : start]))
    follows = _WORD.match(text[end : end + 25].lstrip()) if text[end : end + 1] in (" ", "-") else None
    quoted = named and named[-1].endswith(("'", "\u2019"))
    if not begins and named and not quoted and named[-1].lstrip("'\u2019")[:1].isupper():
        return False
    if text[end : end + 2] in ("'s", "\u2019s") or re.match(r" \((?:NYSE|NASDAQ|[A-Z]{1,5}\))", text[end:]):
        return True
    after = follows[0].lower() if follows else ""
    if begins or is_title_case(text):
        if _MOVES.match(text, end):
            return True
        return after in COMPANY_WORDS or after in _VERBS
    return text[start].isupper() and not (follows and follows[0][0].isupper() and after not in COMPANY_WORDS)


def continues_name(text: str, start: int) -> bool:
    """Whether what stands before makes it a part of something longer: "Barnes & Noble", "Dark Pool", "$A"."""
    before = text[:start].rstrip()
    if before[-1:] in ("&", "$", "\u20ac", "\u00a3"):
        return True
    named = before.rpartition(" ")[2].lstrip("'\u2018\u201c")
    return named[:1].isupper() and named[-1:].isalnum() and not is_title_case(text)


def folded(text: str) -> str:
    """Lower case as wires spell it, of the same length: no accents, and the typewriter's apostrophe and hyphen."""
    if text.isascii():
        return text.lower()
    return "".join(_FOLD.get(char) or unicodedata.normalize("NFKD", char)[0].lower()[:1] for char in text)


_FOLD = {"\u2019": "'", "\u00df": "\u00df", "\u2010": "-", "\u2011": "-", "\u2013": "-"}


def stands_alone(text: str, start: int, end: int) -> bool:
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before.isalnum() or before in "_@#" or after.isalnum() or after == "_":
        return False
    # "Ford-like" and "pre-Apple" are about something else; "Apple-Samsung" and "Apple's" are not.
    return not (before == "." and start > 1 and text[start - 2].isalnum())


def word_before(text: str, start: int) -> str:
    words = _WORD.findall(text[max(0, start - 24) : start])
    return words[-1].lower() if words else ""


def word_after(text: str, end: int) -> str:
    match = _WORD.search(text[end : end + 24].lstrip("'\u2019"))
    return match[0].lower() if match and text[end : end + 1] in (" ", "-") else ""


def is_title_case(text: str) -> bool:
    """Most long words of the headline begin with a capital, so that a capital says nothing."""
    words = [word for word in _WORD.findall(text[:200]) if len(word) > 3 and word[0].isalpha()]
    return len(words) >= 3 and sum(word[0].isupper() for word in words) >= 0.75 * len(words)
