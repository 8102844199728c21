"""Stored articles -> another version's scores and counts beside the others'. Overwrites nothing, rings nothing.

Batch by batch, each kept in one transaction: memory is bounded, and what was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor.classifier.protocol import Classifier
from monitor.errors import UsageError
from monitor.judging import judged
from monitor.progress import Advance, progress
from monitor.registry import Manifest
from monitor.store.engine import Database
from monitor.store.models import manifest_of, register
from monitor.store.rescore import Coverage, coverage, missed, save_scores, unscored

BATCH = 256
Clock = Callable[[], datetime]
HISTORY = timedelta(days=35)
"""How much of its own past a version needs in service: what charts compare with and detectors learn from."""


class Loadable(NamedTuple):
    """A version whose artefacts are here; loading takes seconds and memory."""

    manifest: Manifest
    load: Callable[[], Classifier]


class Done(NamedTuple):
    """What a re-scoring did."""

    version: str
    scored: int
    known: int


def rescore_stored(database: Database, model: Loadable, since: datetime, clock: Clock) -> Done:
    """`rescore` with its progress on stderr."""
    introduce(database, model.manifest, clock())
    version = model.manifest.version
    before = to_do(database, version, since, clock())
    scored, waiting = 0, before.articles - before.scored
    if waiting:
        with progress(f"re-scoring under {version}", waiting) as advance:
            scored = rescore(database, model.load(), since, clock, advance)
    return Done(version, scored, before.scored)


def introduce(database: Database, manifest: Manifest, now: datetime) -> None:
    """Make a version known. UsageError where one of that name, but of other weights, has judged news here."""
    if is_another(manifest, manifest_of(database, manifest.version)):
        raise UsageError(
            f"this database knows another {manifest.version} of other weights; give the new one a name of its own"
        )
    register(database, manifest.version, manifest.everything, now)


def is_another(manifest: Manifest, known: Mapping[str, Any] | None) -> bool:
    """Of other weights than what a database knows by its name."""
    ours, theirs = (said.get("weights_sha256") for said in (manifest.everything, known or {}))
    return bool(ours and theirs and ours != theirs)


def to_do(database: Database, version: str, since: datetime, now: datetime) -> Coverage:
    """How much of the news counted at `since` or later the version has judged."""
    return coverage(database, version, since, now + timedelta(days=1))


def rescore(database: Database, classifier: Classifier, since: datetime, clock: Clock, advance: Advance) -> int:
    """Judge every article counted at `since` or later that the version has not judged, oldest first; how many."""
    after: tuple[datetime, str] | None = None
    done = 0
    while found := unscored(database, classifier.version, since, BATCH, after):
        after = found[-1].article.counted_at, found[-1].article.id
        done += save_scores(database, judged(found, classifier), clock())
        advance(len(found))
    return done


def catch_up(database: Database, classifier: Classifier, stored_since: datetime, clock: Clock) -> int:
    """Judge what was stored since a moment, whenever it counts: what another version took after a flip; how many."""
    done = 0
    while found := missed(database, classifier.version, stored_since, BATCH):
        done += save_scores(database, judged(found, classifier), clock())
    return done
