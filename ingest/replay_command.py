"""`tocsin replay`: reads options, shows the progress, reports bad rows. The work is in sources/replay.py."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ingest.log import Publish
from ingest.sources.replay import Report, parse_mapping, parse_speed, replay
from monitor.errors import UsageError
from monitor.types import KINDS

SHOWN_ROWS = 50


def run_replay(
    file: Path,
    publish: Publish,
    *,
    mapping: str = "",
    kind: str = "news",
    speed: str = "max",
    when: str = "backfill",
) -> int:
    """The body of `tocsin replay`: 0 where every row was published, 1 where some were bad. UsageError for wrong use."""
    parse_mapping(mapping)
    if kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    if when not in ("backfill", "live"):
        raise UsageError(f"--as: {when!r} is neither backfill nor live")
    console = Console(stderr=True)
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[published]:,} published"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(escape(file.name), total=None, published=0)

        def tell(read: int, size: int, report: Report) -> None:
            progress.update(task, completed=read, total=size, published=report.published)

        report = replay(
            file,
            publish,
            mapping=mapping,
            kind=kind,
            speed=parse_speed(speed),
            when="live" if when == "live" else "backfill",
            now=lambda: datetime.now(UTC),
            tell=tell,
        )
    _show(report, time.monotonic() - started, lambda line: print(line, file=sys.stderr))
    return 1 if report.bad else 0


def _show(report: Report, seconds: float, say: Callable[[str], None]) -> None:
    for row in report.bad[:SHOWN_ROWS]:
        say(f"line {row.line}: {row.reason}")
    if rest := report.bad[SHOWN_ROWS:]:
        reasons = Counter(row.reason.partition(":")[0] for row in rest).most_common(5)
        say(f"{len(rest):,} more bad rows, mostly: " + "; ".join(f"{reason} ({count:,})" for reason, count in reasons))
    rate = report.published / max(seconds, 0.001)
    say(f"published {report.published:,} articles in {seconds:.1f} s ({rate:,.0f}/s); {len(report.bad):,} bad rows")
