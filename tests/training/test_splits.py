"""Splits that share no near-duplicate and never move."""

import re
from collections import Counter
from pathlib import Path

import pytest

from monitor.errors import UsageError
from training.data import SPLITS, Example, balance, near_duplicates, read_examples, split, unlike


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[Example]:
    return read_examples(shared_data)


@pytest.fixture(scope="module")
def parts(examples: list[Example]) -> dict[str, list[Example]]:
    return split(examples)


def test_the_shipped_models_splits_never_move(parts: dict[str, list[Example]]) -> None:
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {"train": 28_266, "validation": 2_822, "gate": 2_991, "test": 2_963}


def test_no_near_duplicate_straddles_a_split(parts: dict[str, list[Example]]) -> None:
    """Counted anew, by an index of word pairs: every pair of texts that share one is compared."""

    def pairs(text: str) -> frozenset[str]:
        words = re.sub(r"[^a-z0-9 ]", "", text.lower()).split()
        return frozenset(" ".join(words[at : at + 2]) for at in range(max(1, len(words) - 1)))

    trained = {pairs(one.text) for one in parts["train"]}
    holding: dict[str, list[frozenset[str]]] = {}
    for text in trained:
        for pair in text:
            holding.setdefault(pair, []).append(text)
    for one in parts["test"]:
        mine = pairs(one.text)
        shared = Counter(other for pair in mine for other in holding.get(pair, ()))
        assert all(count < 0.6 * (len(mine) + len(other) - count) for other, count in shared.items()), one.text


def test_a_text_with_conflicting_labels_is_dropped_whole_and_a_repeat_kept_once(examples: list[Example]) -> None:
    seen = [(one.source, one.company, one.text.lower()) for one in examples]
    assert len(set(seen)) == len(seen)


def test_every_class_is_in_every_split(parts: dict[str, list[Example]]) -> None:
    assert set(parts) == set(SPLITS)
    every = {head: set(classes) for head, classes in balance(parts["train"]).items()}
    assert len(every["topic"]) == 20
    assert all({head: set(classes) for head, classes in balance(part).items()} == every for part in parts.values())


def test_a_changed_word_stays_a_duplicate_and_another_report_does_not() -> None:
    texts = [
        "Boeing shares fall after the regulator opens an inquiry into the new jet programme in Seattle today",
        "Boeing shares fall after the regulator opens an inquiry into the new jet programme in Seattle",
        "Nestle raises its outlook for the year on strong coffee sales",
    ]
    first, second, third = near_duplicates(texts)
    assert first == second != third


def test_a_missing_file_is_told_with_what_the_folder_must_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"topic_train\.csv\.gz; --data names the folder that holds"):
        read_examples(tmp_path)


def test_what_is_alike_to_a_kept_out_text_is_not_learned_from() -> None:
    kept = ["Acme wins a large order for engines in Norway today"]
    things = [
        "acme wins a large order for engines in norway, today",
        "Bolt cuts its outlook for the year after a recall",
    ]
    assert unlike(things, str, kept) == things[1:]
    assert unlike([], str, kept) == []
