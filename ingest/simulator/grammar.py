"""Templates -> sentences. Pure but for reading the template files once; the same rng gives the same text.

A template file starts with `topic:` and `weight:`; a section `[kind tone]` holds one template a line,
`headline || body`. `{slot}` is a value (the same wherever it recurs in one text), `<a|b>` a choice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from ingest.simulator.world import DATA, Company, Words, companies
from monitor.types import Kind, Sentiment

CHOICE = re.compile(r"<([^<>]+)>")
SLOT = re.compile(r"\{(\w+)\}")
COMPANY_SLOTS = ("{co}", "{t}", "{peer}")
SMALL_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "per", "the", "to", "with")
)
CLOSER_SHARE: dict[Kind, float] = {"news": 0.6, "report": 0.0, "comment": 0.5}


@dataclass(frozen=True, slots=True)
class Template:
    headline: str
    body: str = ""

    @property
    def names_company(self) -> bool:
        return any(slot in self.headline for slot in COMPANY_SLOTS)


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    weight: float
    sections: dict[tuple[Kind, Sentiment], tuple[Template, ...]]


@dataclass
class Blanks:
    """Fills the slots of one text; a slot keeps its value within it."""

    rng: random.Random
    words: Words
    company: Company
    chosen: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        text = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), text)
        return SLOT.sub(lambda match: self.value(match[1]), text)

    def value(self, slot: str) -> str:
        if slot not in self.chosen:
            self.chosen[slot] = self._draw(slot)
        return self.chosen[slot]

    def _draw(self, slot: str) -> str:
        if slot in COMPANY_VALUES:
            return COMPANY_VALUES[slot](self)
        if slot in NUMBERS:
            return NUMBERS[slot](self.rng)
        sector = self.words.sectors[self.company.sector]
        return self.rng.choice(sector[slot] if slot in sector else self.words.general[slot])

    def peer(self) -> str:
        others = [other for other in companies() if other != self.company]
        rivals = [other for other in others if other.sector == self.company.sector]
        return self.rng.choice(rivals or others).short


COMPANY_VALUES: dict[str, Callable[[Blanks], str]] = {
    "co": lambda blanks: blanks.company.short if blanks.rng.random() < 0.6 else blanks.company.name,
    "t": lambda blanks: blanks.company.ticker,
    "city": lambda blanks: blanks.company.city,
    "peer": Blanks.peer,
}

NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "n": lambda rng: str(rng.randint(3, 9)),
    "pct": lambda rng: f"{rng.uniform(1.1, 7.9):.1f}",
    "bigpct": lambda rng: str(rng.randint(11, 34)),
    "fill": lambda rng: str(rng.randint(55, 95)),
    "count": lambda rng: f"{rng.randint(4, 90) * 100:,}",
    "m": lambda rng: f"${rng.randint(6, 95) * 10} million",
    "b": lambda rng: f"${rng.uniform(1.1, 9.8):.1f} billion",
    "eps": lambda rng: f"${rng.uniform(0.2, 4.5):.2f}",
    "cents": lambda rng: f"${rng.uniform(0.04, 0.95):.2f}",
    "price": lambda rng: f"${rng.randint(9, 240)}",
    "oil": lambda rng: str(rng.randint(62, 108)),
    "metalprice": lambda rng: f"{rng.randint(20, 98) * 100:,}",
}


def fill(template: Template, blanks: Blanks) -> tuple[str, str]:
    """(headline, body)."""
    return _capitalised(blanks.fill(template.headline)), _capitalised(blanks.fill(template.body))


def closer(blanks: Blanks, template: Template, kind: Kind, tone: Sentiment) -> str:
    """A last sentence in the voice of the kind, or nothing."""
    if blanks.rng.random() > CLOSER_SHARE[kind]:
        return ""
    about = "comment" if kind == "comment" else "company" if template.names_company else "general"
    return blanks.fill(blanks.rng.choice(closers()[about, tone]))


def title_case(text: str) -> str:
    """As press releases write headlines: Every Word but the small ones."""
    return " ".join(
        word if word in SMALL_WORDS or not word[:1].islower() else word[:1].upper() + word[1:]
        for word in text.split(" ")
    )


@cache
def topics() -> tuple[Topic, ...]:
    found = [file for file in (DATA / "templates").iterdir() if file.name.endswith(".txt")]
    return tuple(
        _topic(file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
        if file.name != "closers.txt"
    )


@cache
def closers() -> dict[tuple[str, str], tuple[str, ...]]:
    """(company|general|comment, tone) -> last sentences."""
    text = (DATA / "templates" / "closers.txt").read_text(encoding="utf-8")
    return {(head[0], head[1]): tuple(lines) for head, lines in _sections(text.splitlines())}


@cache
def crisis_names() -> tuple[str, ...]:
    return tuple(sorted(file.name.removesuffix(".txt") for file in (DATA / "crises").iterdir()))


@cache
def crisis_script(name: str) -> tuple[tuple[Template, ...], tuple[Template, ...]]:
    """(breaking, reactions): the stories that break at once, and those that follow as it eases."""
    text = (DATA / "crises" / f"{name}.txt").read_text(encoding="utf-8")
    parts = {head[0]: tuple(map(_template, lines)) for head, lines in _sections(text.splitlines())}
    return parts["breaking"], parts["reactions"]


def _topic(text: str) -> Topic:
    name, weight, *rest = text.splitlines()
    return Topic(
        name=name.removeprefix("topic:").strip(),
        weight=float(weight.removeprefix("weight:")),
        sections={(head[0], head[1]): tuple(map(_template, lines)) for head, lines in _sections(rest)},  # type: ignore[misc]
    )


def _sections(lines: Iterable[str]) -> list[tuple[list[str], list[str]]]:
    found: list[tuple[list[str], list[str]]] = []
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("["):
            found.append((line.strip("[]").split(), []))
        else:
            found[-1][1].append(line)
    return found


def _template(line: str) -> Template:
    headline, _, body = line.partition("||")
    return Template(headline.strip(), body.strip())


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("$") else text
