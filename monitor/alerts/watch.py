"""The detector's bank kept up to date with the counts, final buckets first. Pure; reads no clock and no database.

A bank's first row is nobody's: it has seen nothing all along. A scope that turns up later begins as its copy, so that
"no news for a month" is known of it and its first bad hour can ring.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.alerts import calendar, detector, onset, windows
from monitor.alerts.calendar import ANYWHERE, Markets
from monitor.types import BUCKET, Scope, Sentiment

NOBODY = "all|nobody"
BUCKET_S = BUCKET.total_seconds()
CHUNK = 288
"""Buckets taken in at once while learning: a day."""
HISTORY = timedelta(days=35)
"""Of the stored past, so much teaches what is normal."""
LATE = timedelta(hours=6)
"""What is counted later than this never rings."""

Array = NDArray[np.float64]


class Tally(NamedTuple):
    """The counts of one scope and bucket, a rule's kinds together; `rings` is the part that came live."""

    scope: str
    at: datetime
    total: int
    marked: int
    """Stories of the sentiment watched for."""
    live_total: int
    live_marked: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known after the last final bucket, `at`, and which market each scope lives by."""

    bank: detector.Bank
    at: datetime
    markets: Markets = ANYWHERE


@dataclass(frozen=True, slots=True)
class Glance:
    """What the buckets after a bank's last one show: column by column."""

    bank: detector.Bank
    block: detector.Block
    surface: detector.Surface

    @property
    def times(self) -> list[datetime]:
        return [datetime.fromtimestamp(float(at), UTC) for at in self.block.at]


def steady_from(stories: Mapping[datetime, int], today: datetime) -> datetime | None:
    """The day from which a past tells what is normal; None where there is none. `stories`: per UTC day.

    What sources still show of months ago, on the first visit, is a story here and there: taken for history it would
    make every ordinary day after it a surge. A day is full that has a third of what the day of the median story has;
    from the first full day on, at least half of the days are full, as weeks with quiet weekends are.
    """
    if not stories:
        return None
    passed, half = 0, sum(stories.values()) / 2
    typical = 0
    for typical in sorted(stories.values(), reverse=True):
        passed += typical
        if passed >= half:
            break
    full = sorted(day for day, count in stories.items() if 3 * count >= typical)
    for place, day in enumerate(full):
        if 2 * (len(full) - place) >= (today - day).days + 1:
            return day
    return full[-1]


def new_watch(scopes: Iterable[str], first: datetime, markets: Markets = ANYWHERE) -> Watch:
    """A watch that has learned nothing yet and takes in the bucket `first` next."""
    names = (NOBODY, *_wide_first(scopes))
    return Watch(detector.new_bank(names, BUCKET_S, _parents(names)), first - BUCKET, markets)


def learn(watch: Watch, tallies: Sequence[Tally], until: datetime) -> Watch:
    """Take in everything up to and without the bucket `until`, back-fills included."""
    ordered = sorted(tallies, key=lambda one: one.at)
    while watch.at + BUCKET < until:
        stop = min(watch.at + BUCKET * CHUNK, until - BUCKET)
        begin, end = (bisect_right(ordered, moment, key=lambda one: one.at) for moment in (watch.at, stop))
        part = ordered[begin:end]
        bank, _ = detector.advance(watch.bank, _block(watch, watch.bank, part, stop, live=False))
        watch = replace(watch, bank=bank, at=stop)
    return watch


def forget(watch: Watch, scopes: Iterable[str]) -> Watch:
    """The watch after windows have forgotten what rose in these scopes, as after an excursion that is over."""
    bank, asked = watch.bank, set(scopes)
    over = np.asarray([name in asked for name in bank.scopes])
    sums = windows.forget(bank.sums, bank.known.dispersion, over)
    return replace(watch, bank=replace(bank, sums=sums, onset=onset.restart(bank.onset, over)))


def glance(watch: Watch, tallies: Sequence[Tally], until: datetime, *, learns: bool = True) -> tuple[Watch, Glance]:
    """Judge the buckets after the last final one up to and with `until`, on what came live."""
    bank = with_scopes(watch.bank, {one.scope for one in tallies})
    block = _block(watch, bank, tallies, until, live=True)
    after, surface = detector.advance(bank, replace(block, learn=learns))
    return replace(watch, bank=after, at=until), Glance(bank, block, surface)


