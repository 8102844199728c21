"""Who is in the simulated world: companies, publishers and the words for their slots. Owns the data files' format."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from monitor.types import Kind

DATA: Traversable = files("ingest.simulator")

WATCHLIST = Path(__file__).with_name("companies.csv")
"""The simulated companies as a watch-list, for `monitor.entities`."""


@dataclass(frozen=True, slots=True)
class Company:
    ticker: str
    name: str
    short: str
    sector: str
    city: str


@dataclass(frozen=True, slots=True)
class Publisher:
    name: str
    family: str
    kind: Kind
    weight: float
    wire: bool = False
    """Others copy its reports."""
    beat: tuple[str, ...] = ()
    """The topics it covers; all where empty."""

    def covers(self, topic: str) -> bool:
        return not self.beat or topic in self.beat

    @property
    def slug(self) -> str:
        return self.name.lower().removeprefix("the ").replace(" ", "-")

    @property
    def source(self) -> str:
        return f"simulated:{self.slug}"


@dataclass(frozen=True, slots=True)
class Words:
    """What a slot can become: anywhere, and in one sector."""

    general: dict[str, list[str]]
    sectors: dict[str, dict[str, list[str]]]


@cache
def companies() -> tuple[Company, ...]:
    with (DATA / "companies.csv").open(encoding="utf-8") as file:
        return tuple(Company(**row) for row in csv.DictReader(file))


@cache
def publishers() -> tuple[Publisher, ...]:
    return tuple(
        Publisher(**entry | {"beat": tuple(entry.get("beat", ()))}) for entry in _toml("publishers.toml")["publisher"]
    )


@cache
def words() -> Words:
    data = _toml("words.toml")
    return Words(general=data["general"], sectors=data["sectors"])


def company_named(ticker: str) -> Company:
    """KeyError where the world knows no such ticker."""
    return {company.ticker: company for company in companies()}[ticker]


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))
