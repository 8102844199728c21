"""Which hour of the week a moment belongs to, in the zone that the scope lives in. Pure: knows no clock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

EPOCH_HOUR = 72
"""1970-01-01 was a Thursday: its first hour is the 73rd of a week that starts on Monday."""
SUNDAY = 6


def slots(at: NDArray[np.float64], zone: str = "UTC", holidays: Collection[date] = frozenset()) -> NDArray[np.intp]:
    """Hour of the week, 0 for Monday 00:00, of moments in seconds since 1970; a holiday's hours count as Sunday's.

    With a zone the working day keeps its slots when clocks change, which in UTC would look like a rise every spring.
    """
    if zone == "UTC" and not holidays:
        return np.asarray((np.floor(at / 3600.0) + EPOCH_HOUR) % 168, dtype=np.intp)
    local = (datetime.fromtimestamp(float(moment), UTC).astimezone(ZoneInfo(zone)) for moment in at)
    return np.array([(SUNDAY if t.date() in holidays else t.weekday()) * 24 + t.hour for t in local], dtype=np.intp)
