"""A budget of false alarms -> the level that keeps it, by replaying the past through the real state machine. Pure.

Severities are calibrated per scope, so over all scopes of a rule the rate falls tenfold per unit of level. How high it
starts is measured, not multiplied up: most scopes are too sparse to ring at all, and scopes that rise together ring
once, so a thousand scopes need no thousandfold strictness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

ENOUGH = 20
"""False episodes at the level from which the wanted one is extrapolated: a standard error of a fifth or so."""
PRECISION = 0.05
LOWEST, HIGHEST = -1.0, 400.0
"""Severities of a bursty stream reach hundreds: its budget must be kept all the same."""
TENFOLD = 2.0
"""A unit of severity is worth a tenfold rate; where it takes more than so many, what was measured is believed."""


class Calibrated(NamedTuple):
    level: float
    """Severity at which the rule opens an episode."""
    rate: float
    """False episodes a week that this level gave on the past replayed."""
    episodes: int
    """All episodes it gave there, useful ones included."""


def floor_for(scopes: int, budget: float) -> float:
    """The severity down to which a replay must keep readings for `level_for`."""
    return max(LOWEST, math.log10(max(scopes, 1) / budget) - 2.0)


def level_for(false_at: Callable[[float], tuple[int, int]], budget: float, weeks: float, *, scopes: int) -> Calibrated:
    """The level at which a rule over `scopes` scopes keeps its budget a week, all scopes together.

    `false_at` says how many (false, all) episodes a replay of so many weeks shows at some level.

    Where few are wanted it is extrapolated from ENOUGH, and shows the past no more than chance may have added.
    """
    wanted, floor = budget * weeks, floor_for(scopes, budget)
    shown = max(wanted, ENOUGH)
    level = _level_showing(false_at, shown, floor)
    if wanted < ENOUGH:
        per_tenfold = (level - _level_showing(false_at, 2 * shown, floor)) / math.log10(2.0)
        false = max(false_at(level)[0], 0.5)
        level += max(0.0, math.log10(false / wanted)) * (per_tenfold if per_tenfold > TENFOLD else 1.0)
        level = max(level, _level_showing(false_at, wanted + math.sqrt(wanted) + 1.0, floor) + PRECISION)
    level = min(HIGHEST, level)
    false, total = false_at(level)
    return Calibrated(level, false / weeks, total)


def _level_showing(false_at: Callable[[float], tuple[int, int]], enough: float, floor: float) -> float:
    """The highest level that still shows so many false episodes; the floor where none does."""
    low, high = floor, HIGHEST
    while high - low > PRECISION:
        middle = low + min((high - low) / 2, 1.0 + abs(low))  # most levels are small: look there first
        if false_at(middle)[0] >= enough:
            low = middle
        else:
            high = middle
    return low
