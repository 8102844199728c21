"""What the classifier is asked, and that each article gets its own answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.classifier.constant import ConstantClassifier
from monitor.judging import judged
from monitor.types import Article, Judgement, Mention, Passage, TaggedArticle
from tests.contracts.test_store import ACME, BOLT, article


@dataclass
class Listening:
    """The constant classifier, which remembers what it was asked."""

    version: str = "constant"
    asked: list[Passage] = field(default_factory=list)

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        self.asked += passages
        return ConstantClassifier().classify(passages)


def tagged(one: Article, *mentions: Mention) -> TaggedArticle:
    return TaggedArticle(one, mentions)


def test_a_text_that_many_post_is_read_once_and_answers_for_each_of_them() -> None:
    posts = [
        tagged(article(1, "Acme sues Bolt"), ACME, BOLT),
        tagged(article(2, "Bolt rallies"), BOLT),
        tagged(article(3, "Acme sues Bolt"), ACME, BOLT),
        tagged(article(4, "Acme sues Bolt"), BOLT),
        tagged(article(5, "Nobody knows")),
    ]
    listening = Listening()
    found = judged(posts, listening)
    assert [one.tagged for one in found] == posts
    assert listening.asked == [
        Passage("Acme sues Bolt", ("Acme", "Bolt")),
        Passage("Bolt rallies", ("Bolt",)),
        Passage("Acme sues Bolt", ("Bolt",)),
        Passage("Nobody knows"),
    ]
    for one, again in zip(found, posts, strict=True):
        passage = Passage(again.article.text, tuple(mention.surface for mention in again.mentions))
        assert one.judgement == ConstantClassifier().classify([passage])[0]


def test_nothing_to_judge_asks_nothing() -> None:
    listening = Listening()
    assert judged([], listening) == []
    assert listening.asked == []
