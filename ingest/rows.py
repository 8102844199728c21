"""A recorded file -> its rows, one at a time: JSON lines or CSV, gzipped or not. Reads; never interprets a row."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from monitor.errors import TocsinError, UsageError

Row = dict[str, Any]
Text = io.BufferedReader
LONGEST_FIELD = 16 * 2**20


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used, where it stands and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class RowFile:
    """An open recording. `bytes_read` of `size` is how far a reader has come."""

    raw: io.BufferedReader
    text: Text
    is_csv: bool
    size: int

    def bytes_read(self) -> int:
        return self.raw.tell()

    def rows(self) -> Iterator[tuple[int, Row] | BadRow]:
        """(line number, row) or BadRow, in the file's order."""
        return _csv_rows(self.text) if self.is_csv else _json_rows(self.text)


@contextmanager
def open_rows(path: Path) -> Iterator[RowFile]:
    """UsageError for a file that can't be opened; TocsinError where its gzip stream breaks off on the way."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; name a readable file of JSON lines or CSV") from error
    with raw:
        try:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            text: Any = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            yield RowFile(raw, text, _is_csv(path, text), path.stat().st_size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise TocsinError(
                f"{path}: the gzip file is damaged ({error}); fetch it again and replay it whole"
            ) from error


def _is_csv(path: Path, text: Text) -> bool:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".csv":
        return True
    start = text.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if suffix in {".jsonl", ".ndjson", ".json"} or start.startswith(b"{"):
        if start.startswith(b"["):
            raise UsageError(f"{path}: holds a JSON array; give one object a line (jq -c '.[]' {path.name} does it)")
        return False
    return True


def _json_rows(file: Text) -> Iterator[tuple[int, Row] | BadRow]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for number, line in enumerate(file, 1):
        line = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not line:
            continue
        try:
            yield number, decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield _second_try(number, line, error)


def _second_try(number: int, line: bytes, error: Exception) -> tuple[int, Row] | BadRow:
    """The standard library's reader takes lone surrogates, which feeds do write."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    return (number, row) if isinstance(row, dict) else BadRow(number, f"no JSON object: {error}")


def _csv_rows(file: Text) -> Iterator[tuple[int, Row] | BadRow]:
    csv.field_size_limit(min(LONGEST_FIELD, sys.maxsize))
    reader = csv.reader(_lines(file))
    header = next(reader, [])
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(reader.line_num, f"no CSV row: {error}")
            continue
        if not _is_utf8(fields):
            yield BadRow(reader.line_num, "the row is not UTF-8")
        elif len(fields) == len(header):
            yield reader.line_num, dict(zip(header, fields, strict=True))
        elif fields:
            yield BadRow(reader.line_num, f"{len(fields)} fields where the header names {len(header)}")


def _lines(file: Text) -> Iterator[str]:
    for number, line in enumerate(file):
        # Escaped, bad bytes travel as lone surrogates and spoil one row instead of the file.
        text = line.removeprefix(b"\xef\xbb\xbf" if number == 0 else b"").decode("utf-8", "surrogateescape")
        # A lone CR is a line break within a tweet, which writers that end lines with LF leave unquoted.
        yield text.replace("\r\n", "\n").replace("\r", " ")


def _is_utf8(fields: list[str]) -> bool:
    text = "".join(fields)
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
