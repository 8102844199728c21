"""Companies named in real text: recall by gazetteer, headline set and cashtag, and a sample to judge by hand.

python -m tests.benchmarks.entities [SAMPLE [SEED]]

Reads TOCSIN_TEST_DATA. `own name`: each S&P 500 company in a plain sentence, by the constituents' list. `headlines`:
the companies that SEntFiN's authors marked, where the word list knows their name. `cashtags`: tweets of a ticker that
write $TICKER. With SAMPLE, so many mentions found in uci-news and so many capitalised S&P names left untagged there
are printed: precision and recall are what a person makes of them.
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from monitor.entities import Companies, load_companies

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
LEGAL = re.compile(r"(?:,? (?:Inc|Corp|Corporation|Company|Companies|Co|plc|Ltd|Group|\(The\))\.?)+$")


def main() -> None:
    """Print the table, then the samples asked for."""
    companies = load_companies()
    print(f"{'':12}{'asked':>8}{'found':>8}{'share':>8}")
    for name, verdicts in (
        ("own name", own_names(companies)),
        ("headlines", headlines(companies)),
        ("cashtags", cashtags(companies)),
    ):
        found = list(verdicts)
        print(f"{name:12}{len(found):8}{sum(found):8}{sum(found) / len(found):8.3f}")
    if len(sys.argv) > 1:
        samples(companies, int(sys.argv[1]), random.Random(sys.argv[2] if len(sys.argv) > 2 else "1"))


def rows(path: str) -> Iterator[dict[str, str]]:
    """Of a CSV under DATA, gzipped or not."""
    raw = (DATA / path).read_bytes()
    text = (gzip.decompress(raw) if path.endswith(".gz") else raw).decode()
    yield from csv.DictReader(io.StringIO(text, newline=""))


def own_names(companies: Companies) -> Iterator[bool]:
    """Whether each S&P 500 company is found by its name and by its ticker's key."""
    for row in rows("gazetteers/sp500_constituents.csv"):
        name = row["Security"].replace(" (The)", "")
        yield bool(companies.find(f"Shares of {name} fell on Monday"))


def headlines(companies: Companies) -> Iterator[bool]:
    """Whether each marked company with a known name is found in its headline."""
    known = {name.lower(): one.company for one in companies.all.values() for name in one.names}
    for row in rows("sentfin/sentfin.csv.gz"):
        try:
            marked = ast.literal_eval(row["Decisions"])
        except (SyntaxError, ValueError):  # a few rows quote an apostrophe wrongly
            continue
        found = {mention.company for mention in companies.find(row["Title"])}
        yield from (known[name.lower()] in found for name in marked if name.lower() in known)


def cashtags(companies: Companies) -> Iterator[bool]:
    """Whether the ticker that a tweet writes as a cashtag is found."""
    for row in rows("stocknet/tweets.csv.gz"):
        tag = f"${row['ticker']}"
        if row["text"] and re.search(re.escape(tag) + r"\b", row["text"]):
            ticker = companies.ticker_of(tag)
            yield ticker is not None and any(mention.ticker == ticker for mention in companies.find(row["text"]))


def samples(companies: Companies, count: int, rng: random.Random) -> None:
    """Mentions found, and S&P 500 names that stand untagged, of as many titles."""
    titles = list(dict.fromkeys(row["title"] for row in rows("uci-news/business.csv.gz")))
    found = [(mention, title) for title in titles for mention in companies.find(title)]
    print(f"\n{len(found)} mentions in {len(titles)} titles; of them:")
    for mention, title in rng.sample(found, count):
        print(f"{mention.surface} [{mention.company}] | {title}")
    names = {LEGAL.sub("", row["Security"]) for row in rows("gazetteers/sp500_constituents.csv")}
    named = re.compile(r"\b(?:" + "|".join(re.escape(name) for name in names if len(name) > 2) + r")\b")
    asked = [(match[0], title) for title in titles for match in named.finditer(title)]
    lot = rng.sample(asked, count)
    missed = [
        (name, title)
        for name, title in lot
        if not any(name in one.surface or one.surface in name for one in companies.find(title))
    ]
    print(f"\n{count} of {len(asked)} capitalised S&P 500 names; untagged:")
    for name, title in missed:
        print(f"{name} | {title}")


if __name__ == "__main__":
    main()
