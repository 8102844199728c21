"""When a source is asked again: a sentence per row."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from ingest.schedule import after_failure, after_success, is_catch_up
from monitor.types import FeedState

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CADENCE = timedelta(minutes=10)
NEW = FeedState(name="x")


def wait(failures_before: int, retry_after: timedelta | None = None, cadence: timedelta = CADENCE) -> timedelta:
    state = FeedState(name="x", failures=failures_before)
    after = after_failure(state, NOW, cadence, "no", retry_after, random.Random(1))
    assert after.next_at is not None
    return after.next_at - NOW


@pytest.mark.parametrize(
    ("failures_before", "retry_after", "at_least"),
    [
        (0, None, timedelta(minutes=10)),
        (1, None, timedelta(minutes=20)),
        (3, None, timedelta(minutes=80)),
        (40, None, timedelta(hours=6)),
        (0, timedelta(seconds=5), timedelta(minutes=10)),
        (0, timedelta(hours=2), timedelta(hours=2)),
        (0, timedelta(days=900), timedelta(days=1)),
    ],
)
def test_the_wait_doubles_has_an_end_and_honours_the_sources_wish(
    failures_before: int, retry_after: timedelta | None, at_least: timedelta
) -> None:
    assert at_least <= wait(failures_before, retry_after) <= at_least * 1.1


def test_a_rare_source_is_not_asked_more_often_because_it_fails() -> None:
    assert wait(5, cadence=timedelta(days=1)) >= timedelta(days=1)


def test_chance_spreads_the_waits() -> None:
    rng = random.Random(1)
    assert len({after_success(NEW, NOW, CADENCE, [], rng).next_at for _ in range(20)}) == 20


def test_a_failure_keeps_what_was_known_and_a_success_forgets_the_failure() -> None:
    known = FeedState(name="x", etag="e", modified="m", articles=7, ok_at=NOW - CADENCE, article_at=NOW)
    failed = after_failure(known, NOW, CADENCE, "it answers 500", None, random.Random(1))
    assert (failed.etag, failed.modified, failed.articles, failed.ok_at) == ("e", "m", 7, NOW - CADENCE)
    assert (failed.failures, failed.error, failed.asked_at) == (1, "it answers 500", NOW)
    back = after_success(failed, NOW, CADENCE, [], random.Random(1))
    assert (back.failures, back.error, back.ok_at, back.articles) == (0, None, NOW, 7)


def test_a_first_fetch_and_a_long_gap_are_catch_ups() -> None:
    def ok_before(gap: timedelta) -> FeedState:
        return FeedState(name="x", ok_at=NOW - gap)

    assert is_catch_up(NEW, NOW, CADENCE)
    assert is_catch_up(ok_before(CADENCE * 3.1), NOW, CADENCE)
    assert not is_catch_up(ok_before(CADENCE * 2.9), NOW, CADENCE)


def test_the_gaps_between_articles_are_remembered_for_silence() -> None:
    minutes = [NOW - timedelta(minutes=minute) for minute in (1, 31, 11)]
    state = after_success(NEW, NOW, CADENCE, minutes, random.Random(1))
    assert state.gaps_s == (1200, 600)
    assert state.article_at == NOW - timedelta(minutes=1)
    later = after_success(state, NOW + CADENCE, CADENCE, [NOW + timedelta(minutes=4)], random.Random(1))
    assert later.gaps_s == (1200, 600, 300)
    old_news = after_success(state, NOW, CADENCE, [NOW - timedelta(days=2)], random.Random(1))
    assert old_news.article_at == state.article_at
    assert all(gap > 0 for gap in old_news.gaps_s)
