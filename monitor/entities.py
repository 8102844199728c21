"""Which companies a text names. Pure once loaded: a word list, boundaries, and rules for names that are also words.

A name counts where it stands as a word of its own and is written as a name: "Goldman Sachs", never "goldmanite".
Names that are ordinary words (Apple, Target, Gap) need more: not followed or preceded by what makes them the word
("apple pie", "target price", "work visa"), and, where every word is capitalised or a sentence begins, business talk
around them. Tickers count as cashtags ($AAPL) and beside their exchange (NASDAQ: AAPL), never bare.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ahocorasick

from monitor.context import (
    BUSINESS,
    COMPANY_WORDS,
    SENTENCE_START,
    acts,
    continues_name,
    folded,
    is_title_case,
    stands_alone,
    word_after,
    word_before,
)
from monitor.errors import UsageError
from monitor.types import Article, Mention, TaggedArticle
from monitor.vocabulary import NAMES, dictionary

INDIA = NAMES.with_name("india.csv")
WORLD = NAMES.with_name("world.csv")
"""Large companies in Mumbai and elsewhere that the list of indices lacks. Written by hand, in the watch-list's form."""

_LEGAL = re.compile(
    r"(?:,? (?:incorporated|inc|corporation|corp|company|co|companies|limited|ltd|plc|llc|lp|sa|se|ag|nv|n\.v|spa"
    r"|s\.p\.a|ab|asa|oyj|kgaa|holdings?|group|groep|the|class [a-c]|& co|s\.a|s\.a\.b|sab|aktiengesellschaft"
    r"|bancorp|international|technologies|platforms)\.?)+$",
    re.I,
)
_TICKER = re.compile(
    r"(?<![\w$])\$(?!A\b)([A-Za-z]{1,5}(?:[.-][A-Za-z]\b)?)\b(?!\$)"  # $A is Australia's dollar, KE$HA a singer
    r"|\b(?:NYSE|NASDAQ|Nasdaq|LSE|AMEX|NSE|BSE)(?:\s?[:\-]\s?)([A-Z]{1,6}(?:\.[A-Z])?)\b"
)
_LISTED = re.compile(r"(?:,|,? and| &) ")
"""Between two of a kind: "Apple, Microsoft lead", "Visa and Mastercard"."""
_HOMES = {"France": "XPAR", "Germany": "XFRA", "United States": "XNYS"}
_SHORTEST_NAME = 3
_SHORT_NAMES = frozenset(("BP", "GE", "GM", "HP"))
"""Shorter ones that stand for their company wherever they are capitals."""


@dataclass(frozen=True, slots=True)
class Company:
    """One company under all its names; `company` is its key everywhere."""

    company: str
    name: str
    ticker: str | None
    names: tuple[str, ...]
    tickers: tuple[str, ...] = ()
    market: str = ""
    """Code of the exchange that it is listed on, where that is known and no suffix of its key says so."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What turns a company's name into an ordinary word."""

    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


