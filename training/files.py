"""A gzipped CSV file of texts -> its rows. What is wrong with a file is told in one line; knows no labels."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from monitor.errors import UsageError


def rows(path: Path, columns: Sequence[str], among: Sequence[str]) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Each row with where it stands; None where a row is cut short.

    UsageError for a file that is missing (`among` says which the folder should hold), damaged, or without the columns.
    """
    if not path.is_file():
        raise UsageError(f"no {path}; --data names the folder that holds {', '.join(among)}")
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            found = reader.fieldnames or []
            if missing := [name for name in columns if name not in found]:
                raise UsageError(f"{path} has no column {', '.join(missing)}, but {', '.join(found) or 'nothing'}")
            for row in reader:
                yield f"{path}, line {reader.line_num}", row
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {path}: {error}; it must be CSV in UTF-8, gzipped, and whole") from error
