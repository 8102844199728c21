"""`tocsin backtest --series`: a CSV of counts through production's detector and state machine. Needs no database."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector
from monitor.alerts.state import EpisodeState, Levels, Transition, step
from monitor.errors import UsageError

SMALLEST_S, LARGEST_S = 60, 86400
LONGEST_GAP_BUCKETS = 4032
"""A longer hole in a file is stepped over at this length: nothing is learned from it anyway."""
DEFAULT_BUDGET = 0.1


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


def backtest_series(source: TextIO, out: TextIO, budget: float = DEFAULT_BUDGET) -> int:
    """Write one JSON line per episode that a rule with `budget` false alarms a week would have had; their number."""
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"--budget {budget}: false alarms a week must be a number above 0, such as 0.1")
    episodes = 0
    for line in episodes_of(read_series(source), budget):
        out.write(json.dumps(line) + "\n")
        episodes += 1
    return episodes


def backtest_file(path: Path, out: TextIO, budget: float = DEFAULT_BUDGET) -> int:
    """`backtest_series` over a named file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            return backtest_series(source, out, budget)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read as UTF-8 text ({error}): name a CSV with at,total,negative"
        ) from error


def episodes_of(series: Series, budget: float) -> Iterator[dict[str, object]]:
    """The episodes in order, each as its line of JSON."""
    opened: Transition | None = None
    last: EpisodeState | None = None
    for change in transitions(series, Levels(open=-math.log10(budget))):
        if change.change == "opened":
            if opened and last:
                yield _line(series, opened, last)
            opened = change
        if change.change != "forgotten":
            last = change.state
    if opened and last:
        yield _line(series, opened, last)


def transitions(series: Series, levels: Levels) -> Iterator[Transition]:
    """Every change of the one scope's episode, in order; each depends on nothing later than its bucket."""
    if not len(series.at):
        return
    block = detector.Block(series.at, calendar.slots(series.at), series.negative[None], series.total[None])
    bank, surface = detector.advance(detector.new_bank(("series",), series.bucket_s), block)
    state = EpisodeState(scope="series")
    may_ring = (surface.severity[0] >= levels.open) & (surface.learning_days[0] <= 0)
    known = np.isfinite(series.total)
    for column in range(len(series.at)):
        if not known[column] or (state.phase == "quiet" and not may_ring[column]):
            continue
        (reading,) = detector.readings(bank, block, surface, column, [0])
        state, change = step(state, reading, levels)
        if change:
            yield change


def _line(series: Series, opened: Transition, last: EpisodeState) -> dict[str, object]:
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


def read_series(source: TextIO) -> Series:
    """Rows on their regular grid, whatever their order."""
    rows = sorted(_rows(source), key=lambda row: row[0])
    if len(rows) < 2:
        return Series(300.0, np.empty(0), [], np.empty(0), np.empty(0))
    moments = np.array([row[0] for row in rows])
    bucket_s = _bucket(moments)
    steps = np.rint(np.diff(moments) / bucket_s).astype(np.int64)
    if (steps < 1).any():
        raise UsageError(f"at {rows[int(np.argmin(steps)) + 1][1]}: two rows for one bucket; keep one row per bucket")
    index = np.concatenate([[0], np.cumsum(np.minimum(steps, LONGEST_GAP_BUCKETS))])
    size = int(index[-1]) + 1
    at, negative, total = np.empty(size), np.full(size, np.nan), np.full(size, np.nan)
    at[:] = np.interp(np.arange(size), index, moments)
    at[index] = moments
    negative[index], total[index] = [row[2] for row in rows], [row[3] for row in rows]
    label = [""] * size
    for place, row in zip(index.tolist(), rows, strict=True):
        label[place] = row[1]
    return Series(bucket_s, at, label, negative, total)


def _bucket(moments: NDArray[np.float64]) -> float:
    """The size of which every step is a multiple: the commonest step, else the greatest common divisor."""
    steps = np.rint(np.diff(moments)).astype(np.int64)
    steps = steps[steps > 0]
    if not len(steps):
        raise UsageError("column at: every row has the same time; give each bucket's start")
    sizes, counts = np.unique(steps, return_counts=True)
    for size in (int(sizes[np.argmax(counts)]), int(np.gcd.reduce(steps))):
        off = np.abs(steps / size - np.rint(steps / size))
        if SMALLEST_S <= size <= LARGEST_S and (off <= 0.1).all() and (steps >= size * 0.9).all():
            return float(size)
    raise UsageError(
        f"column at: no regular bucket from a minute to a day fits (commonest step {int(sizes[np.argmax(counts)])} s); "
        "sum the counts into equal buckets first"
    )


def _rows(source: TextIO) -> Iterator[tuple[float, str, float, float]]:
    reader = csv.DictReader(source, skipinitialspace=True)
    missing = {"at", "total", "negative"} - set(reader.fieldnames or ())
    if missing:
        raise UsageError(f"column {', '.join(sorted(missing))} missing: the file needs the header at,total,negative")
    for row in reader:
        yield _row(row, reader.line_num)


def _row(row: dict[str, str], line: int) -> tuple[float, str, float, float]:
    """(moment, at as written, negative, total); an empty count is unknown."""
    at = row["at"] or ""
    try:
        moment = datetime.fromisoformat(at.strip())
        counts = [float(row[name]) if (row[name] or "").strip() else math.nan for name in ("negative", "total")]
    except (ValueError, TypeError) as error:
        raise UsageError(f"line {line}: {error}; a row is like 2026-01-31T09:05:00,12,3") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    negative, total = counts
    if negative < 0 or negative > total or math.isinf(total):
        raise UsageError(f"line {line}: negative {row['negative']} must lie between 0 and total {row['total']}")
    return moment.timestamp(), at, negative, total