class Companies:
    """The word list, compiled. Later companies win a name over earlier ones: the watch-list over the listed."""

    def __init__(
        self,
        companies: Iterable[Company],
        rules: Mapping[str, Rule],
        given: Iterable[str] = (),
        only: Iterable[str] = (),
    ) -> None:
        self._rules, self._given, self._words = rules, frozenset(given), dictionary().difference(only)
        self._by_ticker: dict[str, Company] = {}
        self._automaton = ahocorasick.Automaton()
        self.all: dict[str, Company] = {}
        for company in companies:
            self.all[company.company] = company
            for ticker in company.tickers or ((company.ticker,) if company.ticker else ()):
                self._by_ticker[ticker.upper()] = company
            for name in company.names:
                if len(name) >= _SHORTEST_NAME or name in _SHORT_NAMES or any(char.isdigit() for char in name):
                    self._automaton.add_word(folded(name), (name, company))
        self._automaton.make_automaton()

    def ticker_of(self, name: str) -> str | None:
        """The ticker of a company given by one of its names or its ticker; None for one we do not know."""
        company = self._by_ticker.get(name.strip().lstrip("$").upper()) if name.isupper() else None
        if company is None and folded(name.strip()) in self._automaton:
            _, company = self._automaton.get(folded(name.strip()))
        return company.ticker if company else None

    def find(self, text: str) -> tuple[Mention, ...]:
        """Each company once, in the order the text names them first."""
        found: dict[str, tuple[int, Mention]] = {}
        for start, surface, company in [*self._tickers(text), *self._names(text)]:
            mention = Mention(company.company, company.name, company.ticker, surface)
            # A name says more to the classifier than a ticker; of equals the first.
            if company.company not in found or found[company.company][1].surface.startswith("$"):
                found[company.company] = (min(start, found.get(company.company, (start,))[0]), mention)
        return tuple(mention for _, mention in sorted(found.values(), key=lambda pair: pair[0]))

    def _tickers(self, text: str) -> Iterator[tuple[int, str, Company]]:
        if "$" not in text and ":" not in text and "-" not in text:
            return
        for match in _TICKER.finditer(text):
            company = self._by_ticker.get((match[1] or match[2]).upper())
            if company:
                yield match.start(), f"${match[1]}" if match[1] else match[2], company

    def _names(self, text: str) -> Iterator[tuple[int, str, Company]]:
        lowered = folded(text)
        # All, not the longest: "Nike Inc" in "Nike increases" must not hide Nike.
        matches = [
            (last + 1 - len(name), last + 1, name, company)
            for last, (name, company) in self._automaton.iter(lowered)
            if stands_alone(lowered, last + 1 - len(name), last + 1)
        ]
        spoken_for = 0
        doubtful: list[tuple[int, int, Company]] = []
        found: set[int] = set()
        for start, end, name, company in sorted(matches, key=lambda match: (match[0], -match[1])):
            if start < spoken_for:
                continue
            if f"({company.ticker})" in text or self._is_name(text, start, end, name):
                spoken_for = end
                found.add(start)
                yield start, text[start:end], company
            elif text[start].isupper() and not continues_name(text, start):
                doubtful.append((start, end, company))
        for start, end, company in reversed(doubtful):
            if (link := _LISTED.match(text, end)) and link.end() in found:
                found.add(start)
                yield start, text[start:end], company

    def _is_name(self, text: str, start: int, end: int, name: str) -> bool:
        surface = text[start:end]
        if name.isupper() and name.isalpha() and surface != name and (len(name) < 5 or name.lower() in self._words):
            return False  # "Ups", "FIs", "Screen"
        if " " not in name and word_before(text, start) in self._given:
            return False
        if name in _SHORT_NAMES and (surface != name or word_before(text, start)[-1:].isdigit()):  # "25 BP"
            return False
        if name in _SHORT_NAMES and text[start - 1 : start] == "(" and text[end : end + 1] == ")":
            return False  # a ticker, of whoever stands before: "Helmerich & Payne (HP)"
        words = surface.replace("-", " ").split()
        wanted = name.replace("-", " ").split()
        if not all(
            any(map(str.isupper, word)) or not word[0].isalpha() or want[0].islower()  # "easyJet"
            for word, want in zip(words, wanted, strict=False)
        ):
            return False
        rule = self._rules.get(name.lower())
        if rule is None:
            is_word = name.lower() in self._words or name[0].isdigit()
            return not is_word or acts(text, start, end)
        before, after = word_before(text, start), word_after(text, end)
        if after in rule.after or before in rule.before or ("#" in rule.after and after.isdigit()):
            return False
        if text[end : end + 2] in ("'s", "\u2019s") or after in COMPANY_WORDS:
            return True
        if SENTENCE_START.search(text[max(0, start - 3) : start]) or start == 0 or is_title_case(text):
            is_word = name.lower() in self._words
            return not is_word or acts(text, start, end) or bool(BUSINESS.search(text[:start] + " " + text[end:]))
        return True


def load_companies(watchlist: Path | None = None) -> Companies:
    """The listed companies of the large indices, and the watch-list above them. UsageError for a bad watch-list."""
    written = _written()
    rules = {
        name.lower(): Rule(frozenset(rule.get("after", ())), frozenset(rule.get("before", ())))
        for name, rule in written["words"].items()
    }
    # Last, since the last one has a name that two go by: Merck is the American one.
    listed = sorted(listed_companies(), key=lambda company: company.ticker in written["aliases"])
    companies = [*read_watchlist(INDIA), *read_watchlist(WORLD), *listed]
    if watchlist is not None:
        companies += read_watchlist(watchlist)
    return Companies(companies, rules, written["given"], written["only"])


def listed_companies() -> list[Company]:
    """Those of the large indices."""
    written = _written()
    return list(_listed(written["aliases"], written["renamed"], frozenset(written["ordinary"])))


