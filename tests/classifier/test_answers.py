"""What the shipped weights answer: right, whole, and the same whatever stands beside."""

from __future__ import annotations

import random

import pytest
import structlog

from monitor.classifier.transformer import CHUNK_CPU, TransformerClassifier
from monitor.classifier.windows import MAX_WINDOWS
from monitor.types import Passage
from tests.classifier.texts import BAD, GOOD, TOLERANCE, near


def test_it_tells_good_news_from_bad(classifier: TransformerClassifier) -> None:
    good, bad = classifier.classify([Passage(GOOD), Passage(BAD)])
    assert good.probabilities.sentiment == "positive"
    assert bad.probabilities.sentiment == "negative"
    assert all(abs(sum(one.probabilities) - 1) < 1e-6 and 0 < one.topic_probability <= 1 for one in (good, bad))


def test_each_company_of_a_text_gets_its_own_sentiment(classifier: TransformerClassifier) -> None:
    text = "Infosys gains 5% on a strong outlook while Wipro slumps on weak earnings"
    (one,) = classifier.classify([Passage(text, ("Infosys", "Wipro"))])
    infosys, wipro = one.entities
    assert infosys.score > 0.3
    assert wipro.score < -0.3


def test_the_same_text_gets_the_same_answer_whatever_its_neighbours(classifier: TransformerClassifier) -> None:
    passage = Passage(BAD, ("Acme",))
    (alone,) = classifier.classify([passage])
    crowd = [Passage(f"{GOOD} " * (1 + number % 9)) for number in range(60)]
    among = classifier.classify([*crowd[:31], passage, *crowd[31:]])[31]
    assert near(alone, among)
    assert alone.topic == among.topic
    assert abs(alone.entities[0].score - among.entities[0].score) < TOLERANCE


def test_a_long_text_is_read_to_its_end(classifier: TransformerClassifier) -> None:
    start = "The company published its calendar for the coming year on its web site. " * 12
    plain, ends_badly = classifier.classify([Passage(start * 2), Passage(start + f"{BAD}. " * 12)])
    assert ends_badly.probabilities.negative > plain.probabilities.negative + 0.2


def test_a_book_in_the_batch_does_not_hurt_its_neighbours(classifier: TransformerClassifier) -> None:
    alone = classifier.classify([Passage(GOOD), Passage(BAD)])
    good, book, bad = classifier.classify([Passage(GOOD), Passage("profit " * 50_000), Passage(BAD)])
    assert near(good, alone[0])
    assert near(bad, alone[1])
    assert abs(sum(book.probabilities) - 1) < 1e-6
    read = classifier._windows([Passage("profit " * 50_000)])
    assert len(read) == MAX_WINDOWS


def test_a_text_longer_than_the_model_reads_is_told_once_with_its_length(classifier: TransformerClassifier) -> None:
    whole, book = "profit " * 6_000, "profit " * 7_000
    with structlog.testing.capture_logs() as told:
        classifier.classify([Passage(GOOD), Passage(whole, ("Acme",)), Passage(book, ("Acme",))])
    (one,) = told
    assert one["event"] == "a text is longer than the model reads; its end is not judged"
    assert (one["characters"], one["windows_read"]) == (len(book), MAX_WINDOWS)


def test_nothing_asked_is_nothing_answered(classifier: TransformerClassifier) -> None:
    assert classifier.classify([]) == []
    assert len(classifier.classify([Passage("")])) == 1


def test_answers_keep_the_order_of_the_texts_over_chunks_batches_and_lanes(classifier: TransformerClassifier) -> None:
    texts = [f"{(GOOD, BAD)[number % 3 == 0]}{' again' * (number % 11)}" for number in range(CHUNK_CPU + 200)]
    said = [one.probabilities.sentiment for one in classifier.classify([Passage(text) for text in texts])]
    assert said == [("positive", "negative")[number % 3 == 0] for number in range(len(texts))]


ODD = (
    "",
    " \n\t ",
    "📈" * 400,
    "e\u0301" * 300 + " profit",
    "\u200bprofit\u200d warning\u2060\ufeff",
    "a" * 5_000,
    "[SEP] [CLS] [PAD] [MASK]",
    "https://example.com/only-a-link",
    "&amp;&lt;&#0;&#xD800;",
    "مؤشر الأسهم يرتفع",
    "株価が急落した",
    "\x00\x01\x02",
)


def test_odd_texts_are_answered_and_hurt_nobody(classifier: TransformerClassifier) -> None:
    alone = classifier.classify([Passage(GOOD), Passage(BAD)])
    good, *odd, bad = classifier.classify(
        [Passage(GOOD), *(Passage(text, (text, "Acme")) for text in ODD), Passage(BAD)]
    )
    assert near(good, alone[0])
    assert near(bad, alone[1])
    for one in odd:
        for probabilities in (one.probabilities, *one.entities):
            assert sum(probabilities) == pytest.approx(1)
            assert all(0 <= p <= 1 for p in probabilities)
        assert len(one.entities) == 2


def test_any_order_gets_the_same_answers(classifier: TransformerClassifier) -> None:
    passages = [Passage(f"{(GOOD, BAD)[n % 2]} {'more ' * (n % 40)}", ("Acme",) * (n % 3)) for n in range(200)]
    order = list(range(200))
    random.Random(3).shuffle(order)
    answers = classifier.classify(passages)
    for at, one in zip(order, classifier.classify([passages[at] for at in order]), strict=True):
        assert near(one, answers[at])
        assert one.topic == answers[at].topic or abs(one.topic_probability - answers[at].topic_probability) < TOLERANCE
        assert len(one.entities) == len(passages[at].entities)


def test_a_company_asked_for_twice_is_answered_twice_alike(classifier: TransformerClassifier) -> None:
    (one,) = classifier.classify([Passage(BAD, ("Acme", "Globex", "Acme"))])
    first, _other, again = one.entities
    assert first == pytest.approx(again, abs=TOLERANCE)


def test_a_name_within_another_is_judged_by_itself(classifier: TransformerClassifier) -> None:
    text = "Ford Credit collapses under bad loans and fraud while Ford posts a record profit"
    (one,) = classifier.classify([Passage(text, ("Ford Credit", "Ford"))])
    credit, ford = one.entities
    assert credit.score < ford.score


def test_a_name_as_long_as_a_book_is_answered(classifier: TransformerClassifier) -> None:
    (one,) = classifier.classify([Passage(BAD, ("Acme " * 20_000,))])
    assert sum(one.entities[0]) == pytest.approx(1)
