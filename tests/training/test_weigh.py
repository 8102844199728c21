"""What two versions are asked: no text that one of them may have learned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.store.labels import Label, LabelledText, Origin
from tests.contracts.test_store import article
from tests.training.tiny import write_rows, write_sets
from training.data import FILES, Example, file_hashes, near_duplicates, read_examples, split
from training.lineage import Said, learned_by, lineage
from training.weigh import audits_of, gate_of, questions_of, trials

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def hours(count: int) -> datetime:
    return NOW + timedelta(hours=count)


def said(number: int, origin: Origin, at: datetime, value: str = "negative", **changed: str) -> LabelledText:
    one = article(number)
    label = Label(article=one.id, task="sentiment", value=value, origin=origin, who="ann", at=at)
    return LabelledText(label, changed.get("title", one.title), changed.get("body", ""), None)


def version(name: str, made_at: datetime, **changed: Any) -> Said:
    return {"version": name, "made_at": made_at.isoformat(), **changed}


def asked(labels: list[LabelledText], *versions: Said, here: Mapping[str, Said] | None = None) -> list[str]:
    family = [one for each in versions for one in lineage(each, (here or {}).get)]
    return [one.passage.text for one in audits_of(labels, learned_by(family, labels))]


def test_an_audit_of_what_was_learned_before_it_is_not_counted() -> None:
    labels = [
        said(0, "correction", hours(1)),
        said(1, "audit", hours(1)),
        said(1, "correction", hours(1)),
        said(0, "audit", hours(3)),
        said(2, "audit", hours(3)),
        said(2, "correction", hours(3)),
    ]
    assert asked(labels, version("one", hours(2))) == [article(1).title, article(2).title]


def test_what_the_elder_version_learned_counts_for_none_though_it_was_audited_before_the_younger_began() -> None:
    labels = [said(0, "correction", hours(1)), said(0, "audit", hours(3)), said(1, "audit", hours(3))]
    candidate, champion = version("new", hours(4)), version("old", hours(2))
    assert asked(labels, candidate) == [article(0).title, article(1).title]
    assert asked(labels, candidate, champion) == [article(1).title]


def test_what_was_said_after_a_training_read_the_labels_was_not_learned() -> None:
    """A killed one that goes on later is made later, and learns what it began with."""
    labels = [said(0, "correction", hours(1)), said(1, "correction", hours(3)), said(0, "audit", hours(3))]
    labels.append(said(1, "audit", hours(4)))
    for until, counted in ((hours(2).isoformat(), [1]), (hours(3).isoformat(), [0]), (None, [0, 1])):
        persons = {"labels": 1, "until": until}
        assert asked(labels, version("one", hours(9), persons=persons)) == [article(n).title for n in counted]


def test_what_a_teacher_or_the_version_before_learned_counts_for_none_either() -> None:
    labels = [said(0, "correction", hours(1)), said(0, "audit", hours(3)), said(1, "audit", hours(3))]
    here = {"teacher": version("teacher", hours(4), goes_on_from="root"), "root": version("root", hours(2))}
    for made_from in ({"teachers": {"teacher": "a hash"}}, {"teacher": here["teacher"]}, {"goes_on_from": "teacher"}):
        assert asked(labels, version("pupil", hours(4), **made_from), here=here) == [article(1).title]
    circle = {"a": version("a", hours(4), goes_on_from="b"), "b": version("b", hours(4), goes_on_from="a")}
    assert [one["version"] for one in lineage(circle["a"], circle.get)] == ["a", "b"]


def test_an_audit_of_a_copy_of_what_was_learned_counts_for_none() -> None:
    labels = [
        said(0, "correction", hours(1)),
        said(1, "audit", hours(3), title=article(0).title.upper() + "!", body="The whole of it, as another tells it."),
        said(2, "audit", hours(3)),
    ]
    assert asked(labels, version("one", hours(2))) == [article(2).title]


def test_only_audits_are_compared_on_the_newest_of_each_question() -> None:
    labels = [
        said(0, "audit", hours(0)),
        said(0, "audit", hours(1), value="positive"),
        said(0, "correction", hours(1), value="neutral"),
        said(1, "correction", hours(1)),
    ]
    found = audits_of(labels, learned=())
    assert [(one.head, one.answer) for one in found] == [("sentiment", "positive")]
    assert found[0].passage.text == article(0).title


def test_a_topic_that_one_version_does_not_know_counts_against_it() -> None:
    questions = questions_of([Example("x", "topic", topic="Legal"), Example("y", "topic", topic="IPO")])
    (found,) = trials(questions, ["Legal", "IPO"], ["Legal", "M&A"])
    assert [found.classes[at] for at in found.candidate] == ["Legal", "M&A"]
    assert [found.classes[at] for at in found.labels] == ["Legal", "IPO"]


def test_the_gate_split_holds_nothing_that_a_version_of_other_files_named_with_it_learned(tmp_path: Path) -> None:
    write_sets(old := tmp_path / "old")
    write_sets(new := tmp_path / "new")
    learned = [one.text for one in split(read_examples(old))["train"]]
    rewritten = [(f"{text} today", text.split()[1]) for text in learned]  # such a row leads its group elsewhere
    write_rows(new / FILES["topic"], ("text", "topic"), rewritten)

    def alike(gate: list[str]) -> int:
        return sum(leader < len(learned) for leader in near_duplicates([*learned, *gate])[len(learned) :])

    alone, together = gate_of([new]), gate_of([new, old])
    assert alike([one.text for one in alone.examples]) > 0
    assert alike([one.text for one in together.examples]) == 0
    assert together.examples
    assert together.sets == [file_hashes(new), file_hashes(old)]
    assert gate_of([]).examples == ()
