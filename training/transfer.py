"""What the labels of one set say about another task, too. Pure.

Headlines are labelled only with what they say of companies, posts only with what they say as a whole. Trained on those
alone, the sentiment of a headline and the sentiment toward a company in a post are asked of heads that never saw such a
text. Two cases leave no doubt: a headline that says the same of every company it names says that as a whole, and a
post that names one company says of it what it says as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

from monitor.entities import Companies
from training.data import Example

TRANSFERRED = "transferred"
"""The source of such examples: they are learned from, and measured beside the sets' own."""


def transferred(examples: Iterable[Example], companies: Companies) -> list[Example]:
    """Examples of a split, as examples of the other task where they leave no doubt."""
    examples = list(examples)
    return list(chain(_headlines(examples), _posts(examples, companies)))


def _headlines(examples: Iterable[Example]) -> Iterator[Example]:
    said: dict[str, set[int]] = defaultdict(set)
    for one in examples:
        if one.company_sentiment is not None:
            said[one.text].add(one.company_sentiment)
    for text, values in said.items():
        if len(values) == 1:
            yield Example(text, TRANSFERRED, sentiment=values.pop())


def _posts(examples: Iterable[Example], companies: Companies) -> Iterator[Example]:
    for one in examples:
        if one.sentiment is not None and len(named := {found.surface for found in companies.find(one.text)}) == 1:
            yield Example(one.text, TRANSFERRED, company=named.pop(), company_sentiment=one.sentiment)
