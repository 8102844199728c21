"""The classifier on the shipped weights: packing, long texts, neighbours, memory, and the lines it answers."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch

from monitor.classifier import transformer
from monitor.classifier.fused import can_fuse, fuse
from monitor.classifier.lines import classify_lines
from monitor.classifier.network import load_network
from monitor.classifier.reading import mark, normalise
from monitor.classifier.transformer import TransformerClassifier, load_classifier
from monitor.classifier.windows import MAX_WINDOWS, Window, _split, batches, padding_waste
from monitor.entities import Companies, load_companies
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import read_manifest, shipped_folder
from monitor.types import Judgement, Passage

GOOD = "Acme raises its outlook after record quarterly profit and a larger dividend"
BAD = "Acme shares plunge after the auditor resigns over missing cash and fraud claims"
TOLERANCE = 0.03
"""bfloat16 sums in another order beside other neighbours."""


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> TransformerClassifier:
    return load_classifier("small", tmp_path_factory.mktemp("data"), "cpu")


@pytest.fixture(scope="module")
def companies() -> Companies:
    return load_companies()


def windows(lengths: Sequence[int]) -> list[Window]:
    return [Window([7] * length, index, -1) for index, length in enumerate(lengths)]


def headline_lengths(count: int) -> list[int]:
    """As real headlines and posts are long: most of 10 to 35 tokens, a few much longer."""
    rng = random.Random(5)
    return [min(128, max(4, round(rng.lognormvariate(3.0, 0.45)))) for _ in range(count)]


def near(one: Judgement, other: Judgement) -> bool:
    return all(abs(a - b) < TOLERANCE for a, b in zip(one.probabilities, other.probabilities, strict=True))


# -- packing


def test_batches_hold_every_window_once_within_budget_and_rows() -> None:
    packed = list(batches(windows(headline_lengths(700)), 1_024, 32))
    assert sorted(window.passage for batch in packed for window in batch) == list(range(700))
    assert all(len(batch) <= 32 and len(batch) * len(batch[0].tokens) <= 1_024 for batch in packed)
    assert all(len(batch[0].tokens) == max(len(one.tokens) for one in batch) for batch in packed)


def test_a_window_larger_than_the_budget_still_gets_its_batch() -> None:
    assert [len(batch) for batch in batches(windows([500, 500]), 128, 64)] == [1, 1]


@pytest.mark.parametrize("count", [32, 256, 1_024])
def test_at_most_a_twentieth_of_the_computed_tokens_is_padding(count: int) -> None:
    packed = list(
        batches(windows(headline_lengths(count)), transformer.BUDGET_CPU, transformer.ROWS_CPU, transformer.WASTE_CPU)
    )
    assert padding_waste(packed) <= 0.05
    assert len(packed) < count  # not won by giving each window a batch of its own


# -- answers


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


def test_windows_hold_every_token_of_a_text_up_to_the_last_one_read() -> None:
    ids = [101, *range(1_000, 1_500), 102]
    parts = list(_split(ids, 128))
    assert {token for part, _ in parts for token in part} == set(ids)
    assert all(len(part) <= 128 and part[0] == 101 and part[-1] == 102 for part, _ in parts)
    assert not any(goes_on for _, goes_on in parts)


# -- linear layers of the CPU


def test_fused_layers_answer_as_the_plain_ones_do() -> None:
    if not can_fuse():
        pytest.skip("this processor or this build of PyTorch has no bfloat16 in oneDNN")
    folder = shipped_folder() / "small"
    plain = load_network(folder, len(read_manifest(folder).topics)).to(torch.bfloat16)
    fused = copy.deepcopy(plain)
    fuse(fused.encoder)
    assert not any(isinstance(module, torch.nn.Linear) for module in fused.encoder.modules())
    ids, mask = torch.randint(1_000, 20_000, (8, 24), generator=torch.Generator().manual_seed(0)), torch.ones(8, 24)
    mask[:4, 15:] = 0
    with torch.inference_mode():
        for one, other in zip(plain(ids, mask.long()), fused(ids, mask.long()), strict=True):
            assert torch.allclose(one.float().softmax(-1), other.float().softmax(-1), atol=TOLERANCE)


def test_nothing_asked_is_nothing_answered(classifier: TransformerClassifier) -> None:
    assert classifier.classify([]) == []
    assert len(classifier.classify([Passage("")])) == 1


def test_links_and_references_are_read_as_in_training() -> None:
    assert normalise("AT&amp;amp;T  falls https://t.co/x \n today") == "AT&T falls today"
    assert mark("Acme sues Acme", "Acme") == "[ Acme ] sues [ Acme ]"


def test_answers_keep_the_order_of_the_texts_over_chunks_batches_and_lanes(classifier: TransformerClassifier) -> None:
    texts = [f"{(GOOD, BAD)[number % 3 == 0]}{' again' * (number % 11)}" for number in range(transformer.CHUNK + 200)]
    said = [one.probabilities.sentiment for one in classifier.classify([Passage(text) for text in texts])]
    assert said == [("positive", "negative")[number % 3 == 0] for number in range(len(texts))]


# -- memory


def test_no_more_than_a_chunk_is_tokenised_ahead_and_two_batches_a_lane_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = load_classifier("small", tmp_path, "cpu")
    monkeypatch.setattr(transformer, "CHUNK", 40)
    tokenise, judge, forward = classifier._windows, classifier._judge, classifier._forward
    tokenised, judged, begun = [0], [0], [0]
    ahead: list[int] = []

    def counted(passages: Sequence[Passage]) -> list[Window]:
        tokenised[0] += 1
        ahead.append(tokenised[0] - judged[0])
        return tokenise(passages)

    def judging(*arguments: Any) -> list[Judgement]:
        judged[0] += 1
        return judge(*arguments)

    def started(batch: Sequence[Window]) -> transformer.Logits:
        begun[0] += 1
        return forward(batch)

    for name, instead in (("_windows", counted), ("_judge", judging), ("_forward", started)):
        monkeypatch.setattr(classifier, name, instead)
    classifier.classify([Passage(f"{GOOD} {number}") for number in range(400)])
    assert (tokenised, judged) == ([10], [10])
    assert max(ahead) <= 2  # the chunk being judged, and the next
    begun[0] = 0
    monkeypatch.setattr(classifier, "_budget", 20)  # a batch a window
    answers = classifier.logits(windows([9] * 100))
    for taken, _ in enumerate(answers, 1):
        assert begun[0] <= taken + 2 * classifier._lanes


def test_out_of_memory_halves_the_batch_and_answers_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_classifier("small", tmp_path, "cpu")
    passages = [Passage(f"{GOOD} {number}") for number in range(24)]
    expected = classifier.classify(passages)
    forward, sizes = classifier._forward, []

    def scarce(batch: Sequence[Window]) -> transformer.Logits:
        sizes.append(len(batch))
        if len(batch) > 6:
            raise torch.OutOfMemoryError("injected")
        return forward(batch)

    monkeypatch.setattr(classifier, "_forward", scarce)
    answered = classifier.classify(passages)
    assert all(near(one, other) for one, other in zip(expected, answered, strict=True))
    assert sizes[0] > 6  # it did run out
    sizes.clear()
    classifier.classify(passages)
    assert max(sizes) <= 6, "the smaller budget is kept"


def test_out_of_memory_on_a_single_window_is_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_classifier("small", tmp_path, "cpu")

    def none_left(batch: Sequence[Window]) -> transformer.Logits:
        raise torch.OutOfMemoryError(f"injected for {len(batch)}")

    monkeypatch.setattr(classifier, "_forward", none_left)
    with pytest.raises(torch.OutOfMemoryError):
        classifier.classify([Passage(GOOD)])


# -- loading


def test_the_shipped_version_says_what_it_is() -> None:
    manifest = read_manifest(shipped_folder() / "small")
    assert len(manifest.topics) == 20
    assert {"data", "configuration", "validation", "test", "encoder", "weights_sha256"} <= set(manifest.everything)
    assert (shipped_folder() / "small" / "report" / "report.md").is_file()


def test_damaged_weights_are_told_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "models" / "broken"
    broken.mkdir(parents=True)
    for name in ("manifest.json", "config.json", "tokenizer.json"):
        (broken / name).write_bytes((shipped_folder() / "small" / name).read_bytes())
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailable, match="is damaged"):
        load_classifier(str(broken), tmp_path, "cpu")


def test_an_unknown_device_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="unknown device 'abacus'"):
        transformer.choose_device("abacus")


# -- lines


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
