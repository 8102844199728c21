"""`tocsin backtest --series`: a CSV of counts through production's detector and state machine. Needs no database."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector
from monitor.alerts.state import EpisodeState, Levels, Transition, step
from monitor.errors import UsageError
from monitor.lines import Fields

SMALLEST_S, LARGEST_S = 60, 86400
LONGEST_GAP_BUCKETS = 4032
"""A longer hole in a file is stepped over at this length: nothing is learned from it anyway."""
DEFAULT_BUDGET = 0.1


class Row(NamedTuple):
    moment: float
    label: str
    negative: float
    total: float


class BadRow(NamedTuple):
    line: int
    error: str


@dataclass(frozen=True, slots=True)
class Series:
    """A file's buckets on its regular grid; `label` is the row's own `at`, NaN counts where the row is missing."""

    bucket_s: float
    at: NDArray[np.float64]
    label: list[str]
    negative: NDArray[np.float64]
    total: NDArray[np.float64]

    def label_of(self, moment: datetime | None) -> str | None:
        """The row's own spelling of its time."""
        return self.label[int(np.abs(self.at - moment.timestamp()).argmin())] if moment else None


def backtest_series(source: TextIO, budget: float = DEFAULT_BUDGET) -> tuple[list[Fields], int]:
    """One line per episode that a rule with `budget` false alarms a week would have had, and how many rows were bad.

    A row that cannot be read yields `{"id": its line, "error": why}` first and counts as unknown; the command exits 1
    where there are any. Raises UsageError where the file as a whole makes no sense.
    """
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"--budget {budget}: false alarms a week must be a number above 0, such as 0.1")
    series, bad = read_series(source)
    told: list[Fields] = [{"id": row.line, "error": row.error} for row in bad]
    return [*told, *episodes_of(series, budget)], len(bad)


def backtest_file(path: Path, budget: float = DEFAULT_BUDGET) -> tuple[list[Fields], int]:
    """`backtest_series` over a named file, or over standard input where it is named `-`."""
    is_stdin = str(path) == "-"
    if is_stdin and sys.stdin is None:  # closed by whoever started us
        raise UsageError("there is no standard input; name a CSV file with the columns at,total,negative")
    named = sys.stdin.fileno() if is_stdin else path
    try:
        # Bytes that are no UTF-8 spoil the cell they stand in, not the file.
        with open(named, encoding="utf-8-sig", errors="replace", newline="", closefd=not is_stdin) as source:
            return backtest_series(source, budget)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a CSV file with the columns at,total,negative") from error


def episodes_of(series: Series, budget: float) -> Iterator[Fields]:
    """The episodes in order, each as its line of JSON; each decided on nothing later than its bucket."""
    if not len(series.at):
        return
    block = detector.Block(series.at, calendar.slots(series.at), series.negative[None], series.total[None])
    bank, surface = detector.advance(detector.new_bank(("series",), series.bucket_s), block)
    for opened, last in episodes(changes(bank, block, surface, 0, Levels.of_budget(budget))):
        yield _line(series, opened, last)


def changes(
    bank: detector.Bank, block: detector.Block, surface: detector.Surface, row: int, levels: Levels
) -> Iterator[Transition]:
    """Every change of one scope's episode over a block that its bank has never seen before, in order."""
    state = EpisodeState(scope=bank.scopes[row])
    known = np.isfinite(block.total[row])
    may_ring = known & (surface.severity[row] >= levels.open) & (surface.learning_days[row] <= 0)
    for column in range(len(block.at)):
        if not known[column] or (state.phase == "quiet" and not may_ring[column]):
            continue
        (reading,) = detector.readings(bank, block, surface, column, [row])
        state, change = step(state, reading, levels)
        if change:
            yield change


def episodes(changes: Iterable[Transition]) -> Iterator[tuple[Transition, EpisodeState]]:
    """Each episode: how it opened, and how it stood last."""
    opened: Transition | None = None
    last: EpisodeState | None = None
    for change in changes:
        if change.change == "opened":
            if opened and last:
                yield opened, last
            opened = change
        if change.change != "forgotten":
            last = change.state
    if opened and last:
        yield opened, last


