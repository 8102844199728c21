"""A scripted crisis: a burst of distinct bad stories about one company. Pure.

Twelve stories, published at different houses within a minute and a half, are found in one round of asking, so that
whoever watches has most of the evidence at once; six reactions follow ever more slowly over three minutes, too few
to count as growth worth a second alert.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache

from ingest.simulator import grammar
from ingest.simulator.newsroom import Item, copies, number_of
from ingest.simulator.world import Publisher, companies, company_named, publishers, words

HEAD_START_S = (3.0, 90.0)
REACTIONS_S = (25.0, 180.0)
COPIED_SHARE = 0.45
SCRIPT_OF_SECTOR = {
    "banks": "accounting",
    "insurance": "accounting",
    "energy": "accounting",
    "mining": "accounting",
    "apparel": "accounting",
    "retail": "accounting",
    "homes": "accounting",
    "steel": "accounting",
    "media": "breach",
    "utilities": "breach",
    "software": "breach",
    "telecom": "breach",
    "payments": "breach",
    "airlines": "breach",
    "logistics": "breach",
}
"""Makers of things have a recall; the script must fit what the company sells."""


@cache
def crisis_order() -> tuple[str, ...]:
    """Every company's ticker, in the order of their crises.

    The scripts take turns: within hours, one script at two companies tells stories so alike that they are one event.
    """
    drawn = random.Random("crisis order").sample([company.ticker for company in companies()], len(companies()))
    turns: dict[str, int] = defaultdict(int)
    place: dict[str, tuple[int, int]] = {}
    for ticker in drawn:
        script = script_of(ticker)
        place[ticker] = (turns[script], list(turns).index(script))
        turns[script] += 1
    return tuple(sorted(drawn, key=place.__getitem__))


def crisis_company(run: int) -> str:
    """The ticker of the company whose crisis the run-th demo shows; each run another, until all had theirs."""
    return crisis_order()[run % len(crisis_order())]


def next_crisis_company(had: Collection[str]) -> str:
    """The first in that order that had none yet; once all had one, the first again."""
    return next((ticker for ticker in crisis_order() if ticker not in had), crisis_order()[0])


def script_of(ticker: str) -> str:
    return SCRIPT_OF_SECTOR.get(company_named(ticker).sector, "recall")


def crisis_items(ticker: str, at: datetime, seed: int) -> list[Item]:
    """Distinct stories from at least six families, some of them copied, in order of time."""
    rng = random.Random(f"{seed}/crisis/{ticker}/{at.isoformat()}")
    breaking, reactions = grammar.crisis_script(script_of(ticker))
    houses = _houses(rng)
    items: list[Item] = []
    for index, template in enumerate(breaking + reactions):
        due = at + _offset(index - len(breaking), len(reactions))
        title, body = grammar.fill(template, grammar.Blanks(rng, words(), company_named(ticker)))
        ahead = timedelta(seconds=rng.uniform(*HEAD_START_S)) if due == at else timedelta(0)
        item = Item(due, houses[index % len(houses)], title, body, number_of(rng), head_start=ahead)
        items.append(item)
        if rng.random() < COPIED_SHARE:
            items += copies(rng, item, rng.randint(1, 3), timedelta(seconds=60))
    return sorted(items, key=lambda item: (item.at, item.number))


def _offset(reaction: int, count: int) -> timedelta:
    """How long after the start the reaction of that place comes; what breaks has a negative place. The power spreads
    them out: the news dries up."""
    if reaction < 0:
        return timedelta(0)
    first, last = REACTIONS_S
    return timedelta(seconds=first + (last - first) * (reaction / (count - 1)) ** 1.5)


def _houses(rng: random.Random) -> list[Publisher]:
    """The news publishers, one of each family before a second of any."""
    shuffled = [one for one in rng.sample(publishers(), len(publishers())) if one.kind == "news"]
    seen: dict[str, int] = {}
    ranked = []
    for one in shuffled:
        seen[one.family] = seen.get(one.family, 0) + 1
        ranked.append((seen[one.family], one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]
