"""A budget of false alarms -> the level that keeps it, by replaying the past through the real state machine. Pure.

Severities are calibrated per scope, so over all scopes of a rule the rate falls tenfold per unit of level. How high it
starts is measured, not multiplied up: most scopes are too sparse to ring at all, and scopes that rise together ring
once, so a thousand scopes need no thousandfold strictness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from monitor.alerts.backtest import PastEpisode, Track, episodes
from monitor.alerts.readings import Reading
from monitor.alerts.state import Levels

ENOUGH = 20
"""False episodes at the level from which the wanted one is extrapolated: a standard error of a fifth or so."""
STEP = 0.25
LOWEST, HIGHEST = -1.0, 9.0


class Calibrated(NamedTuple):
    level: float
    """Severity at which the rule opens an episode."""
    rate: float
    """False episodes a week that this level gave on the past replayed."""
    episodes: int
    """All episodes it gave there, useful ones included."""


def floor_for(scopes: int, budget: float) -> float:
    """The severity down to which `backtest.replay` must keep readings for `calibrate`."""
    return max(LOWEST, math.log10(max(scopes, 1) / budget) - 2.0)


def calibrate(
    tracks: Mapping[str, Track],
    budget: float,
    weeks: float,
    *,
    scopes: int,
    is_backed: Callable[[Reading], bool] = lambda _: True,
    is_false: Callable[[PastEpisode], bool] = lambda _: True,
) -> Calibrated:
    """The level at which a rule over `scopes` scopes has `budget` false episodes a week, all scopes together.

    `tracks` come from `backtest.replay` with `floor_for(scopes, budget)`; `is_false` says no to episodes marked useful.
    Where the past is too short to show so rare a rate, the level is extrapolated from one that shows ENOUGH episodes.
    """
    even = Levels.of_budget(budget / max(scopes, 1))

    def false_at(level: float) -> tuple[int, int]:
        found = [one for track in tracks.values() for one in episodes(track, replace(even, open=level), is_backed)]
        return sum(map(is_false, found)), len(found)

    return level_for(false_at, budget, weeks, scopes=scopes)


def level_for(false_at: Callable[[float], tuple[int, int]], budget: float, weeks: float, *, scopes: int) -> Calibrated:
    """The level that keeps a budget, given how many (false, all) episodes a replay at some level shows."""
    wanted, level = budget * weeks, Levels.of_budget(budget / max(scopes, 1)).open
    level, false = _where_enough(false_at, level, max(wanted, ENOUGH), floor_for(scopes, budget))
    level = min(HIGHEST, level + math.log10(max(false, 0.5) / wanted))
    false, total = false_at(level)
    return Calibrated(level, false / weeks, total)


def _where_enough(
    false_at: Callable[[float], tuple[int, int]], level: float, enough: float, floor: float
) -> tuple[float, int]:
    """The highest level, in steps down from or up to it, that still shows enough false episodes; else the floor."""
    false, _ = false_at(level)
    while false >= enough and level < HIGHEST:
        higher, _ = false_at(level + STEP)
        if higher < enough:
            return level, false
        level, false = level + STEP, higher
    while false < enough and level - STEP >= floor:
        level -= STEP
        false, _ = false_at(level)
    return level, false
