"""What a version may have learned: its own texts and those of the versions it was made from. Pure; reads manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.store.labels import LabelledText
from training.data import learnable

Said = Mapping[str, Any]
"""All that a version says of itself: its manifest.json."""
Find = Callable[[str], Said | None]
"""A version's manifest by its name; None where it is not here."""


def lineage(version: Said, find: Find) -> list[Said]:
    """The version itself, its teachers and those it goes on from, and theirs, as far as their manifests are here."""
    found = {str(version["version"]): version}
    waiting = [version]
    while waiting:
        for name in _parents(waiting.pop()):
            if name not in found and (parent := find(name)) is not None:
                found[name] = parent
                waiting.append(parent)
    return list(found.values())


def _parents(version: Said) -> Iterator[str]:
    yield from version.get("teachers", {})
    if teacher := version.get("teacher"):  # so the first shipped version names its one
        yield teacher["version"]
    if before := version.get("goes_on_from"):
        yield before


def sets_of(version: Said) -> dict[str, str]:
    """SHA-256 of the labelled files that it learned from, as data.file_hashes gives them; {} where it does not say."""
    return {task: file["sha256"] for task, file in version.get("data", {}).items()}


def strangers(versions: Iterable[Said], sets: Sequence[Mapping[str, str]]) -> list[str]:
    """Those that learned from other labelled files than `sets` (data.file_hashes of each): other texts were theirs."""
    return sorted({str(one["version"]) for one in versions if sets_of(one) not in sets})


def learned_by(versions: Iterable[Said], said: Sequence[LabelledText]) -> list[LabelledText]:
    """Of what persons `said`, all that one of the versions may have learned.

    Each on its own: an article that was audited before one version began may have been learned by another before that.
    """
    learned = (
        one
        for end in {_learned_until(version) for version in versions}
        for one in learnable([one for one in said if one.label.at <= end], judges=())
    )
    return list(dict.fromkeys(learned))


def _learned_until(version: Said) -> datetime:
    """When the last label was given that it may have learned; of one that does not say, when it was made."""
    last = version["persons"]["until"] if "persons" in version else version.get("made_at")
    made = datetime.fromisoformat(str(last or "0001-01-01"))
    return made if made.tzinfo else made.replace(tzinfo=UTC)
