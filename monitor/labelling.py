"""Stories and what the version in service says of them -> which a person should label next, and why. Pure.

A third is drawn uniformly and marked `audit`: only on such labels may a candidate be compared with the version in
service. Whether somebody has corrected a story makes no difference to the draw; else the model's found errors would be
missing from it. The others are taken by worth, the sum of three shares in [0, 1]:

- doubt: 1 - (most likely - second most likely sentiment), or 1 - p(topic), whichever is more;
- dispute: how far the sentiment toward a company lies from the article's (total variation), the farthest company's;
- rarity: 1 - how often its topic is said / how often the most frequent one is.

Each story taken of a topic or of a company halves the worth of the next one there, so that the queue is diverse.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from monitor.store.read_unlabelled import Judged
from monitor.types import Probabilities

AUDIT = 1 / 3
"""Share of the queue that is drawn uniformly."""
AGAIN = 0.5
"""What one more of the same topic or company is worth, against the one before."""
MOST_STORIES = 50_000
"""A queue is chosen from so many of the newest stories."""
FEWEST_AUDITS = 200
"""A candidate is held against the version in service on so many audit labels at least."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An article to label."""

    article: str
    is_audit: bool
    why: str


def queue(stories: Sequence[Judged], size: int, seed: int = 0) -> list[Asked]:
    """At most `size` articles, no article twice, audits between the others. The same seed draws the same audits."""
    audits = audit(stories, round(size * AUDIT), seed)
    drawn = set(audits)
    rest = [one for one in stories if not one.is_corrected and not one.is_audited and one.article not in drawn]
    worth = [Asked(one.article, False, why) for one, why in most_worth(rest, size - len(audits))]
    # Mixed: whoever stops halfway has labelled audits, too, and cannot tell them by their place. Audits have the least
    # draws of all, so their places are drawn anew.
    mixed = [Asked(article, True, "drawn at random") for article in audits] + worth
    return sorted(mixed, key=lambda one: _draw(seed, f"place of {one.article}"))


def audit(stories: Sequence[Judged], size: int, seed: int) -> list[str]:
    """A uniform draw of those not audited yet: the articles whose hash with the seed is least."""
    waiting = [one.article for one in stories if not one.is_audited]
    return heapq.nsmallest(size, waiting, key=lambda article: _draw(seed, article))


def most_worth(stories: Sequence[Judged], size: int) -> list[tuple[Judged, str]]:
    """Greedy: always the one worth most beside those taken before it, with the greatest of its reasons."""
    said = Counter(one.topic for one in stories)
    shares = [reasons(one, said) for one in stories]
    # A worth only ever falls, so what comes up with its worth as it is now is the greatest.
    heap = [(-sum(share.values()), number) for number, share in enumerate(shares)]
    heapq.heapify(heap)
    taken: Counter[tuple[str, str]] = Counter()
    found: list[tuple[Judged, str]] = []
    while heap and len(found) < size:
        _, number = heapq.heappop(heap)
        one = stories[number]
        now = sum(shares[number].values()) * AGAIN ** max((taken[kind] for kind in _kinds(one)), default=0)
        if heap and now < -heap[0][0]:
            heapq.heappush(heap, (-now, number))
            continue
        taken.update(_kinds(one))
        found.append((one, max(shares[number], key=shares[number].__getitem__)))
    return found


def reasons(one: Judged, said: Counter[str]) -> dict[str, float]:
    """What makes it worth a label, each in [0, 1], in words for the person who labels."""
    first, second = next(pairwise(sorted(one.sentiment, reverse=True)))
    return {
        "the model is unsure": max(1 - (first - second), 1 - one.topic_probability),
        "company and article disagree": max(
            (_distance(one.sentiment, toward) for toward in one.companies.values()), default=0.0
        ),
        "its topic is rare": 1 - said[one.topic] / max(said.values()),
    }


def _distance(one: Probabilities, other: Probabilities) -> float:
    return sum(abs(mine - its) for mine, its in zip(one, other, strict=True)) / 2


def _kinds(one: Judged) -> Iterator[tuple[str, str]]:
    yield "topic", one.topic
    for company in one.companies:
        yield "company", company


def _draw(seed: int, article: str) -> bytes:
    return hashlib.sha256(f"{seed}:{article}".encode()).digest()
