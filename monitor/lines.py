"""The filters' common ground: JSON lines in, one JSON line out for each, in order. Owns files and progress, no answer.

A bad line is answered in its place by `{"id": ..., "error": ...}`, and the rest goes on. Lines that come one by one,
from `tail -f` say, are answered as they come.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from monitor.errors import UsageError

PROGRESS_EVERY_S = 0.5
PAUSE_S, LATEST_S = 0.05, 0.5
"""Where nothing comes for so long, or so long was spent waiting altogether, what has come is answered."""
CHUNK = 1 << 16

Fields = Mapping[str, Any]


class BadLine(ValueError):
    """This line cannot be answered; its text says why."""


def answer_lines(
    lines: Iterable[str | None],
    out: TextIO,
    check: Callable[[Fields], None],
    answer: Callable[[Sequence[Fields]], Sequence[Fields]],
    *,
    batch: int,
) -> int:
    """Answer every line, `batch` at a time at most, so that memory is bounded; returns how many were bad.

    `check` raises BadLine; `answer` gets the good lines' objects, one or more, and gives one answer for each.
    """
    bad = 0
    progress = _Progress()
    for taken in _batches(lines, batch):
        parsed = [_parse(line, check) for line in taken]
        good = [fields for fields, error in parsed if error is None]
        answers = iter(answer(good) if good else ())
        for fields, error in parsed:
            said = next(answers) if error is None else {"id": fields.get("id"), "error": error}
            out.write(line_of(said))
            bad += error is not None
        out.flush()
        progress.show(len(taken), bad)
    progress.end()
    return bad


def _batches(lines: Iterable[str | None], most: int) -> Iterator[list[str]]:
    taken: list[str] = []
    for line in lines:
        if line is not None:
            taken.append(line)
        if taken and (line is None or len(taken) == most):
            yield taken
            taken = []
    if taken:
        yield taken


def line_of(fields: Fields) -> str:
    """As UTF-8 can carry it: text as it is, lone surrogates, which an id or an entity may hold, as escapes."""
    line = json.dumps(fields, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(fields)
    return line + "\n"


def _parse(line: str, check: Callable[[Fields], None]) -> tuple[Fields, str | None]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        return {}, f"not JSON: {error}"
    if not isinstance(fields, dict):
        return {}, f"not a JSON object but {type(fields).__name__}"
    if "id" not in fields:
        return {}, "no id"
    try:
        json.dumps(fields["id"], allow_nan=False)
    except ValueError:  # NaN and 1e999, which Python reads: the answer would be no JSON
        return {}, "id is no JSON value"
    try:
        check(fields)
    except BadLine as error:
        return fields, str(error)
    return fields, None


def text_of(fields: Fields, name: str, *, required: bool = False) -> str:
    """A field that holds text, storable as UTF-8; '' where absent. BadLine if it is no text, or required and empty."""
    value = fields.get(name)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise BadLine(f"{name} must be text, not {type(value).__name__}")
    value = value.encode("utf-8", "replace").decode("utf-8")
    if required and not value.strip():
        raise BadLine(f"{name} is missing or empty")
    return value


@contextlib.contextmanager
def open_lines(path: Path | None) -> Iterator[Iterable[str | None]]:
    """The lines of a UTF-8 file, or of stdin where no file is named; None where stdin pauses.

    UsageError if it cannot be read.
    """
    if path is None or str(path) == "-":
        if sys.stdin is None:  # closed by whoever started us
            raise UsageError("there is no standard input; name a file of JSON lines")
        yield _arriving(sys.stdin.fileno())
        return
    try:
        file = path.open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; name a file of JSON lines") from error
    with file:
        yield file


def _arriving(source: int) -> Iterator[str | None]:
    """The lines of a file descriptor as they come, and None where whoever takes them should not wait for more."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    begun: list[str] = []  # of a line whose end has not come yet
    waited_s = 0.0
    while chunk := _read(source):
        *ended, rest = decoder.decode(chunk).split("\n")
        for line in ended:
            yield "".join([*begun, line])
            begun = []
        begun.append(rest)
        asked = time.monotonic()
        goes_on = select.select([source], [], [], PAUSE_S)[0]
        waited_s += time.monotonic() - asked
        if not goes_on or waited_s > LATEST_S:
            yield None
            waited_s = 0.0
    if last := "".join([*begun, decoder.decode(b"", final=True)]):
        yield last


def _read(source: int) -> bytes:
    try:
        return os.read(source, CHUNK)
    except OSError as error:
        raise UsageError(f"cannot read standard input: {error.strerror}; name a file of JSON lines") from error


@contextlib.contextmanager
def open_output(path: Path | None, reads: Path | None = None) -> Iterator[TextIO]:
    """A UTF-8 file, or stdout where none is named.

    UsageError if it cannot be written, or if it is the very file that is read: `reads`, without it what stdin reads.
    """
    if path is None or str(path) == "-":
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        yield sys.stdout
        return
    if _is_read(path, reads):
        raise UsageError(f"cannot write {path} while it is read: it would be empty; name another file with -o")
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; name another file with -o") from error
    with file:
        yield file


def _is_read(path: Path, reads: Path | None) -> bool:
    try:
        asked = os.stat(reads) if reads is not None and str(reads) != "-" else os.fstat(sys.stdin.fileno())
        return stat.S_ISREG(asked.st_mode) and os.path.samestat(asked, path.stat())
    except (OSError, ValueError, AttributeError):  # not there yet, or no stdin
        return False


class _Progress:
    """A running count on stderr, for people at a terminal; one closing line otherwise."""

    def __init__(self) -> None:
        self._started = self._shown = time.monotonic()
        self._lines = self._bad = 0

    def show(self, lines: int, bad: int) -> None:
        self._lines, self._bad = self._lines + lines, bad
        if sys.stderr.isatty() and time.monotonic() - self._shown >= PROGRESS_EVERY_S:
            self._shown = time.monotonic()
            print(f"\r{self._line()}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        print(f"{chr(13) if sys.stderr.isatty() else ''}{self._line()}", file=sys.stderr, flush=True)

    def _line(self) -> str:
        rate = self._lines / max(1e-9, time.monotonic() - self._started)
        bad = f", {self._bad:,} bad" if self._bad else ""
        return f"{self._lines:,} lines, {rate:,.0f} a second{bad}"
