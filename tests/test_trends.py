"""What charts say about counts: the usual course, its band, lasting changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor import trends
from tests.alerts.streams import draw, moments, rhythm

HOURS = moments(6, 3600.0)
AT = [datetime.fromtimestamp(one, UTC) for one in HOURS]
MEAN = 12 * rhythm(HOURS)
COUNTS = draw(31, MEAN, 20.0)


def test_the_usual_course_follows_day_and_week_and_the_band_holds_nine_in_ten() -> None:
    usual = trends.usual(AT, COUNTS.tolist())

    assert np.corrcoef(usual.expected, MEAN)[0, 1] > 0.95
    inside = ((usual.low <= COUNTS) & (usual.high >= COUNTS)).mean()
    assert 0.85 <= inside <= 0.99


def test_a_surge_does_not_lift_the_usual_course_it_stands_above() -> None:
    surged = COUNTS.copy()
    surged[500:512] *= 20

    usual = trends.usual(AT, surged.tolist())

    assert usual.expected[500:512].mean() < 2 * MEAN[500:512].mean()
    assert (surged[500:512] > usual.high[500:512]).mean() > 0.9


def test_busy_hours_have_factors_above_one() -> None:
    factors = trends.seasonality(AT, COUNTS.tolist())

    assert factors[14] > 1.2 > 0.8 > factors[3]
    assert factors.mean() == pytest.approx(1.0, rel=0.01)


def test_a_lasting_doubling_is_one_change_at_its_day_and_noise_is_none() -> None:
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(90)]
    counts = draw(32, np.where(np.arange(90) >= 60, 80.0, 40.0), 50.0)

    (change,) = trends.changes(days, counts.tolist())

    assert abs((change.at - days[60]).days) <= 1
    assert change.times == pytest.approx(2.0, rel=0.15)
    assert trends.changes(days, draw(33, np.full(90, 40.0), 50.0).tolist()) == []


def test_nothing_at_all_is_usual_where_nothing_happens() -> None:
    usual = trends.usual(AT, [0.0] * len(AT))

    assert usual.high.max() == 0
    assert trends.changes(AT, [0.0] * len(AT)) == []
    assert trends.changes(AT[:3], [1, 2, 3]) == []
