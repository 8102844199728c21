"""The episode's life: quiet -> open -> growing -> easing -> closed, and open again. Pure; tells nobody, stores nothing.

Production, the demo and `tocsin backtest` step this very machine.

    quiet     severity reaches the level                            -> open     "opened"
    open      twice as intense as last told, and ten times rarer    -> growing  "grew"
    growing   the same again                                        -> growing  "grew"
    open      no bucket elevated                                    -> easing   "eased"
    easing    elevated and at the level again                       -> open     "resumed"
    easing    quiet for `hold`, the data complete                   -> closed   "closed"
    closed    at the level again within `rearm`                     -> open     "reopened" (the same episode)
    closed    quiet for `rearm`                                     -> quiet    "forgotten"
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf, log10
from typing import Literal

from monitor.alerts.readings import Reading, Reason

Phase = Literal["quiet", "open", "growing", "easing", "closed"]
Change = Literal["opened", "grew", "eased", "resumed", "closed", "reopened", "forgotten"]


REARM = timedelta(hours=22)
REARM_SHARE = 0.18
"""Of the time between false episodes that a budget allows, the re-arm takes so much at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a rule asks of an episode."""

    open: float
    """Severity that opens; `-log10(budget per week)` or a calibrated level."""
    hold: timedelta = timedelta(hours=2)
    """Normal for so long before it is over."""
    rearm: timedelta = REARM
    """For so long after its end the same episode re-opens: one story is not news again the next morning. What is
    clearly worse, or later, opens a new one."""
    growth: float = 2.0
    """Worth telling again: so many times as intense as when last told."""
    rarer: float = 1.0
    """... and so many powers of ten rarer."""

    @classmethod
    def of_budget(cls, per_week: float) -> Levels:
        """Levels for at most so many false episodes a week of one scope; who allows many wants them told apart."""
        rearm = min(REARM, timedelta(weeks=REARM_SHARE / per_week))
        return cls(open=-log10(per_week), rearm=rearm)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeState:
    """Where one scope's episode stands under one rule. Holds no time in its key: `scope` and rule are the key."""

    scope: str
    phase: Phase = "quiet"
    start: datetime | None = None
    """First abnormal bucket."""
    detected: datetime | None = None
    """The bucket whose data decided."""
    last_elevated: datetime | None = None
    """The last abnormal bucket so far: the episode's end once it closes."""
    lull: float = 0.0
    """Stories expected since then: part of the episode only if it goes on."""
    severity: float = 0.0
    """When detected."""
    peak: float = 0.0
    expected: float = 0.0
    """Negative stories expected over start .. detected."""
    seen: int = 0
    reason: Reason = "count"
    volume_only: bool = False
    told_severity: float = 0.0
    told_intensity: float = 1.0
    reopened: int = 0

    @property
    def is_running(self) -> bool:
        return self.phase in ("open", "growing", "easing")


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of phase at `reading.at`; `opened`, `grew`, `closed` and `reopened` may be worth telling."""

    change: Change
    state: EpisodeState
    reading: Reading


def step(state: EpisodeState, reading: Reading, levels: Levels) -> tuple[EpisodeState, Transition | None]:
    """The next state, and the change if there was one. Readings come in order of time, none twice."""
    match state.phase:
        case "quiet":
            change, after = _from_quiet(state, reading, levels)
        case "open" | "growing":
            change, after = _from_open(state, reading, levels)
        case "easing":
            change, after = _from_easing(state, reading, levels)
        case "closed":
            change, after = _from_closed(state, reading, levels)
    return after, Transition(change, after, reading) if change else None


def rings(reading: Reading, levels: Levels) -> bool:
    """Does the evidence suffice by itself? Incomplete data hold back the share, whose denominator they bend."""
    if reading.learning_days > 0 or not reading.elevated:
        return False
    if reading.severity < levels.open or reading.complete:
        return reading.severity >= levels.open
    by_count = reading.severity if reading.reason == "count" else -inf
    return (by_count if reading.count_severity is None else reading.count_severity) >= levels.open


def _from_quiet(state: EpisodeState, reading: Reading, levels: Levels) -> tuple[Change | None, EpisodeState]:
    if not rings(reading, levels):
        return None, state
    return "opened", EpisodeState(
        scope=state.scope,
        phase="open",
        start=reading.since,
        detected=reading.at,
        last_elevated=reading.at,
        severity=reading.severity,
        peak=reading.severity,
        expected=reading.expected,
        seen=reading.seen,
        reason=reading.reason,
        volume_only=reading.volume_only,
        told_severity=reading.severity,
        told_intensity=reading.intensity,
    )


def _from_open(state: EpisodeState, reading: Reading, levels: Levels) -> tuple[Change | None, EpisodeState]:
    if not reading.elevated:
        return "eased", replace(state, phase="easing")
    grown = _is_growth(state, reading, levels)
    state = replace(state, last_elevated=reading.at, peak=max(state.peak, reading.severity))
    if not grown:
        return None, state
    return "grew", replace(state, phase="growing", told_severity=reading.severity, told_intensity=reading.intensity)


def _is_growth(state: EpisodeState, reading: Reading, levels: Levels) -> bool:
    return (
        rings(reading, levels)
        and reading.severity >= state.told_severity + levels.rarer
        and reading.intensity >= state.told_intensity * levels.growth
    )


def _from_easing(state: EpisodeState, reading: Reading, levels: Levels) -> tuple[Change | None, EpisodeState]:
    if rings(reading, levels):
        change, after = _from_open(replace(state, phase="open"), reading, levels)
        return change or "resumed", after
    quiet_since = state.last_elevated or reading.at
    if reading.complete and reading.at - quiet_since >= levels.hold:
        return "closed", replace(state, phase="closed")
    return None, state


def _from_closed(state: EpisodeState, reading: Reading, levels: Levels) -> tuple[Change | None, EpisodeState]:
    ended = state.last_elevated or reading.at
    if reading.at - ended >= levels.hold + levels.rearm or _is_growth(state, reading, levels):
        opened = _from_quiet(EpisodeState(scope=state.scope), reading, levels)
        return opened if opened[0] else ("forgotten", EpisodeState(scope=state.scope))
    if not rings(reading, levels):
        return None, state
    return "reopened", replace(
        state,
        phase="open",
        last_elevated=reading.at,
        peak=max(state.peak, reading.severity),
        reopened=state.reopened + 1,
        told_severity=max(state.told_severity, reading.severity),
        told_intensity=max(state.told_intensity, reading.intensity),
    )
