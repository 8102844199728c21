"""Texts -> windows -> batches -> runs: every token once, none of padding, memory bounded."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.classifier import windows as packing
from monitor.classifier.transformer import BUDGET_CPU, TransformerClassifier
from monitor.classifier.windows import _cut, _split, batches, runs_of, windows_of
from monitor.types import Passage
from tests.classifier.texts import headline_lengths, windows


def test_batches_hold_every_window_once_within_the_budget() -> None:
    packed = list(batches(windows(headline_lengths(700)), 1_024))
    assert sorted(window.passage for batch in packed for window in batch) == list(range(700))
    assert all(sum(len(window.tokens) for window in batch) <= 1_024 for batch in packed)


def test_a_window_larger_than_the_budget_still_gets_its_batch() -> None:
    assert [len(batch) for batch in batches(windows([500, 500]), 128)] == [1, 1]


@pytest.mark.parametrize("count", [32, 256, 1_024])
def test_runs_count_each_token_and_nothing_else(count: int) -> None:
    lengths = headline_lengths(count)
    packed = list(batches(windows(lengths), BUDGET_CPU))
    assert sum(run.tokens for batch in packed for run in runs_of(batch)) == sum(lengths)
    assert all(len({run.length for run in runs_of(batch)}) == len(runs_of(batch)) for batch in packed)


def test_windows_hold_every_token_of_a_text_up_to_the_last_one_read() -> None:
    ids = np.array([101, *range(1_000, 1_500), 102])
    parts = list(_split(ids, 128))
    assert {token for part, _ in parts for token in part} == set(ids)
    assert all(len(part) <= 128 and part[0] == 101 and part[-1] == 102 for part, _ in parts)
    assert not any(goes_on for _, goes_on in parts)


def test_a_pair_too_long_keeps_its_beginning_and_the_company_at_its_end() -> None:
    cut = _cut(np.arange(300), 128)
    assert len(cut) == 128
    assert (cut[0], cut[-1]) == (0, 299)


def test_texts_are_tokenised_some_at_a_time_and_answer_as_at_once(
    classifier: TransformerClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [Passage(f"Acme wins {number}", ("Acme", "Globex")) for number in range(50)]
    tokenizer = classifier._tokenizer
    at_once = windows_of(passages, tokenizer, 128)
    monkeypatch.setattr(packing, "CHARACTERS_AT_ONCE", 40)
    some = windows_of(passages, tokenizer, 128)
    assert [(one.passage, one.entity, one.tokens.tolist()) for one in some] == [
        (one.passage, one.entity, one.tokens.tolist()) for one in at_once
    ]


def test_what_looks_like_a_token_of_the_model_is_read_as_text(classifier: TransformerClassifier) -> None:
    (window,) = windows_of([Passage("[CLS] profit [SEP] [PAD]")], classifier._tokenizer, 128)
    special = {classifier._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]")}
    assert special.isdisjoint(window.tokens[1:-1].tolist())


def test_a_company_at_either_end_of_a_long_text_is_in_the_window(classifier: TransformerClassifier) -> None:
    filler = "The weather stays as it is. " * 200
    named = classifier._tokenizer.encode("wipro", add_special_tokens=False).ids
    for text in (f"Wipro slumps. {filler}", f"{filler}Then Wipro slumps.", f"{filler}{filler}Wipro"):
        *_, window = windows_of([Passage(text, ("Wipro",))], classifier._tokenizer, 128)
        assert window.tokens.tolist().count(named[0]) >= 2  # in the text, and as what is asked
