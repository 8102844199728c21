"""`tocsin labels`: what is worth labelling, and what persons have said, in and out."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.shared import FileArgument, OutputOption, person, start

verbs = typer.Typer()
labels_app = typer.Typer(no_args_is_help=True, help="People's labels: import, export, queue.")
verbs.add_typer(labels_app, name="labels")


@labels_app.command("queue")
def queue_labels(
    size: Annotated[int, typer.Argument(help="how many articles", min=1)] = 60,
    days: Annotated[int, typer.Option(help="of the news of so many days", min=1)] = 14,
    seed: Annotated[int, typer.Option(help="the same seed draws the same audits")] = 0,
    output: OutputOption = None,
) -> None:
    """JSON lines to fill in and import: a third drawn at random (audit), the rest by what a label teaches most."""
    from monitor import app as wiring
    from monitor.lines import open_output
    from training.label_lines import queue_lines

    with wiring.database(start("labels", level="warning")) as database:
        lines = queue_lines(database, size, days, seed, datetime.now(UTC))
    with open_output(output) as out:
        out.writelines(lines)
    print(f"{len(lines):,} articles to label; fill in the blanks, then `tocsin labels import FILE`", file=sys.stderr)


@labels_app.command("import")
def import_labels(
    file: FileArgument = None,
    who: Annotated[str | None, typer.Option(help="whose word it is, where a line does not say; you")] = None,
) -> None:
    """Keep labels from JSON lines as queue and export write them; counts follow at once.

    One bad line, and none is kept. Broken off in the middle, the same file given again keeps the rest.
    """
    from monitor import app as wiring
    from monitor.lines import open_lines
    from monitor.store.models import topics_in_service
    from training.label_lines import import_labels as keep

    settings = start("labels", level="warning")
    name = who or person(settings)
    with wiring.database(settings) as database, open_lines(file) as lines:
        topics = topics_in_service(database)
        told = [line for line in lines if line is not None]
        count = keep(database, told, topics, name, datetime.now(UTC), lambda said: print(said, file=sys.stderr))
    print(f"{count:,} labels kept")


@labels_app.command("export")
def export_labels(
    file: Annotated[Path | None, typer.Argument(help="where they go; stdout if absent or -")] = None,
    since: Annotated[datetime | None, typer.Option(help="only those given on this day or later (UTC)")] = None,
) -> None:
    """Every label with the text it is about, as JSON lines, oldest first."""
    from monitor import app as wiring
    from monitor.lines import open_output
    from training.label_lines import export_labels as write

    settings = start("labels", level="warning")
    with wiring.database(settings) as database, open_output(file) as out:
        count = write(database, out, since.replace(tzinfo=UTC) if since else None)
    print(f"{count:,} labels", file=sys.stderr)