def _written() -> dict[str, Any]:
    with NAMES.open("rb") as file:
        return tomllib.load(file)


def read_watchlist(path: Path) -> list[Company]:
    """Companies from a TOML file of `[[company]]` tables (name, ticker, aliases) or a CSV with those columns.

    `aliases` are other names (in CSV separated by ;, or one in the column `short`); `company` overrides the key,
    which is the ticker where there is one, else the name.
    """
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as text:
                rows: list[dict[str, object]] = [dict(row) for row in csv.DictReader(text)]
            for row in rows:
                row["aliases"] = [part for part in str(row.get("aliases") or row.get("short") or "").split(";") if part]
        else:
            with path.open("rb") as binary:
                rows = tomllib.load(binary).get("company", [])
            if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
                raise TypeError("`company` is no list of tables")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error, TypeError) as error:
        raise UsageError(f"cannot read the watch-list {path}: {error}; it needs [[company]] tables or a CSV") from error
    return [_watched(path, number, row) for number, row in enumerate(rows, 1)]


def _watched(path: Path, number: int, row: Mapping[str, object]) -> Company:
    name, aliases = row.get("name"), row.get("aliases") or ()
    if not isinstance(name, str) or not name.strip() or not isinstance(aliases, (list, tuple)):
        raise UsageError(f"{path}: company {number} needs a name (and aliases as a list); got {dict(row)!r}")
    ticker = str(row["ticker"]).upper() if row.get("ticker") else None
    names = (name, *(str(alias) for alias in aliases), *_short_names(name))
    return Company(str(row.get("company") or ticker or name), name, ticker, tuple(dict.fromkeys(names)))


def _listed(
    aliases: Mapping[str, list[str]], renamed: Mapping[str, str], ordinary: frozenset[str]
) -> Iterator[Company]:
    from pytickersymbols import PyTickerSymbols

    for stock in PyTickerSymbols().get_all_stocks():
        tickers = _american_tickers(stock)
        ticker = tickers[0] if tickers else str(stock.get("symbol") or "").strip() or None
        name, *articleless = _plain_names(str(stock["name"]))
        if ticker is None:
            continue
        ticker = renamed.get(ticker, ticker)
        known = (str(stock["name"]), name, *articleless, *aliases.get(ticker, ()))
        names = [one for one in known if one.lower() not in ordinary]
        yield Company(
            ticker,
            known[0] if name.lower() in ordinary else name,
            ticker,
            tuple(dict.fromkeys(names)),
            (ticker, *tickers, *(old for old, new in renamed.items() if new == ticker)),
            "XNYS" if tickers else _market(stock),
        )


def _plain_names(name: str) -> list[str]:
    """The name without "(The)", legal form and encyclopedia's brackets; and without its article, where words are left
    that mean it: "Hershey" of The Hershey Company, but no "Hartford"."""
    name = re.sub(r"\s*\([^)]*\)", "", name).strip()
    plain = _LEGAL.sub("", name).strip(" ,&") or name
    bare = plain.removeprefix("The ")
    return [plain] if bare == plain or bare.lower() in dictionary() else [plain, bare]


def _american_tickers(stock: Mapping[str, object]) -> list[str]:
    """Of its listings those that people write as cashtags: NYSE and NASDAQ."""
    found = []
    for symbol in stock.get("symbols") or ():  # type: ignore[attr-defined]
        exchange, _, ticker = str(symbol.get("google", "")).partition(":")
        if exchange in ("NYSE", "NASDAQ", "NYSEARCA", "NYSEAMERICAN") and ticker:
            found.append(ticker)
    return found


def _market(stock: Mapping[str, object]) -> str:
    """Where it has no listing there, it is American all the same whose ticker names no exchange."""
    symbols = [str(symbol.get("google") or ":") for symbol in stock.get("symbols") or ()]  # type: ignore[attr-defined]
    return "XNYS" if any(":" not in symbol for symbol in symbols) else _HOMES.get(str(stock.get("country")), "")


def _short_names(name: str) -> tuple[str, ...]:
    short = _LEGAL.sub("", name).strip(" ,")
    return (short,) if len(short) >= _SHORTEST_NAME else ()


def tag_many(articles: Iterable[Article], companies: Companies) -> list[TaggedArticle]:
    """The articles with the companies their titles and bodies name."""
    return [TaggedArticle(article, companies.find(article.text)) for article in articles]
