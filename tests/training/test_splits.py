"""Splits that share no near-duplicate and never move."""

from pathlib import Path

import pytest

from monitor.errors import UsageError
from training.data import SPLITS, Example, balance, near_duplicates, read_examples, split


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[Example]:
    return read_examples(shared_data)


@pytest.fixture(scope="module")
def parts(examples: list[Example]) -> dict[str, list[Example]]:
    return split(examples)


def test_the_shipped_model_s_splits_never_move(parts: dict[str, list[Example]]) -> None:
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {"train": 28_096, "validation": 2_890, "gate": 3_059, "test": 2_997}


def test_no_near_duplicate_straddles_a_split(examples: list[Example]) -> None:
    some = examples[::6]
    where = {id(one): name for name, part in split(some).items() for one in part}
    by_group: dict[int, set[str]] = {}
    for one, leader in zip(some, near_duplicates([each.text for each in some]), strict=True):
        by_group.setdefault(leader, set()).add(where[id(one)])
    assert len(by_group) < len(some)
    assert all(len(names) == 1 for names in by_group.values())


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
