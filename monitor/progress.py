"""How far a long command is, on stderr: a bar at a terminal, now and then a line elsewhere. Knows no command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0

Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """`what` is the sentence before the bar; each call says how many more are done."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)
        return
    lines = _Lines(what, total)
    yield lines.advance
    lines.say()


class _Lines:
    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done, self._said = what, total, 0, time.monotonic()

    def advance(self, done: int) -> None:
        self._done += done
        if time.monotonic() - self._said >= LINE_EVERY_S:
            self.say()

    def say(self) -> None:
        self._said = time.monotonic()
        print(f"{self._what}: {self._done:,} of {self._total:,}", file=sys.stderr, flush=True)
