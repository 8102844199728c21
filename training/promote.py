"""A candidate into service: the gate, then its own history, then the flip, then what the old version took meanwhile.

Decides nothing itself (gate.decide does) and classifies through the code that serves. The order matters: before the
flip the candidate has judged the last 35 days, so that no curve mixes two versions and no detector goes blind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from monitor.classifier.protocol import Classifier
from monitor.errors import ModelUnavailable, TocsinError, UsageError
from monitor.rescoring import HISTORY, Clock, Loadable, catch_up, introduce, rescore_stored
from monitor.store.engine import Database
from monitor.store.labels import labels
from monitor.store.models import Service, in_service, manifest_of, put_in_service, registered, service_history
from monitor.store.workers import WorkerState, workers
from training.gate import Verdict
from training.lineage import Said
from training.tell import Tell
from training.weigh import Gate, weigh

SETTLE_S = 15.0
"""Workers take up a version within 10 s of the flip; what they save until then is judged again."""
SLOW_BATCH_S = 60.0
"""A worker in the middle of a batch of long texts is waited for so much longer."""
LOOK_EVERY_S = 2.0
ROLLED_BACK = "rolled back"
"""How the reason of a rollback begins, where a service is kept."""


def promote(
    database: Database,
    candidate: Loadable,
    find: Callable[[str], Loadable],
    gate: Gate,
    who: str,
    force: str,
    clock: Clock,
    tell: Tell,
    settle_s: float = SETTLE_S,
) -> None:
    """TocsinError says why a candidate stays out. Stopped anywhere, it can be called again.

    `find` finds a version's artefacts by its name.
    """
    version, before = candidate.manifest.version, in_service(database)
    introduce(database, candidate.manifest, clock())
    if version == before:
        tell(f"{version} is in service already; what others took since then is judged now")
        since = service_history(database)[0].since - timedelta(hours=1)
        _settle(database, candidate.load(), since, clock, 0)
        return
    reasons: tuple[str, ...] = ("the database's first model",)
    if before is not None:
        verdict = _against(database, candidate, before, find, gate, force, tell)
        reasons = verdict.reasons
        if not verdict.promoted:
            raise TocsinError(f"{before} stays in service, {version} does not pass: " + "; ".join(reasons))
        tell(f"{version} passes: " + "; ".join(reasons))
    _flip(database, candidate, before, who, "; ".join(reasons), clock, tell, settle_s)


def _against(
    database: Database,
    candidate: Loadable,
    before: str,
    find: Callable[[str], Loadable],
    gate: Gate,
    force: str,
    tell: Tell,
) -> Verdict:
    try:
        champion = find(before)
    except ModelUnavailable as error:
        if not force.strip():
            return Verdict(False, (f"{error}; bring it here to be compared with, or say why not with --force REASON",))
        return Verdict(True, (f"forced, compared with nothing ({error}): {force.strip()}",))

    def manifest(name: str) -> Said | None:
        with suppress(ModelUnavailable):
            return find(name).manifest.everything
        return manifest_of(database, name)

    return weigh(list(labels(database)), candidate, champion, manifest, gate, force, tell)


def roll_back(
    database: Database,
    find: Callable[[str], Loadable],
    who: str,
    reason: str,
    clock: Clock,
    tell: Tell,
    settle_s: float = SETTLE_S,
) -> str:
    """The version that was in service before this one, with what it has missed; its name."""
    standing = _standing(service_history(database))
    if len(standing) < 2:
        raise UsageError(
            "no other version was in service before, but what was rolled back; `tocsin promote VERSION` brings one,"
            " or, named the one in service, finishes a rollback that was stopped"
        )
    earlier, now = standing[-2:]
    why = f"{ROLLED_BACK} from {now}" + (f": {reason}" if reason else "")
    _flip(database, find(earlier), now, who, why, clock, tell, settle_s)
    return earlier


def _standing(history: Sequence[Service]) -> list[str]:
    """The versions in service one after the other, the present one last, without what was rolled back."""
    found: list[str] = []
    for one in reversed(history):
        if one.reason.startswith(ROLLED_BACK) and one.version in found:
            while found[-1] != one.version:
                found.pop()
        elif one.version not in found[-1:]:
            found.append(one.version)
    return found


def _flip(
    database: Database,
    model: Loadable,
    before: str | None,
    who: str,
    reason: str,
    clock: Clock,
    tell: Tell,
    settle_s: float,
) -> None:
    began, version = clock(), model.manifest.version
    classifier = model.load()
    loaded = model._replace(load=lambda: classifier)
    done = rescore_stored(database, loaded, began - HISTORY, clock)
    tell(f"{version} has judged the last {HISTORY.days} days: {done.scored:,} articles now, {done.known:,} before")
    put_in_service(database, version, who, reason, clock(), instead_of=before)
    tell(f"{version} is in service")
    late = _settle(database, classifier, began, clock, settle_s)
    tell(
        f"{late:,} articles that {before} took meanwhile are judged by {version}, too" if late else "nothing was missed"
    )


def _settle(database: Database, classifier: Classifier, since: datetime, clock: Clock, settle_s: float) -> int:
    """Judge what other versions go on saving until every worker has swapped; a slow batch is waited for."""
    start = time.monotonic()
    count = catch_up(database, classifier, since, clock)
    while (waited := time.monotonic() - start) < settle_s or (
        waited < settle_s + SLOW_BATCH_S
        and any(_judges_otherwise(one, classifier) for one in workers(database, clock()))
    ):
        time.sleep(LOOK_EVERY_S)
        count += catch_up(database, classifier, since, clock)
    return count


def _judges_otherwise(worker: WorkerState, classifier: Classifier) -> bool:
    return worker.version not in (None, classifier.version)


def service_lines(database: Database) -> list[str]:
    """The version in service and those before it, newest first, with who and why."""
    history = service_history(database)
    if not history:
        return ["no model is in service; `tocsin worker` puts TOCSIN_MODEL in service"]
    scored = {one.version: one.scored for one in registered(database)}
    return [
        f"{'in service' if place == 0 else 'before    '}  {one.version}  since {one.since:%Y-%m-%d %H:%M} UTC"
        f"  by {one.who}  {scored[one.version]:,} articles judged  {one.reason}"
        for place, one in enumerate(history)
    ]
