"""What is usual for a scope in each step of a stretch of time, as its detector knows it. Pure; for drawing."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from monitor.alerts import calendar
from monitor.alerts.watch import BUCKET_S, Watch


def usual(watch: Watch, scope: str, first: datetime, step: timedelta, steps: int) -> tuple[float, ...]:
    """Stories of the watched sentiment expected per step, which holds whole buckets; empty for an unknown scope."""
    bank = watch.bank
    if scope not in bank.scopes:
        return ()
    row, per_step = bank.row(scope), round(step.total_seconds() / BUCKET_S)
    at = first.timestamp() + BUCKET_S * np.arange(steps * per_step, dtype=np.float64)
    slots = calendar.slots(at, watch.markets.of(scope))
    normal = bank.known.normal
    expected = normal.level[row] * normal.season[row, slots]
    return tuple(round(float(one), 3) for one in expected.reshape(steps, per_step).sum(1))
