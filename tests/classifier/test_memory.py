"""Memory is bounded, running out of it is survived, threads end, and their errors reach the caller."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from monitor.classifier.packed import Heads
from monitor.classifier.transformer import TransformerClassifier, load_classifier
from monitor.classifier.windows import Window
from monitor.types import Judgement, Passage
from tests.classifier.texts import GOOD, near, windows


@pytest.fixture
def own(tmp_path: Path) -> TransformerClassifier:
    """To be changed."""
    return load_classifier("small", tmp_path, "cpu")


def test_no_more_than_a_chunk_is_tokenised_ahead_and_two_batches_a_lane_computed(
    own: TransformerClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "_chunk", 40)
    tokenise, judge, forward = own._windows, own._judge, own._forward
    tokenised, judged, begun = [0], [0], [0]
    ahead: list[int] = []

    def counted(passages: Sequence[Passage]) -> list[Window]:
        tokenised[0] += 1
        ahead.append(tokenised[0] - judged[0])
        return tokenise(passages)

    def judging(*arguments: Any) -> list[Judgement]:
        judged[0] += 1
        return judge(*arguments)

    def started(batch: Sequence[Window]) -> Heads:
        begun[0] += 1
        return forward(batch)

    for name, instead in (("_windows", counted), ("_judge", judging), ("_forward", started)):
        monkeypatch.setattr(own, name, instead)
    own.classify([Passage(f"{GOOD} {number}") for number in range(400)])
    assert (tokenised, judged) == ([10], [10])
    assert max(ahead) <= 2  # the chunk being judged, and the next
    begun[0] = 0
    monkeypatch.setattr(own, "_budget", 9)  # a batch a window
    answers = own.logits(windows([9] * 100))
    for taken, _ in enumerate(answers, 1):
        assert begun[0] <= taken + 2 * own._lanes
    assert begun == [100]


def test_out_of_memory_halves_the_batch_and_answers_the_same(
    own: TransformerClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [Passage(f"{GOOD} {number}") for number in range(24)]
    expected = own.classify(passages)
    forward, sizes = own._forward, []

    def scarce(batch: Sequence[Window]) -> Heads:
        sizes.append(len(batch))
        if len(batch) > 6:
            raise torch.OutOfMemoryError("injected")
        return forward(batch)

    monkeypatch.setattr(own, "_forward", scarce)
    answered = own.classify(passages)
    assert all(near(one, other) for one, other in zip(expected, answered, strict=True))
    assert sizes[0] > 6  # it did run out
    sizes.clear()
    own.classify(passages)
    assert max(sizes) <= 6, "the smaller budget is kept"


def test_out_of_memory_on_a_single_window_is_not_swallowed(
    own: TransformerClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(batch: Sequence[Window]) -> Heads:
        raise torch.OutOfMemoryError(f"injected for {len(batch)}")

    monkeypatch.setattr(own, "_forward", none_left)
    with pytest.raises(torch.OutOfMemoryError):
        own.classify([Passage(GOOD)])


@pytest.mark.parametrize("where", ["_windows", "_forward"])
def test_an_error_on_a_thread_reaches_the_caller_and_every_thread_ends(
    own: TransformerClassifier, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(given: Sequence[object]) -> object:
        raise ValueError(f"injected for {len(given)}")

    before = threading.active_count()
    own.classify([Passage(GOOD)])
    assert threading.active_count() == before
    monkeypatch.setattr(own, "_chunk", 10)
    monkeypatch.setattr(own, where, broken)
    with pytest.raises(ValueError, match="injected"):
        own.classify([Passage(GOOD)] * 40)
    assert threading.active_count() == before


def test_whoever_stops_taking_answers_leaves_no_thread_behind(own: TransformerClassifier) -> None:
    before = threading.active_count()
    own._budget = 9
    answers = own.logits(windows([9] * 100))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
