"""Scores against tables reckoned by hand, and temperatures that never harm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.answers import Answers
from training.calibrate import error_by_chance, expected_calibration_error, nll, reliability, temperature_for
from training.data import Example
from training.evaluate import by_topic
from training.metrics import (
    accuracy,
    chance_of_better,
    class_scores,
    confusion,
    interval,
    macro_f1,
    recall_at_precision,
    weighted_f1,
)

# Three classes, ten texts: class 2 never answered right.
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1])


def test_rows_of_the_confusion_are_what_was_true() -> None:
    assert confusion(LABELS, ANSWERS, 3).tolist() == [[3, 1, 0], [2, 2, 0], [1, 1, 0]]


def test_scores_are_those_reckoned_by_hand() -> None:
    matrix = confusion(LABELS, ANSWERS, 3)
    first, second, third = class_scores(matrix)
    assert (first.precision, first.recall, first.f1, first.support) == pytest.approx((3 / 6, 3 / 4, 0.6, 4))
    assert (second.precision, second.recall, second.f1) == pytest.approx((2 / 4, 2 / 4, 0.5))
    assert (third.precision, third.recall, third.f1) == (0, 0, 0)
    assert accuracy(matrix) == 0.5
    assert macro_f1(matrix) == pytest.approx((0.6 + 0.5 + 0) / 3)
    assert weighted_f1(matrix) == pytest.approx((4 * 0.6 + 4 * 0.5) / 10)


def test_a_class_that_occurs_nowhere_does_not_pull_the_mean_down() -> None:
    assert macro_f1(confusion(LABELS[:4], LABELS[:4], 20)) == 1


def test_recall_at_a_precision_is_the_best_threshold_s() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    is_class = np.array([True, True, False, True, True, False])
    # 4 of 5 named are right and all are found; nothing better follows.
    assert recall_at_precision(scores, is_class, 0.80) == 1
    assert recall_at_precision(scores, is_class, 0.90) == 0.5
    assert recall_at_precision(scores, ~is_class, 0.80) == 0


def test_a_threshold_cannot_part_equal_scores() -> None:
    assert recall_at_precision(np.array([0.9, 0.9]), np.array([True, False]), 0.80) == 0


def test_an_interval_holds_its_score_and_narrows_with_more_labels() -> None:
    low, high = interval(LABELS, ANSWERS, 3, accuracy)
    assert low < 0.5 < high
    many_low, many_high = interval(np.tile(LABELS, 20), np.tile(ANSWERS, 20), 3, accuracy)
    assert low < many_low < 0.5 < many_high < high


def test_the_better_of_two_wins_most_redraws_and_twins_are_even() -> None:
    labels = np.tile(LABELS, 20)
    assert chance_of_better(labels, labels, np.tile(ANSWERS, 20), 3) == 1
    assert chance_of_better(labels, labels, labels, 3) == 0.5


LOGITS = arrays(np.float64, (12, 3), elements=st.floats(-8, 8))
TRUTH = arrays(np.int64, 12, elements=st.integers(0, 2))


@given(LOGITS, TRUTH)
@settings(max_examples=40, deadline=None)
def test_calibration_never_raises_the_loss_and_changes_no_answer(logits: np.ndarray, labels: np.ndarray) -> None:
    temperature = temperature_for(logits, labels)
    assert temperature > 0
    assert nll(logits, labels, temperature) <= nll(logits, labels) + 1e-12


def test_an_answer_twice_too_sure_gets_the_temperature_two() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (20_000, 3))
    chances = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in chances])
    assert temperature_for(2 * honest, labels) == pytest.approx(2, abs=0.08)
    assert expected_calibration_error(chances, labels) < 0.02


def test_few_answers_show_a_calibration_error_by_chance_that_many_do_not() -> None:
    rng = np.random.default_rng(5)
    chances = rng.dirichlet((1.0, 2.0, 3.0), 20_000)
    mean_of_few, most_of_few = error_by_chance(chances[:300], draws=100)
    mean_of_many, most_of_many = error_by_chance(chances, draws=20)
    assert mean_of_many < 0.01 < 0.02 < mean_of_few < most_of_few < 0.1
    assert most_of_many < mean_of_few
    drawn = (chances.cumsum(-1) < rng.random((len(chances), 1))).sum(-1)
    assert expected_calibration_error(chances[:300], drawn[:300]) < 1.5 * most_of_few
    assert (
        expected_calibration_error(chances[:300] ** 4 / (chances[:300] ** 4).sum(-1, keepdims=True), drawn[:300])
        > most_of_few
    )


def test_the_calibration_error_is_the_mean_gap_weighted_by_answers() -> None:
    # Three answers of confidence 0.9, two right; one of 0.6, right: (3 * |0.9 - 2/3| + 1 * |0.6 - 1|) / 4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    labels = np.array([0, 0, 1, 1])
    assert expected_calibration_error(probabilities, labels) == pytest.approx((3 * (0.9 - 2 / 3) + 0.4) / 4)
    assert [step.count for step in reliability(probabilities, labels)] == [1, 3]


def test_a_slice_by_topic_is_of_what_the_version_tells_and_a_thin_one_is_left_out() -> None:
    labels = np.array([0, 2] * 20)
    logits = np.eye(3)[labels]
    logits[:30] = np.eye(3)[0]  # of the first thirty, half are wrong
    topics = np.array([1] * 30 + [0] * 10)
    answers = Answers([Example(str(index), "sentiment") for index in range(40)], labels, logits, topics)
    sliced = by_topic(answers, ["Macro", "Earnings"])
    assert {name: row["accuracy"] for name, row in sliced.items()} == {"topic told: Earnings": 0.5}
