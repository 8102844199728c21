"""`tocsin classify`: what a line answers, and what a bad one does."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest

from monitor.classifier.lines import classify_lines
from monitor.classifier.transformer import TransformerClassifier
from monitor.entities import Companies
from tests.classifier.texts import BAD, GOOD


def answers(lines: Sequence[str], classifier: TransformerClassifier, companies: Companies) -> tuple[int, list[dict]]:
    out = io.StringIO()
    bad = classify_lines([line + "\n" for line in lines], out, classifier, companies)
    return bad, [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_answer_has_exactly_the_promised_fields(classifier: TransformerClassifier, companies: Companies) -> None:
    bad, (one,) = answers([json.dumps({"id": 1, "text": BAD, "entities": ["Acme"]})], classifier, companies)
    assert bad == 0
    promised = ["id", "topic", "topic_probability", "sentiment", "probabilities", "score", "entities", "model"]
    assert list(one) == promised
    assert list(one["probabilities"]) == ["negative", "neutral", "positive"]
    assert one["sentiment"] == max(one["probabilities"], key=one["probabilities"].get)
    assert one["score"] == pytest.approx(one["probabilities"]["positive"] - one["probabilities"]["negative"], abs=2e-6)
    (entity,) = one["entities"]
    assert list(entity) == ["entity", "ticker", "sentiment", "probabilities", "score"]
    assert one["model"] == classifier.version


def test_given_companies_come_back_verbatim_and_in_order(
    classifier: TransformerClassifier, companies: Companies
) -> None:
    asked = ["Wipro", "Nobody  Named Here", "Wipro"]
    _bad, (one,) = answers([json.dumps({"id": "a", "text": BAD, "entities": asked})], classifier, companies)
    assert [entity["entity"] for entity in one["entities"]] == asked
    assert one["entities"][1]["ticker"] is None


def test_companies_are_found_where_none_are_given(classifier: TransformerClassifier, companies: Companies) -> None:
    line = {"id": 1, "title": "Apple and Microsoft beat estimates", "body": "Both raised their outlook."}
    _bad, (one,) = answers([json.dumps(line)], classifier, companies)
    assert {entity["ticker"] for entity in one["entities"]} == {"AAPL", "MSFT"}
    _bad, (none,) = answers([json.dumps({**line, "entities": []})], classifier, companies)
    assert none["entities"] == []


def test_bad_lines_answer_in_their_place_and_the_rest_goes_on(
    classifier: TransformerClassifier, companies: Companies
) -> None:
    lines = [
        json.dumps({"id": 7, "text": GOOD}),
        "{broken",
        json.dumps({"id": "x", "text": "   "}),
        json.dumps({"id": [1]}),
        json.dumps({"id": "8", "text": BAD, "entities": "Acme"}),
        json.dumps({"id": "7", "text": BAD}),
    ]
    bad, said = answers(lines, classifier, companies)
    assert bad == 4
    assert [set(one) == {"id", "error"} for one in said] == [False, True, True, True, True, False]
    assert (said[0]["id"], said[2]["id"], said[5]["id"]) == (7, "x", "7")


def test_an_empty_text_gives_way_to_title_and_body(classifier: TransformerClassifier, companies: Companies) -> None:
    said = {"title": BAD, "body": "Both raised their outlook."}
    forms = [said, {**said, "text": None}, {**said, "text": ""}, {"body": said["body"]}, {"text": said["body"]}]
    bad, (first, null, empty, body, text) = answers(
        [json.dumps({"id": 1, **form}) for form in forms[:3]]
        + [json.dumps({"id": 1, "title": "", **form}) for form in forms[3:]],
        classifier,
        companies,
    )
    assert bad == 0
    assert first == null == empty
    assert body == text


def test_names_that_no_text_can_hold_end_no_run(classifier: TransformerClassifier, companies: Companies) -> None:
    asked = ["Acme \ud800", "X" * 5_000]
    lines = [json.dumps({"id": 1, "text": BAD, "entities": each}) for each in (asked, ["\ud800"])]
    bad, (one, none) = answers(lines, classifier, companies)
    assert [entity["entity"] for entity in one["entities"]] == asked
    assert (bad, none) == (1, {"id": 1, "error": "entities must be a list of names"})
