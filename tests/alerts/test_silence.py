"""A feed is silent by its own weeks' rhythm: nights, weekends and holidays pass, and a dead one is told soon."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.alerts.bulletins import of_silent_feeds
from monitor.alerts.completeness import FeedFacts, SilentFeed, rhythm_of, silent_feeds
from monitor.alerts.message import Naming
from monitor.markets import load_markets

NEW_YORK = load_markets("XNYS").default
HOUR = timedelta(hours=1)
UNTIL = datetime(2026, 11, 23, tzinfo=UTC)
"""Monday, Thanksgiving's week."""


def articles(per_hour: float, days: int = 35, *, nights: bool = False, outage_day: int | None = None) -> list[datetime]:
    """A desk that writes from 12 to 22 UTC on working days, or day and night."""
    generator, out = np.random.default_rng(5), []
    for number in range(days * 24):
        at = UNTIL - timedelta(days=days) + number * HOUR
        works = nights or (at.weekday() < 5 and 12 <= at.hour < 22)
        if works and number // 24 != outage_day:
            out += [at + timedelta(minutes=int(m)) for m in generator.uniform(0, 60, generator.poisson(per_hour))]
    return sorted(out)


def is_silent(times: list[datetime], last: datetime, now: datetime) -> bool:
    hours = sorted(Counter(one.replace(minute=0) for one in times).items())
    rhythm = rhythm_of(hours, UNTIL, NEW_YORK)
    assert rhythm is not None
    feed = FeedFacts("quay", timedelta(minutes=10), 0, None, last, last, (), rhythm)
    return bool(silent_feeds([feed], now, NEW_YORK))


FRIDAY_EVENING = datetime(2026, 11, 20, 21, 50, tzinfo=UTC)


@pytest.mark.parametrize("per_hour", [6.0, 40.0])
def test_a_weekend_and_a_holiday_pass_and_a_silent_monday_morning_is_told(per_hour: float) -> None:
    times = articles(per_hour)

    assert not is_silent(times, FRIDAY_EVENING, datetime(2026, 11, 23, 12, 15, tzinfo=UTC))
    assert is_silent(times, FRIDAY_EVENING, datetime(2026, 11, 23, 16, tzinfo=UTC))
    wednesday = datetime(2026, 11, 25, 21, 50, tzinfo=UTC)
    assert not is_silent(times, wednesday, datetime(2026, 11, 26, 20, tzinfo=UTC))
    assert is_silent(times, wednesday, datetime(2026, 11, 27, 17, tzinfo=UTC))


def test_the_same_silence_is_told_at_noon_and_passes_at_night() -> None:
    times, night = articles(6.0), timedelta(hours=4)
    noon, evening = datetime(2026, 11, 23, 14, tzinfo=UTC), datetime(2026, 11, 23, 21, 45, tzinfo=UTC)

    assert is_silent(times, noon, noon + night)
    assert not is_silent(times, evening, evening + night)


def test_an_outage_in_the_past_does_not_excuse_the_next() -> None:
    times = articles(6.0, nights=True, outage_day=17)
    last = UNTIL + timedelta(hours=10)

    assert is_silent(times, last, last + timedelta(hours=4))


def test_a_feed_with_few_articles_may_be_silent_by_chance() -> None:
    times = articles(0.05, nights=True)
    last = UNTIL + timedelta(hours=10)

    assert not is_silent(times, last, last + timedelta(days=2))
    assert is_silent(times, last, last + timedelta(days=13))


def test_a_first_fetch_is_no_rhythm_and_two_weeks_are_needed() -> None:
    times = articles(6.0)
    fetched = [UNTIL - timedelta(days=35)] * 500 + times
    hours = sorted(Counter(one.replace(minute=0) for one in fetched).items())

    rhythm = rhythm_of(hours, UNTIL, NEW_YORK)

    assert rhythm is not None
    assert rhythm.expected.max() < 15
    assert rhythm_of(hours[-50:], UNTIL, NEW_YORK) is None


def test_a_feed_that_never_answered_is_told_in_words_of_its_own() -> None:
    never = SilentFeed("quay", None, timedelta(days=1), "it answers 404")
    alone = of_silent_feeds([never], Naming({}, "http://127.0.0.1:8501"))
    assert alone.title == "Feed quay never answered"
    assert alone.lines == ("quay: never answered since it was added; it says: it answers 404.",)
    assert "all-clears" not in alone.after[0]
    both = of_silent_feeds(
        [never, SilentFeed("tape", datetime(2026, 11, 23, 14, tzinfo=UTC), timedelta(hours=1), None)],
        Naming({}, "http://127.0.0.1:8501"),
    )
    assert both.title == "2 feeds are silent"
    assert [line.split(":")[0] for line in both.lines] == ["tape", "quay"]
    assert "all-clears" in both.after[0]
