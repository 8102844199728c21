"""A candidate into service: the gate, then its own history, then the flip, then what the old version took meanwhile.

Decides nothing itself (gate.decide does) and classifies through the code that serves. The order matters: before the
flip the candidate has judged the last 35 days, so that no curve mixes two versions and no detector goes blind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise

from monitor.classifier.protocol import Classifier
from monitor.errors import ModelUnavailable, TocsinError, UsageError
from monitor.rescoring import HISTORY, Clock, Loadable, catch_up, introduce, rescore_stored
from monitor.store.engine import Database
from monitor.store.labels import labels
from monitor.store.models import Service, in_service, manifest_of, put_in_service, registered, service_history
from monitor.store.workers import ALIVE, workers
from training.gate import Verdict
from training.lineage import Said
from training.tell import Tell
from training.weigh import Gate, weigh

SETTLE_S = 15.0
"""Workers take up a version within 10 s of the flip; what they save until then is judged again."""
SLOW_BATCH_S = 60.0
"""A worker in the middle of a batch of long texts is waited for so much longer."""
LOOK_EVERY_S = 2.0
MARGIN = timedelta(hours=1)
"""An article's time of storing is taken before its save waits for other saves, and by another machine's clock."""
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
        _finish(database, candidate, clock, tell, settle_s)
        return
    reasons: tuple[str, ...] = ("the database's first model",)
    if before is not None:
        verdict = _against(database, candidate, before, find, gate, force, tell)
        reasons = verdict.reasons
        if not verdict.promoted:
            raise TocsinError(f"{before} stays in service, {version} does not pass: " + "; ".join(reasons))
        tell(f"{version} passes: " + "; ".join(reasons))
    _flip(database, candidate, before, who, "; ".join(reasons), clock, tell, settle_s)


def _finish(database: Database, model: Loadable, clock: Clock, tell: Tell, settle_s: float) -> None:
    """What comes after a flip, once more: it was stopped there, or a worker swapped later than was waited for."""
    history, classifier = service_history(database), model.load()
    _settle(database, classifier, history[0].since, None, clock, tell, settle_s)
    if (left := _left(history, classifier.version)) is not None:
        _make_up(database, model._replace(load=lambda: classifier), left, clock, tell)


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
    """`model` goes into service. Where it served before, what it has missed since then is made up for at the end."""
    began, version = clock(), model.manifest.version
    left = _left(service_history(database), version)
    classifier = model.load()
    loaded = model._replace(load=lambda: classifier)
    done = rescore_stored(database, loaded, began - HISTORY, clock)
    tell(f"{version} has judged the last {HISTORY.days} days: {done.scored:,} articles now, {done.known:,} before")
    put_in_service(database, version, who, reason, clock(), instead_of=before)
    tell(f"{version} is in service")
    _settle(database, classifier, began, before, clock, tell, settle_s)
    if left is not None:
        _make_up(database, loaded, left, clock, tell)


def _left(history: Sequence[Service], version: str) -> datetime | None:
    """When a version went out of service the last time; None where it was in service never, or ever since."""
    for later, one in pairwise(history):
        if one.version == version != later.version:
            return later.since
    return None


def _make_up(database: Database, model: Loadable, left: datetime, clock: Clock, tell: Tell) -> None:
    """Judge what came since the version left service, however long ago: news of those days, then back-fills."""
    count = rescore_stored(database, model, left - MARGIN, clock).scored
    count += catch_up(database, model.load(), left - MARGIN, clock)
    if count:
        tell(
            f"{model.manifest.version} has judged {count:,} articles more, all since it left service on {left:%d %B %Y}"
        )


def _settle(
    database: Database,
    classifier: Classifier,
    since: datetime,
    before: str | None,
    clock: Clock,
    tell: Tell,
    settle_s: float,
) -> None:
    """Judge what other versions go on saving until every worker has swapped; a slow batch is waited for.

    A worker that has not swapped by then is named: what it saves is still to be judged.
    """
    start, count, version = time.monotonic(), 0, classifier.version
    late: list[str] = []
    while True:
        # After the last look stands a catching-up, and two looks at the end: a worker that has swapped still saves.
        was_late, late = bool(late), _judging_otherwise(database, version, clock())
        count += catch_up(database, classifier, since - MARGIN, clock)
        waited = time.monotonic() - start
        if waited >= settle_s + SLOW_BATCH_S or (waited >= settle_s and not late and not was_late):
            break
        time.sleep(LOOK_EVERY_S)
    if count:
        tell(f"{count:,} articles that {before or 'others'} took meanwhile are judged by {version}, too")
    elif not late:
        tell("nothing was missed")
    if late:
        tell(
            f"{', '.join(late)} still judges with another version; once no more, `tocsin promote {version}` again"
            " judges what it saves until then"
        )


def _judging_otherwise(database: Database, version: str, now: datetime) -> list[str]:
    # Those that said nothing for twice as long, too: whoever is busy with a batch of long texts renews no row.
    return [one.name for one in workers(database, now - ALIVE) if one.version not in (None, version)]


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
