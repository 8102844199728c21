"""A candidate's way into service and back: the gate, its own past first, the flip, nothing of the news left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from monitor.errors import ModelUnavailable, TocsinError, UsageError
from monitor.rescoring import Loadable
from monitor.store.counts import recount
from monitor.store.engine import Database
from monitor.store.labels import Label, add_labels
from monitor.store.models import in_service, put_in_service, register, service_history
from monitor.store.save import save
from monitor.store.workers import ALIVE, WorkerState, tell_state
from monitor.types import SENTIMENTS, Judgement, Passage, Probabilities
from tests.contracts.test_store import NOW, article, database, everything, judged, rows
from tests.test_rescoring import loadable
from training.data import Example
from training.promote import promote, roll_back
from training.weigh import Gate

__all__ = ["database"]
DAYS_AGO = NOW - timedelta(days=3)


@dataclass
class Skilled:
    """Knows the true sentiment, which stands in the text, and errs on every `errs`-th text."""

    version: str
    errs: int
    saw: Callable[[], None] = lambda: None
    seen: list[str] = field(default_factory=list)

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        self.saw()
        return [self._judge(one.text) for one in passages]

    def _judge(self, text: str) -> Judgement:
        self.seen.append(text)
        number = int(text.split()[1])
        odds = [0.05, 0.05, 0.05]
        odds[(number + (number // 3 % self.errs == 0)) % 3] = 0.9
        return Judgement("Earnings", 0.9, Probabilities(*odds))


def truth(number: int) -> str:
    return SENTIMENTS[number % 3]


SET = {"topic": "hash one", "sentiment": "hash two"}
GATE = Gate([Example(f"Report {n} of the gate", "sentiment", sentiment=n % 3) for n in range(300)], [SET])


def news(database: Database, count: int, audits: int = 0) -> None:
    """Articles of three days ago under the version `one`, and audit labels of some."""
    save(database, [judged(article(n, at=DAYS_AGO + timedelta(seconds=n))) for n in range(count)], [], [], DAYS_AGO)
    said = [
        Label(article=f"a{n}", task="sentiment", value=truth(n), origin="audit", who="ann", at=NOW)
        for n in range(audits)
    ]
    add_labels(database, said)


@dataclass
class Desk:
    """Calls promote and roll_back as the command does."""

    database: Database
    versions: dict[str, Skilled]
    told: list[str] = field(default_factory=list)
    learned: dict[str, dict[str, str]] = field(default_factory=dict)
    """From which labelled files, where not from those of the gate split."""
    on: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens when a line that holds these words is told."""

    def find(self, name: str) -> Loadable:
        if name not in self.versions:
            raise ModelUnavailable(f"no model {name!r} is here")
        learned = {task: {"sha256": digest} for task, digest in self.learned.get(name, SET).items()}
        return loadable(self.versions[name], data=learned)

    def tell(self, line: str) -> None:
        self.told.append(line)
        for words, act in self.on.items():
            if words in line:
                act()

    def promote(self, name: str, gate: Gate = GATE, force: str = "") -> None:
        promote(self.database, self.find(name), self.find, gate, "ann", force, self.clock, self.tell, settle_s=0)

    def roll_back(self) -> str:
        return roll_back(self.database, self.find, "bob", "it rang all night", self.clock, self.tell, settle_s=0)

    def clock(self) -> datetime:
        return NOW


@pytest.fixture
def desk(database: Database) -> Desk:
    known = (Skilled("one", 5), Skilled("better", 20), Skilled("worse", 2))
    return Desk(database, {each.version: each for each in known})


def test_a_better_candidate_serves_with_its_own_past_and_the_gate_s_reason(desk: Desk) -> None:
    news(desk.database, 240, audits=240)
    serving: set[str | None] = set()
    desk.versions["better"].saw = lambda: serving.add(in_service(desk.database))
    desk.promote("better")
    assert serving == {"one"}, "all of its past was judged before the flip"
    newest = service_history(desk.database)[0]
    assert (newest.version, newest.who) == ("better", "ann")
    assert newest.reason == "not worse on the gate split; better on 240 audit labels"
    past = everything(desk.database, model="better", minutes=1440)["all", "news"]
    assert (past.total, past.backfilled) == (240, 240)
    assert not list(recount(desk.database))


def test_a_worse_candidate_stays_out_is_told_why_and_judges_no_news(desk: Desk) -> None:
    news(desk.database, 240, audits=240)
    with pytest.raises(TocsinError, match="one stays in service, worse does not pass: sentiment: worse on the gate"):
        desk.promote("worse")
    assert in_service(desk.database) == "one"
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 2") == [(0,)]


def test_few_audits_or_no_gate_split_ask_for_a_reason_which_is_kept_with_who_and_when(desk: Desk) -> None:
    news(desk.database, 30, audits=30)
    with pytest.raises(TocsinError, match=r"no gate split, 30 of 200 audit labels: name .* --force REASON"):
        desk.promote("better", gate=Gate())
    desk.promote("better", gate=Gate(), force="the new desk starts today")
    newest = service_history(desk.database)[0]
    assert newest.reason.endswith(": the new desk starts today")
    assert (newest.who, newest.since) == ("ann", NOW)


