"""Stories on real news: precision and recall of pairs, and headlines per second. Prints a table.

python -m tests.benchmarks.stories

Reads TOCSIN_TEST_DATA/uci-news. Its groups split one event over several ids, so those that share SHARED identical long
titles are merged first. A found pair is right where both lie in one merged group. Recall asks for the near-duplicates
of a group: pairs with WORDS of their words in common, by a plain word count that knows nothing of Tocsin's rules.
SAME was chosen on the first half of the time; the second half is the test.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path

from monitor.stories import WINDOW
from monitor.story_lines import stories_lines

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "uci-news"
SHARED, LONG = 3, 6
"""Identical titles, of so many words at least, that make two groups one."""
WORDS = 0.8

Row = dict[str, str]
Pair = tuple[int, int]


def main() -> None:
    """Measure both halves of the time apart."""
    with gzip.open(DATA / "business.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["at"])
    group = merged_groups(rows)
    print(
        f"{'half':8}{'rows':>8}{'stories':>9}{'precision':>11}{'reworded':>10}{'recall':>8}{'reworded':>10}{'rows/s':>8}"
    )
    middle = len(rows) // 2
    for name, half in (("first", rows[:middle]), ("second", rows[middle:])):
        measure(name, half, group)


def measure(name: str, rows: Sequence[Row], group: dict[str, str]) -> None:
    """One line: pairs in all, and those whose titles differ in their words."""
    began = time.perf_counter()
    story = answered(rows)
    seconds = time.perf_counter() - began
    titles = [words_of(row["title"]) for row in rows]
    truth = [group[row["story"]] for row in rows]
    found = pairs_within(story)
    right = {pair for pair in found if truth[pair[0]] == truth[pair[1]]}
    times = [datetime.fromisoformat(row["at"]) for row in rows]
    wanted = {
        (one, other)
        for one, other in pairs_within(truth, lambda a, b: alike(titles[a], titles[b]) >= WORDS)
        if abs(times[one] - times[other]) <= WINDOW
    }
    shares = [
        share(len(right), len(found)),
        share(reworded(right, titles), reworded(found, titles)),
        share(len(wanted & found), len(wanted)),
        share(reworded(wanted & found, titles), reworded(wanted, titles)),
    ]
    print(
        f"{name:8}{len(rows):8}{len(set(story)):9}{shares[0]:11.4f}{shares[1]:10.4f}{shares[2]:8.4f}{shares[3]:10.4f}"
        f"{len(rows) / seconds:8.0f}"
    )


def answered(rows: Sequence[Row]) -> list[str]:
    """The story of each, by the very function behind `tocsin stories`."""
    out = io.StringIO()
    asked = (json.dumps({"id": row["id"], "title": row["title"], "published": row["at"]}) for row in rows)
    stories_lines(asked, out)
    return [json.loads(line)["story"] for line in out.getvalue().splitlines()]


def merged_groups(rows: Iterable[Row]) -> dict[str, str]:
    """The merged group of each of the data's own."""
    by_title: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        title = " ".join(re.findall(r"\w+", row["title"].lower()))
        if len(title.split()) >= LONG:
            by_title[title].add(row["story"])
    shared = Counter(pair for groups in by_title.values() for pair in combinations(sorted(groups), 2))
    parent = {row["story"]: row["story"] for row in rows}

    def root(one: str) -> str:
        while parent[one] != one:
            one = parent[one]
        return one

    for (one, other), count in shared.items():
        if count >= SHARED:
            parent[root(one)] = root(other)
    return {one: root(one) for one in parent}


def pairs_within(keys: Sequence[Hashable], keep: Callable[[int, int], bool] | None = None) -> set[Pair]:
    """All pairs of positions with one key, where `keep` agrees."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        members[key].append(number)
    return {pair for together in members.values() for pair in combinations(together, 2) if keep is None or keep(*pair)}


def reworded(pairs: Iterable[Pair], titles: Sequence[frozenset[str]]) -> int:
    """Pairs that are not word for word the same."""
    return sum(titles[one] != titles[other] for one, other in pairs)


def words_of(title: str) -> frozenset[str]:
    """Its words, lower-case."""
    return frozenset(re.findall(r"\w+", title.lower()))


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's share of common words; nothing shares nothing."""
    return len(one & other) / len(one | other) if one or other else 0.0


def share(part: int, whole: int) -> float:
    """0 of 0 is not a number to be proud of."""
    return part / whole if whole else float("nan")


if __name__ == "__main__":
    main()
