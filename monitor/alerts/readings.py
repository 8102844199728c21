"""What a detector says about one bucket of one scope. Owns the values between detector and episode; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Reason = Literal["count", "share"]
"""`count`: more negative stories than usual. `share`: a larger part of them is negative, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One bucket of one scope against that scope's own normal.

    `severity` is log10 of "once in how many weeks on this very series": a false episode at least this severe comes
    about once in `10 ** severity` weeks, so a budget of N a week asks for `severity >= -log10(N)`.
    `expected` and `seen` count negative stories over `since .. at`, both ends included.
    `recent_expected` and `recent_seen` are the same over the last hour or so: what is going on right now. They
    fade; `hour_seen` is the exact sum of the hour that ends with this bucket. `recent_expected` goes by the count,
    `recent_usual` by the share: as many negative stories as there usually are among so many. `expected` goes by
    whichever is the reason.
    """

    scope: str
    """types.Scope.key"""
    at: datetime
    """The bucket's start."""
    since: datetime
    """The first abnormal bucket of this stretch."""
    expected: float
    seen: int
    severity: float
    reason: Reason
    count_severity: float | None = None
    """By the count alone, which incomplete data cannot fake; None: as `severity`, where the reason is the count."""
    volume_only: bool = False
    """More negative stories only because there are more stories: the share is as usual."""
    elevated: bool = False
    """Is this bucket itself still above normal? Decides easing, all-clear and the episode's end."""
    recent_expected: float = 0.0
    recent_usual: float = 0.0
    recent_seen: float = 0.0
    hour_seen: int = 0
    learning_days: float = 0.0
    """Days to go before the scope has a normal of its own; 0 once learned."""
    complete: bool = True
    """False where feeds were silent or workers lagged: never an all-clear, never an alarm on the share alone."""

    @property
    def once_in_weeks(self) -> float:
        """How rare a false alarm this severe is here."""
        return float(10.0 ** min(self.severity, 12.0))

    @property
    def intensity(self) -> float:
        """How many times the usual, right now; what "it grows" is measured by."""
        return (self.recent_seen + 0.5) / (self.recent_expected + 0.5)