@pytest.mark.parametrize("stranger", ["one", "better"])
def test_a_version_of_other_labelled_files_answers_no_gate_split_that_it_may_have_learned(
    desk: Desk, stranger: str
) -> None:
    news(desk.database, 30)
    desk.learned[stranger] = {**SET, "topic": "another hash"}
    with pytest.raises(
        TocsinError, match=f"no gate split that {stranger} has surely .* further --data.* --force REASON"
    ):
        desk.promote("better")
    assert not any("the gate" in text for each in desk.versions.values() for text in each.seen)
    desk.promote("better", gate=Gate(GATE.examples, [SET, desk.learned[stranger]]), force="few audits")
    assert "not worse on the gate split" in service_history(desk.database)[0].reason


def test_a_version_whose_files_are_lost_can_be_followed_for_a_reason_alone(desk: Desk) -> None:
    news(desk.database, 30)
    del desk.versions["one"]
    with pytest.raises(TocsinError, match=r"no model 'one' is here; bring it here .* --force REASON"):
        desk.promote("better")
    desk.promote("better", force="the disk is gone")
    assert service_history(desk.database)[0].reason.endswith(
        "compared with nothing (no model 'one' is here): the disk is gone"
    )


def test_what_the_old_version_saves_after_the_flip_is_judged_by_the_new_one(desk: Desk) -> None:
    news(desk.database, 5)

    def old_worker() -> None:
        save(
            desk.database,
            [judged(article(900, at=NOW)), judged(article(901, at=DAYS_AGO, is_backfill=True))],
            [],
            [],
            NOW,
        )

    desk.on["better is in service"] = old_worker
    desk.promote("better", force="test")
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 2") == [(7,)]
    assert everything(desk.database, model="better", minutes=1440)["all", "news"].total == 1
    assert desk.told[-1] == "2 articles that one took meanwhile are judged by better, too"


def test_what_was_stored_by_a_clock_before_the_flip_and_saved_after_it_is_judged_too(desk: Desk) -> None:
    """A save takes its time before it waits for the lock, and clocks of two machines differ."""
    news(desk.database, 5)
    before = NOW - timedelta(minutes=5)
    one = judged(article(900, at=NOW - timedelta(days=99), is_backfill=True))
    desk.on["better is in service"] = lambda: save(desk.database, [one], [], [], before) and None
    desk.promote("better", force="test")
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 2") == [(6,)]


def test_a_worker_that_swaps_late_is_waited_for_then_named_and_what_it_saved_is_judged_when_called_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    news(desk.database, 5)
    monkeypatch.setattr("training.promote.SLOW_BATCH_S", 0.0)
    monkeypatch.setattr("training.promote.LOOK_EVERY_S", 0.01)
    busy = WorkerState("host:1", "one", None, NOW - 1.5 * ALIVE)  # in the middle of a batch it renews no row
    tell_state(desk.database, busy)
    desk.promote("better", force="test")
    assert desk.told[-1].startswith("host:1 still judges with another version; once no more, `tocsin promote better`")
    assert "nothing was missed" not in desk.told
    tell_state(desk.database, busy._replace(version="better", at=NOW))
    save(desk.database, [judged(article(900, at=NOW))], [], [], NOW)
    desk.promote("better")
    assert desk.told[-1] == "1 articles that others took meanwhile are judged by better, too"


def test_what_a_worker_still_saves_after_it_has_swapped_is_judged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It judges on one thread and saves on another: the batch before is on its way when it tells of the new version."""
    news(desk.database, 5)
    worker = WorkerState("host:1", "one", None, NOW)
    tell_state(desk.database, worker)
    looks = iter(
        [
            lambda: None,
            lambda: tell_state(desk.database, worker._replace(version="better")),
            lambda: save(desk.database, [judged(article(900, at=NOW))], [], [], NOW),
        ]
    )

    def clock() -> datetime:
        if in_service(desk.database) == "better":
            next(looks, lambda: None)()
        return NOW

    monkeypatch.setattr("training.promote.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(desk, "clock", clock)
    desk.promote("better", force="test")
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 2") == [(6,)]


def test_whoever_is_overtaken_by_another_promotion_changes_nothing(desk: Desk) -> None:
    news(desk.database, 5)
    desk.on["better has judged"] = lambda: _serve(desk.database, "worse")
    with pytest.raises(UsageError, match="worse has entered service meanwhile"):
        desk.promote("better", force="test")
    assert in_service(desk.database) == "worse"


def _serve(database: Database, version: str) -> None:
    register(database, version, {}, NOW)
    put_in_service(database, version, "zoe", "first", NOW)


def test_stopped_between_flip_and_catching_up_it_is_called_again(desk: Desk) -> None:
    news(desk.database, 5)
    desk.promote("better", force="test")
    save(desk.database, [judged(article(900, at=NOW))], [], [], NOW)
    desk.promote("better")
    assert rows(desk.database, "SELECT count(*) FROM scores WHERE model = 2") == [(6,)]
    assert len(service_history(desk.database)) == 2
