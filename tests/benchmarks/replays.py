"""A simulated world through production's own code: each scope by itself, or all of them as a rule's stored past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import overload

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import detector
from monitor.alerts.episodes import Evidence
from monitor.alerts.past import Past, past_of
from monitor.alerts.rules import Rule
from monitor.alerts.series import changes, episodes
from monitor.alerts.state import Levels
from monitor.alerts.watch import HISTORY, Tally
from monitor.types import BUCKET
from tests.benchmarks.worlds import BUCKET_S, World

HOUSES = ("Harbour", "Meridian", "Concord", "Ledger")

Stretches = list[list[tuple[int, int]]]
"""Per scope: where each episode was detected, and its last abnormal bucket."""


def alone(sky: World, budgets: Sequence[float]) -> dict[float, Stretches]:
    """What `tocsin backtest --series` finds in each scope, at each budget per scope and week."""
    block = sky.block()
    bank, surface = detector.advance(sky.bank(), block)

    def stretches(row: int, budget: float) -> list[tuple[int, int]]:
        found = episodes(changes(bank, block, surface, row, Levels.of_budget(budget)))
        return [
            (column_of(sky, opened.reading.at), column_of(sky, last.last_elevated or opened.reading.at))
            for opened, last in found
        ]

    return {budget: [stretches(row, budget) for row in range(len(sky.mean))] for budget in budgets}


def column_of(sky: World, moment: datetime) -> int:
    return round((moment.timestamp() - sky.at[0]) / BUCKET_S)


def row_of(scope: str) -> int:
    return int(scope.partition(":")[2])


def stored(sky: World, rule: Rule, until: int) -> Past:
    """The first buckets of a world as the stored past of a rule, what was normal before it known as in production."""
    first = datetime.fromtimestamp(float(sky.at[0]), UTC)
    tallies = [
        Tally(scope, first + int(column) * BUCKET, int(sky.total[row, column]), int(sky.negative[row, column]), 0, 0)
        for row, scope in enumerate(sky.bank().scopes)
        for column in np.flatnonzero(sky.total[row, :until])
    ]
    stories = {scope: Stories(scope, sky.at, sky.negative[row]) for row, scope in enumerate(sky.bank().scopes)}
    known, end = first + HISTORY, first + timedelta(seconds=until * BUCKET_S)
    return past_of(rule, tallies, stories, known, end, begin=first)


class Stories(Sequence[Evidence]):
    """A scope's negative stories, of four houses in turn, made when asked for: millions would fill the memory."""

    def __init__(self, scope: str, at: NDArray[np.float64], negative: NDArray[np.float64]) -> None:
        self.scope, self.at, self.told = scope, at, negative.cumsum()

    def __len__(self) -> int:
        return int(self.told[-1])

    @overload
    def __getitem__(self, index: int) -> Evidence: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Evidence]: ...
    def __getitem__(self, index: int | slice) -> Evidence | Sequence[Evidence]:
        if isinstance(index, slice):
            return [self._one(number) for number in range(*index.indices(len(self)))]
        return self._one(index)

    def _one(self, number: int) -> Evidence:
        at = datetime.fromtimestamp(float(self.at[np.searchsorted(self.told, number, side="right")]), UTC)
        name, house = f"{self.scope} {number}", HOUSES[number % len(HOUSES)]
        return Evidence(story=name, article=name, title="", url=None, publisher=house, at=at, families=(house,))
