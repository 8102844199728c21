"""What waits on the log is told once it has waited, never for a message that is in flight."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from monitor.alerts.backlog import Backlog, Progress, look
from monitor.alerts.completeness import missing

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Seen = tuple[int, int, int]
"""A look at one partition: its messages, its rows' offset, and how many minutes ago they count."""


def looks(seen: Iterable[Seen], every: timedelta = MINUTE) -> Backlog:
    """The backlog after looks of which the last is now."""
    backlog, ordered = None, list(seen)
    for place, (messages, offset, minutes_ago) in enumerate(ordered):
        at = NOW - (len(ordered) - 1 - place) * every
        backlog = look(backlog, {0: messages}, [Progress(0, at - minutes_ago * MINUTE, offset)], at)
    assert backlog is not None
    return backlog


QUIET = [(0, 7, 60 + minute) for minute in range(20)]
"""Nothing has come for an hour and more."""
STUCK = [(3, 7, 60 + minute) for minute in range(30)]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([*QUIET, (1, 7, 80)], ()),  # one in flight
        ([*QUIET, *STUCK[:11]], ()),
        ([*QUIET, *STUCK[:12]], ("workers are 11 min behind, 3 messages wait",)),  # not by the hour that was quiet
        ([(900, minute, 120) for minute in range(30)], ("workers are 29 min behind, 900 messages wait",)),  # slow
        ([(900, minute, 2) for minute in range(30)], ()),  # busy, and not late
        ([*STUCK, (0, 10, 0)], ()),
    ],
)
def test_workers_are_behind_once_messages_have_waited(seen: list[Seen], told: tuple[str, ...]) -> None:
    assert missing([], looks(seen), NOW) == told


@pytest.mark.parametrize(
    ("seen", "minutes"),
    [
        (QUIET, 0),
        (STUCK, 29),
        ([*QUIET, *STUCK[:5]], 4),
        ([(900 + minute, minute, 5) for minute in range(30)], 0),  # slow, and it moves
        ([(900 - minute, 7, 70 + minute) for minute in range(30)], 0),  # read again from the start
        ([*STUCK, (40, 8, 0), (41, 8, 1)], 1),
    ],
)
def test_a_partition_is_stalled_while_it_has_messages_and_does_not_move(seen: list[Seen], minutes: int) -> None:
    backlog = looks(seen)
    assert backlog.stalled == minutes * MINUTE
    assert bool(backlog.stuck) is (minutes >= 10)


def test_a_partition_without_any_rows_is_stuck_too() -> None:
    backlog = None
    for minute in range(13):
        backlog = look(backlog, {0: 5, 1: 0}, [], NOW + minute * MINUTE)
    assert backlog is not None
    assert list(backlog.stuck) == [0]
    assert missing([], backlog, NOW) == ("workers are 12 min behind, 5 messages wait",)


@pytest.mark.parametrize("pause", [timedelta(hours=9), -timedelta(hours=9)])
def test_of_the_time_between_two_looks_far_apart_nothing_is_told(pause: timedelta) -> None:
    before = looks(STUCK)
    after = look(before, {0: 3}, [], NOW + pause)
    assert before.stuck
    assert not after.stuck
    assert not after.moves, "nor an all-clear"
    assert missing([], after, NOW + pause) == ()


def test_what_waits_moves_again_only_after_it_was_watched_for_a_while() -> None:
    assert looks(QUIET[:1]).moves
    assert not looks([(900, minute, 9) for minute in range(5)]).moves
    assert looks([(900, minute, 9) for minute in range(11)]).moves
    assert not looks(STUCK).moves