def with_scopes(bank: detector.Bank, scopes: Iterable[str]) -> detector.Bank:
    """The bank with rows for scopes that it did not have; each begins as the row that never saw anything."""
    new = _wide_first(set(scopes) - set(bank.scopes))
    if not new:
        return bank
    size = len(bank.scopes)
    grown: detector.Bank = _grow(bank, np.concatenate([np.arange(size), np.zeros(len(new), np.intp)]))
    names = (*bank.scopes, *new)
    return replace(grown, scopes=names, parent=np.asarray(_parents(names), np.intp))


def _grow(value: Any, rows: NDArray[np.intp]) -> Any:
    """Every array of a bank with its scopes re-indexed: they are the first axis of flat tables, else the last."""
    if isinstance(value, np.ndarray):
        return np.take(value, rows, axis=0 if value.ndim <= 2 else value.ndim - 1)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _grow(getattr(value, field.name), rows) for field in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_grow(one, rows) for one in value))
    return value


def _wide_first(scopes: Iterable[str]) -> list[str]:
    return sorted(scopes, key=lambda key: (bool(_of(key).company) + bool(_of(key).topic), key))


def _parents(names: Sequence[str]) -> list[int]:
    row = {name: number for number, name in enumerate(names)}
    return [-1 if name == NOBODY else row.get(parent_of(name) or "", -1) for name in names]


def parent_of(key: str) -> str | None:
    """The scope whose rhythm a young one borrows."""
    scope = _of(key)
    if scope.company and scope.topic:
        return Scope(company=scope.company).key
    return None if key == "all" else "all"


def _of(key: str) -> Scope:
    return Scope() if key == NOBODY else Scope.of(key)


def _block(
    watch: Watch, bank: detector.Bank, tallies: Sequence[Tally], last: datetime, *, live: bool
) -> detector.Block:
    first = watch.at + BUCKET
    size = round((last - first) / BUCKET) + 1
    at: Array = first.timestamp() + BUCKET_S * np.arange(size, dtype=np.float64)
    marked, total = np.zeros((len(bank.scopes), size)), np.zeros((len(bank.scopes), size))
    row = {name: number for number, name in enumerate(bank.scopes)}
    for one in tallies:
        column = round((one.at - first) / BUCKET)
        if 0 <= column < size and one.scope in row:
            here = row[one.scope], column
            marked[here] += one.live_marked if live else one.marked
            total[here] += one.live_total if live else one.total
    return detector.Block(at, calendar.slots_of(at, bank.scopes, watch.markets), marked, total)


def sentiment_of(series: str) -> Sentiment:
    return "positive" if series.endswith("/positive") else "negative"


def to_bytes(watch: Watch) -> bytes:
    """A watch as compressed arrays: no code, no pickles."""
    out = BytesIO()
    arrays = {f"a{number}": array for number, array in enumerate(_arrays(watch.bank))}
    at, markets = np.array(watch.bank.at), np.array(_markets_of(watch.bank.scopes, watch.markets))
    np.savez_compressed(out, scopes=np.array(watch.bank.scopes), at=at, markets=markets, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def from_bytes(data: bytes, markets: Markets = ANYWHERE) -> Watch | None:
    """The watch that goes on where a stored one stopped; None where it must learn anew: its detector had another
    shape, or its hours were another market's."""
    with np.load(BytesIO(data), allow_pickle=False) as stored:
        names = tuple(str(one) for one in stored["scopes"])
        empty = detector.new_bank(names, BUCKET_S, _parents(names))
        wanted = list(_arrays(empty))
        arrays = [stored[name] for name in stored.files if name not in ("scopes", "at", "markets")]
        if "markets" not in stored.files or stored["markets"].tolist() != _markets_of(names, markets):
            return None
        if [one.shape for one in arrays] != [one.shape for one in wanted]:
            return None
        bank: detector.Bank = replace(_filled(empty, iter(arrays)), at=float(stored["at"]))
        return Watch(bank, datetime.fromtimestamp(bank.at, UTC), markets)


def _markets_of(scopes: Sequence[str], markets: Markets) -> list[str]:
    return [markets.of(scope).name for scope in scopes]


def _arrays(value: Any) -> Iterable[NDArray[Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _arrays(getattr(value, field.name))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for one in value:
            yield from _arrays(one)


def _filled(value: Any, arrays: Any) -> Any:
    if isinstance(value, np.ndarray):
        return next(arrays)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _filled(getattr(value, field.name), arrays) for field in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_filled(one, arrays) for one in value))
    return value
