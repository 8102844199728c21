"""What brings news in: `replay` and `sources`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.shared import start

verbs = typer.Typer()
sources_app = typer.Typer(no_args_is_help=True, help="The feeds that are asked: list, check, add.")
verbs.add_typer(sources_app, name="sources")


class Kind(StrEnum):
    news = "news"
    report = "report"
    comment = "comment"


class CountedAs(StrEnum):
    backfill = "backfill"
    live = "live"


@verbs.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines or CSV, also .gz")],
    mapping: Annotated[str, typer.Option("--map", help="field=column,...: title=text,published=at")] = "",
    kind: Annotated[Kind, typer.Option(help="what the rows are")] = Kind.news,
    speed: Annotated[str, typer.Option(help="max, or how many times as fast as it happened")] = "max",
    counted_as: Annotated[CountedAs, typer.Option("--as", help="live shifts the times to now")] = CountedAs.backfill,
) -> None:
    """Publish a recorded file to the log."""
    from ingest.log import to_log
    from ingest.replay_command import run_replay
    from monitor import app as wiring

    settings = start("replay")
    with wiring.database_url(settings) as url, wiring.asked_log(settings, url) as broker:
        publish = to_log(broker, settings.topic)
        code = run_replay(file, publish, mapping=mapping, kind=kind.value, speed=speed, when=counted_as.value)
    raise typer.Exit(code)


@sources_app.command("list")
def list_sources() -> None:
    """Every source with its health."""
    from ingest.sources_command import list_sources as show
    from monitor import app as wiring
    from monitor.store.feeds import StoredFeedStates

    settings = start("sources", level="warning")
    with wiring.database(settings) as database:
        raise typer.Exit(show(settings, StoredFeedStates(database).all()))


@sources_app.command("check")
def check_source(url: Annotated[str, typer.Argument(help="a feed's address, or the name of a known source")]) -> None:
    """Ask a source once and show what it would bring."""
    from ingest.sources_command import check_source as check

    raise typer.Exit(check(start("sources", level="warning"), url))


@sources_app.command("add")
def add_source(
    url: Annotated[str, typer.Argument(help="a feed's address")],
    name: Annotated[str, typer.Option(help="how it is called; its host if absent")] = "",
    kind: Annotated[Kind, typer.Option(help="what it brings")] = Kind.news,
    publisher: Annotated[str, typer.Option(help="who publishes it")] = "",
    family: Annotated[str, typer.Option(help="the house the publisher belongs to")] = "",
    cadence: Annotated[str, typer.Option(help="how often to ask: 5m, 2h")] = "",
) -> None:
    """Check a source, then add it to your feeds.toml."""
    from ingest.sources_command import add_source as add

    settings = start("sources", level="warning")
    options = {"name": name, "kind": kind.value, "publisher": publisher, "family": family, "cadence": cadence}
    raise typer.Exit(add(settings, url, **options))