def _line(series: Series, opened: Transition, last: EpisodeState) -> Fields:
    found = opened.state
    return {
        "start": series.label_of(found.start),
        "detected": series.label_of(found.detected),
        "end": None if last.is_running else series.label_of(last.last_elevated),
        "severity": round(found.severity, 3),
        "expected": round(found.expected, 3),
        "seen": found.seen,
        "reason": found.reason,
    }


def read_series(source: TextIO) -> tuple[Series, list[BadRow]]:
    """Rows on their regular grid, whatever their order, and those that cannot be read."""
    rows, bad = _rows(source)
    if len(rows) < 2:
        return Series(300.0, np.empty(0), [], np.empty(0), np.empty(0)), bad
    moments = np.array([row.moment for row in rows])
    bucket_s = _bucket(moments)
    steps = np.rint(np.diff(moments) / bucket_s).astype(np.int64)
    index = np.concatenate([[0], np.cumsum(np.minimum(steps, LONGEST_GAP_BUCKETS))])
    size = int(index[-1]) + 1
    at = np.interp(np.arange(size), index, moments)
    at[index] = moments
    negative, total, label = np.full(size, np.nan), np.full(size, np.nan), [""] * size
    for place, row in zip(index.tolist(), rows, strict=True):
        negative[place], total[place], label[place] = row.negative, row.total, row.label
    return Series(bucket_s, at, label, negative, total), bad


def _bucket(moments: NDArray[np.float64]) -> float:
    """The size of which every step is a multiple: the commonest step, else the greatest common divisor."""
    steps = np.rint(np.diff(moments)).astype(np.int64)
    sizes, counts = np.unique(steps, return_counts=True)
    for size in (int(sizes[np.argmax(counts)]), int(np.gcd.reduce(steps))):
        off = np.abs(steps / size - np.rint(steps / size))
        if SMALLEST_S <= size <= LARGEST_S and (off <= 0.1).all() and (steps >= size * 0.9).all():
            return float(size)
    raise UsageError(
        f"column at: no regular bucket from a minute to a day fits (commonest step {int(sizes[np.argmax(counts)])} s); "
        "sum the counts into equal buckets first"
    )


def _rows(source: TextIO) -> tuple[list[Row], list[BadRow]]:
    """Rows in order of time, one per bucket's start, and those that cannot be used."""
    line = 0

    def lines() -> Iterator[str]:
        nonlocal line
        for line, text in enumerate(source, 1):  # noqa: B007  csv's own count stands still at what is no CSV
            yield text

    reader = csv.DictReader(lines(), skipinitialspace=True)
    try:
        missing = {"at", "total", "negative"} - set(reader.fieldnames or ())
    except csv.Error as error:
        raise UsageError(f"line 1 is no CSV ({error}): the file needs the header at,total,negative") from error
    if missing and "\ufffd" in "".join(reader.fieldnames or ()):
        raise UsageError("line 1 is not UTF-8 text; save the file as UTF-8")
    if missing:
        raise UsageError(f"column {', '.join(sorted(missing))} missing: the file needs the header at,total,negative")
    rows: dict[float, Row] = {}
    bad = []
    while True:
        try:
            row = _row(next(reader))
            if row.moment in rows:
                raise ValueError(f"at {row.label}: there is a row for this bucket already")
        except StopIteration:
            break
        except (ValueError, csv.Error) as error:  # after either the reader goes on with the next line
            bad.append(BadRow(line, f"{error}; a row is like 2026-01-31T09:05:00,12,3"))
        else:
            rows[row.moment] = row
    return [rows[moment] for moment in sorted(rows)], bad


def _row(cells: dict[str, str]) -> Row:
    """A row as typed values; an empty count is unknown. Raises ValueError."""
    label = (cells["at"] or "").strip()
    moment = datetime.fromisoformat(label)
    negative, total = _count(cells["negative"]), _count(cells["total"])
    if negative > total:
        raise ValueError(f"negative {negative:g} is more than total {total:g}")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Row(moment.timestamp(), label, negative, total)


def _count(cell: str | None) -> float:
    text = (cell or "").strip()
    number = float(text) if text else math.nan
    if number < 0 or math.isinf(number):
        raise ValueError(f"a count must be 0 or more, not {text}")
    return number
