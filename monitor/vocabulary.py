"""What is known of words: which are ordinary English, so that a capital alone makes no name of them, and which names
are one company's. Reads the package's own lists once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

WORDS = Path(__file__).with_name("words.txt")
NAMES = Path(__file__).with_name("names.toml")
"""Other names people use, and the words that make a company's name an ordinary word. Written by hand."""


def word_set(line: str) -> frozenset[str]:
    """The words of a line that lists them."""
    return frozenset(line.split())


@cache
def dictionary() -> frozenset[str]:
    """Some 43,000 words of English in lower case, inflections included; no proper names."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@cache
def ordinary_words() -> frozenset[str]:
    """The dictionary without the words that companies go by in headlines (apple, target)."""
    return dictionary() - other_names().keys() - {"fed", "nestle"}


@cache
def other_names() -> dict[str, frozenset[str]]:
    """What else the company of a name of one word goes by: facebook -> {meta}. Lower case."""
    with NAMES.open("rb") as file:
        aliases = tomllib.load(file)["aliases"].values()
    single = [frozenset(name.lower().replace("-", "") for name in names if " " not in name) for names in aliases]
    return {name: names - {name} for names in single for name in names}
