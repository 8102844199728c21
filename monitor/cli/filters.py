"""The three filters: `classify`, `stories`, `backtest`. A file or stdin in, a file or stdout out."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.shared import FileArgument, OutputOption, start
from monitor.errors import UsageError

verbs = typer.Typer()


@verbs.command()
def classify(
    file: FileArgument = None,
    output: OutputOption = None,
    model: Annotated[str | None, typer.Option(help="a name, a folder or a hub name")] = None,
) -> None:
    """JSON lines in (id, text or title and body, entities), labels out, same order. Needs no database."""
    from monitor import app as wiring
    from monitor.classifier.lines import classify_lines
    from monitor.lines import open_lines, open_output

    settings = start("classify", level="warning")
    with open_lines(file) as lines:
        classifier = wiring.loader(settings)(settings.model if model is None else model)
        companies = wiring.companies(settings)
        with open_output(output, file) as out:
            bad = classify_lines(lines, out, classifier, companies)
    raise typer.Exit(1 if bad else 0)


@verbs.command()
def stories(file: FileArgument = None, output: OutputOption = None) -> None:
    """JSON lines in (id, title, published), which of them tell the same story out. Needs no database, no model."""
    from monitor.lines import open_lines, open_output
    from monitor.story_lines import stories_lines

    with open_lines(file) as lines, open_output(output, file) as out:
        bad = stories_lines(lines, out)
    raise typer.Exit(1 if bad else 0)


@verbs.command()
def backtest(
    series: Annotated[Path | None, typer.Option(help="a CSV file with at,total,negative; else the stored past")] = None,
    rule: Annotated[str | None, typer.Option(help="a saved rule's name; without it the first that is on")] = None,
    budget: Annotated[float | None, typer.Option(help="false alarms a week that you accept")] = None,
    days: Annotated[int, typer.Option(help="how much of the stored past", min=1)] = 90,
    output: OutputOption = None,
) -> None:
    """What a rule would have rung: one JSON line per episode, through the same state machine as production."""
    from monitor.lines import line_of, open_output

    if series is not None:
        if rule is not None:
            raise UsageError("--series reads a file and --rule the stored past; give one of them")
        from monitor.alerts.series import DEFAULT_BUDGET, backtest_file

        lines, bad = backtest_file(series, DEFAULT_BUDGET if budget is None else budget)
        with open_output(output, series) as out:
            out.writelines(map(line_of, lines))
        raise typer.Exit(1 if bad else 0)
    from monitor import app as wiring
    from monitor.backtest_command import backtest_stored
    from monitor.markets import load_markets

    settings = start("backtest", level="warning")
    markets = load_markets(settings.market)
    with wiring.database(settings) as database:
        lines, summary = backtest_stored(database, budget, days, datetime.now(UTC), markets, name=rule)
    with open_output(output) as out:
        out.writelines(map(line_of, lines))
    print(summary, file=sys.stderr)
