"""How what is away is waited for: said once, asked again, given up after minutes. Knows nobody that could be away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from monitor.errors import Unavailable

PATIENCE_S = 300.0  # a database restart with a recovery fits well inside
RETRY_S = 0.5

T = TypeVar("T")
log = structlog.get_logger()


def patiently(
    what: str, act: Callable[[], T], stopped: Callable[[], bool] = lambda: False, patience_s: float = PATIENCE_S
) -> T:
    """Repeat `act` while it raises Unavailable, and say so once. After `patience_s`, or if stopped, that goes on."""
    deadline = time.monotonic() + patience_s
    told = False
    while True:
        try:
            return act()
        except Unavailable as error:
            if stopped() or time.monotonic() > deadline:
                raise
            if not told:
                log.warning(f"waiting to {what}", cause=str(error))
                told = True
        time.sleep(RETRY_S)
