"""When a candidate may serve, and what it is told when it may not."""

import numpy as np
import pytest

from monitor.labelling import FEWEST_AUDITS
from training.gate import Trial, decide

CLASSES = ("negative", "neutral", "positive")
LABELS = np.arange(600) % 3


def answers(wrong: dict[int, float], among: int = 600) -> np.ndarray:
    """Right but for the given share of each class, which is answered with the next class."""
    said = LABELS[:among].copy()
    for value, share in wrong.items():
        of_class = np.flatnonzero(LABELS[:among] == value)
        said[of_class[: round(share * len(of_class))]] = (value + 1) % 3
    return said


def trial(champion: dict[int, float], candidate: dict[int, float], size: int = 600) -> Trial:
    return Trial("sentiment", CLASSES, LABELS[:size], answers(champion, size), answers(candidate, size))


EVEN = {0: 0.2, 1: 0.2, 2: 0.2}
BETTER = {0: 0.1, 1: 0.1, 2: 0.1}
WORSE = {0: 0.3, 1: 0.3, 2: 0.3}
NEUTRAL_POOR, NEGATIVE_POOR = {0: 0.05, 1: 0.5}, {0: 0.3}
"""The second is better on the whole, and pays with the class that the alarms live by."""

DECISIONS = [
    ("better on the audits, the same on the gate split", trial(EVEN, EVEN), trial(EVEN, BETTER), "", True, "better on"),
    ("better on both", trial(EVEN, BETTER), trial(EVEN, BETTER), "", True, "better on"),
    ("only the same on the audits", trial(EVEN, BETTER), trial(EVEN, EVEN), "", False, "not surely better"),
    ("worse on the gate split", trial(EVEN, WORSE), trial(EVEN, BETTER), "", False, "worse on the gate split"),
    ("worse on the audits", trial(EVEN, EVEN), trial(EVEN, WORSE), "", False, "worse on the audit labels"),
    ("one class pays", trial(EVEN, EVEN), trial(NEUTRAL_POOR, NEGATIVE_POOR), "", False, "negative loses"),
    ("one class pays on the gate", trial({1: 0.3}, {2: 0.3}), trial(EVEN, BETTER), "", False, "loses"),
    ("too few audits", trial(EVEN, EVEN), trial(EVEN, BETTER, FEWEST_AUDITS - 1), "", False, "199 of 200 audit labels"),
    ("too few, forced", trial(EVEN, EVEN), trial(EVEN, BETTER, 100), "new desk", True, "new desk"),
    ("too few, forced with nothing said", trial(EVEN, EVEN), trial(EVEN, BETTER, 100), "  ", False, "--force REASON"),
    ("forced, but worse on the gate split", trial(EVEN, WORSE), trial(EVEN, EVEN, 9), "hurry", False, "gate split"),
    ("force does not excuse a failed audit", trial(EVEN, EVEN), trial(EVEN, WORSE), "hurry", False, "worse on the aud"),
]


@pytest.mark.parametrize(
    ("gate", "audits", "force", "promoted", "told"), [row[1:] for row in DECISIONS], ids=[row[0] for row in DECISIONS]
)
def test_the_gate_decides_and_says_why(gate: Trial, audits: Trial, force: str, promoted: bool, told: str) -> None:
    verdict = decide([gate], [audits], force)
    assert verdict.promoted is promoted, verdict.reasons
    assert any(told in reason for reason in verdict.reasons), verdict.reasons


def test_without_any_audit_label_nothing_is_promoted() -> None:
    assert not decide([trial(EVEN, BETTER)], []).promoted


def test_without_a_gate_split_better_audits_need_a_person_s_reason() -> None:
    assert "no gate split" in decide([], [trial(EVEN, BETTER)]).reasons[0]
    promoted = decide([], [trial(EVEN, BETTER)], "files are lost")
    assert promoted.promoted
    assert promoted.reasons[0] == "better on 600 audit labels"
    assert promoted.reasons[1].endswith(": files are lost")


def few(size: int, mended: int, head: str = "sentiment") -> Trial:
    """Both right but for a tenth; of that the candidate mends so many."""
    champion = LABELS[:size].copy()
    champion[: size // 10] = (champion[: size // 10] + 1) % 3
    candidate = champion.copy()
    candidate[:mended] = LABELS[:mended]
    return Trial(head, CLASSES, LABELS[:size], champion, candidate)


@pytest.mark.parametrize(("mended", "promoted"), [(0, False), (3, False), (25, True)])
def test_a_lead_of_a_few_answers_is_chance(mended: int, promoted: bool) -> None:
    """Three of three that differ: equal versions show that in one of eight cases."""
    assert decide([trial(EVEN, EVEN)], [few(250, mended)]).promoted is promoted


def test_one_head_s_only_label_makes_no_version_better() -> None:
    one = Trial("company", CLASSES, LABELS[:1], (LABELS[:1] + 1) % 3, LABELS[:1])
    assert not decide([trial(EVEN, EVEN)], [few(250, 0), one]).promoted


def test_a_verdict_has_a_reason_either_way() -> None:
    forced = decide([], [], "first model")
    assert forced.promoted
    assert forced.reasons == ("forced with no gate split, 0 of 200 audit labels: first model",)


@pytest.mark.parametrize(("texts", "promoted"), [(40, True), (400, False)])
def test_a_class_s_loss_is_held_against_chance(texts: int, promoted: bool) -> None:
    """Two more of forty wrong is what an equal version shows on some class of twenty; twenty of 400 is not."""
    names = [f"topic {number}" for number in range(20)]
    labels = np.repeat(np.arange(20), texts)
    champion, candidate = labels.copy(), labels.copy()
    champion[: texts // 20] = 1
    candidate[: texts // 10] = 1
    champion[texts * 5 : texts * 5 + texts // 4] = 6  # what the candidate mends
    verdict = decide([Trial("topic", names, labels, champion, candidate)], [], "no audits yet")
    assert verdict.promoted is promoted, verdict.reasons
    assert promoted or "topic 0 loses" in verdict.reasons[0]
