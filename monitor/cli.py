"""The `tocsin` command. Every verb parses, calls and answers; what it does lives in the room it names.

The only module of the core that may import the other programs, each inside its verb. Verbs that need no model never
import torch; verbs that need the database join a running private server or start it for their own duration.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from monitor.errors import TocsinError
from monitor.processes import die_with_owner, stopped_by_signals
from monitor.settings import Settings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches financial news and rings when bad news about something rises above its own normal.",
)
sources_app = typer.Typer(no_args_is_help=True, help="The feeds that are asked: list, check, add.")
notify_app = typer.Typer(no_args_is_help=True, help="Channels that alerts go to.")
dead_app = typer.Typer(no_args_is_help=True, help="Messages that could not become articles: list, show, retry.")
app.add_typer(sources_app, name="sources")
app.add_typer(notify_app, name="notify")
app.add_typer(dead_app, name="dead-letters")
models_app = typer.Typer(no_args_is_help=True, help="Versions of the model that are here: list, show.")
app.add_typer(models_app, name="models")

FileArgument = Annotated[Path | None, typer.Argument(help="JSON lines; stdin if absent or -")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="where the answers go; stdout if absent")]
INTERRUPTED = 130


class Kind(StrEnum):
    news = "news"
    report = "report"
    comment = "comment"


class CountedAs(StrEnum):
    backfill = "backfill"
    live = "live"


def main() -> None:
    """Run the command; what a user can cause ends with one line and an exit code, never with a traceback."""
    die_with_owner()
    # Read when torch is loaded. By default its threads spin while they wait: beside one other busy process on two
    # cores, 1,024 headlines took ten seconds instead of one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except TocsinError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more must be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _settings(program: str, *, level: str | None = None) -> Settings:
    """The settings, with logging and metrics started as they say."""
    from monitor.logs import start_logging
    from monitor.metrics import serve_metrics

    settings = read_settings()
    start_logging(program, form=settings.log_format, level=level or settings.log_level)
    if level is None:
        serve_metrics(settings.metrics_port)
    return settings


# -- programs


@app.command()
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="no dashboard, no browser")] = False,
    exit_after_alert: Annotated[bool, typer.Option(help="stop 15 s after the alert")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="end stdout with one JSON object")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="wipe what earlier demos left")] = False,
    browser: Annotated[bool, typer.Option(help="open the dashboard in the browser")] = True,
) -> None:
    """A simulated news stream with a past, one scripted crisis, its alert, and the dashboard. Works offline."""
    from ingest.demo_world import simulated_world
    from ingest.simulator.crisis import next_crisis_company
    from ingest.simulator.world import WATCHLIST
    from monitor.demo_command import run_demo

    run_demo(
        _settings("demo", level="warning"),
        WATCHLIST,
        simulated_world,
        next_crisis_company,
        with_dashboard=not headless,
        open_browser=browser and not headless,
        exit_after_alert=exit_after_alert,
        as_json=as_json,
        fresh=fresh,
    )


@app.command()
def up() -> None:
    """Everything live in one process group: sources, worker, jobs, dashboard."""
    from monitor.up import run_up

    run_up(_settings("up"))


@app.command()
def ingest() -> None:
    """Ask the sources and append what they say to the log."""
    from ingest.log import to_log
    from ingest.program import run_ingest
    from monitor import app as wiring
    from monitor.store.feeds import StoredFeedStates

    settings = _settings("ingest")
    stop = stopped_by_signals()
    with wiring.database_url(settings) as url, wiring.opened(url) as database:
        broker = wiring.connector(settings, url)()
        run_ingest(settings, to_log(broker, settings.topic), StoredFeedStates(database), stop)


@app.command()
def worker() -> None:
    """Label what is on the log and store it."""
    from monitor import app as wiring
    from monitor.worker import Worker

    settings = _settings("worker")
    stop = stopped_by_signals()
    with wiring.database_url(settings) as url, wiring.opened(url) as database:
        wiring.first_model(settings, database, datetime.now(UTC))
        Worker(
            database,
            wiring.connector(settings, url),
            wiring.loader(settings),
            wiring.companies(settings),
            settings.batch_articles,
        ).run(stop)


@app.command()
def jobs() -> None:
    """Evaluate counts, open and close episodes, deliver alerts. Of several, one is elected."""
    from monitor import app as wiring
    from monitor.jobs import run_jobs

    settings = _settings("jobs")
    stop = stopped_by_signals()
    with wiring.database_url(settings) as url:
        broker = wiring.connector(settings, url)()
        run_jobs(settings, url, broker.lag, stop, log_trim=wiring.log_trim(settings, url))


@app.command()
def dashboard(
    host: Annotated[str | None, typer.Option(help="where to listen; another address than this machine's")] = None,
    port: Annotated[int | None, typer.Option(help="where to listen")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="let others reach it without a login")] = False,
) -> None:
    """Serve the dashboard."""
    from dashboard.serve import command
    from monitor import app as wiring
    from monitor.processes import Programs

    settings = _settings("dashboard")
    if host is not None:
        settings = settings.model_copy(update={"dashboard_host": host})
    serving = command(settings, port, insecure=insecure)
    stop = stopped_by_signals()
    with wiring.database_url(settings) as url, Programs({**os.environ, "TOCSIN_DATABASE_URL": url}) as programs:
        programs.start("streamlit", serving)
        while not stop.wait(0.2):
            programs.check()


# -- filters


@app.command()
def classify(
    file: FileArgument = None,
    output: OutputOption = None,
    model: Annotated[str | None, typer.Option(help="a name, a folder or a hub name")] = None,
) -> None:
    """JSON lines in (id, text or title and body, entities), labels out, same order. Needs no database."""
    from monitor import app as wiring
    from monitor.classifier.lines import classify_lines
    from monitor.lines import open_lines, open_output

    settings = _settings("classify", level="warning")
    with open_lines(file) as lines:
        classifier = wiring.loader(settings)(model or settings.model)
        with open_output(output) as out:
            bad = classify_lines(lines, out, classifier, wiring.companies(settings))
    raise typer.Exit(1 if bad else 0)


@app.command()
def stories(file: FileArgument = None, output: OutputOption = None) -> None:
    """JSON lines in (id, title, published), which of them tell the same story out. Needs no database, no model."""
    from monitor.lines import open_lines, open_output
    from monitor.story_lines import stories_lines

    with open_lines(file) as lines, open_output(output) as out:
        bad = stories_lines(lines, out)
    raise typer.Exit(1 if bad else 0)


@app.command()
def backtest(
    series: Annotated[Path | None, typer.Option(help="a CSV file with at,total,negative; else the stored past")] = None,
    budget: Annotated[float | None, typer.Option(help="false alarms a week that you accept")] = None,
    days: Annotated[int, typer.Option(help="how much of the stored past", min=1)] = 90,
    output: OutputOption = None,
) -> None:
    """What a rule would have rung: one JSON line per episode, through the same state machine as production."""
    from monitor.lines import open_output

    if series is not None:
        from monitor.alerts.series import DEFAULT_BUDGET, backtest_file

        with open_output(output) as out:
            bad = backtest_file(series, out, DEFAULT_BUDGET if budget is None else budget)
        raise typer.Exit(1 if bad else 0)
    from monitor import app as wiring
    from monitor.backtest_command import backtest_stored

    settings = _settings("backtest", level="warning")
    with wiring.database(settings) as database, open_output(output) as out:
        backtest_stored(database, out, budget, days, datetime.now(UTC))


# -- news


@app.command()
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

    settings = _settings("replay")
    with wiring.database_url(settings) as url:
        broker = wiring.connector(settings, url)()
        publish = to_log(broker, settings.topic)
        code = run_replay(file, publish, mapping=mapping, kind=kind.value, speed=speed, when=counted_as.value)
    raise typer.Exit(code)


@sources_app.command("list")
def list_sources() -> None:
    """Every source with its health."""
    from ingest.sources_command import list_sources as show
    from monitor import app as wiring
    from monitor.store.feeds import StoredFeedStates

    settings = _settings("sources", level="warning")
    with wiring.database(settings) as database:
        raise typer.Exit(show(settings, StoredFeedStates(database).all()))


@sources_app.command("check")
def check_source(url: Annotated[str, typer.Argument(help="a feed's address, or the name of a known source")]) -> None:
    """Ask a source once and show what it would bring."""
    from ingest.sources_command import check_source as check

    raise typer.Exit(check(_settings("sources", level="warning"), url))


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

    settings = _settings("sources", level="warning")
    options = {"name": name, "kind": kind.value, "publisher": publisher, "family": family, "cadence": cadence}
    raise typer.Exit(add(settings, url, **options))


# -- operation


@notify_app.command("test")
def notify_test(channel: Annotated[str, typer.Argument(help="a channel's name, as TOCSIN_NOTIFY gives it")]) -> None:
    """Send one test message through a channel."""
    from monitor.jobs import notify_test as send

    print(send(_settings("notify", level="warning"), channel, datetime.now(UTC)))


@dead_app.command("list")
def list_dead_letters(limit: Annotated[int, typer.Option(help="at most so many, newest first", min=1)] = 50) -> None:
    """One line each: where it lies on the log, when, why."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    with wiring.database(_settings("dead-letters", level="warning")) as database:
        for letter in dead_letters.newest(database, limit):
            retried = " (retried)" if letter.retried_at else ""
            print(f"{letter.name}  {letter.at:%Y-%m-%d %H:%M:%S}  {letter.reason}{retried}")


@dead_app.command("show")
def show_dead_letter(name: Annotated[str, typer.Argument(help="topic/partition/offset, as listed")]) -> None:
    """The reason and the message as it came."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    with wiring.database(_settings("dead-letters", level="warning")) as database:
        letter = dead_letters.named(database, name)
        print(f"{letter.name}\n{letter.reason}\n")
        print(letter.payload.decode("utf-8", "backslashreplace"))


@dead_app.command("retry")
def retry_dead_letters(
    names: Annotated[list[str] | None, typer.Argument(help="topic/partition/offset, as listed")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every one not retried yet")] = False,
) -> None:
    """Put messages on the log again, as they came: after the worker that refused them was mended."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    settings = _settings("dead-letters", level="warning")
    with wiring.database_url(settings) as url, wiring.opened(url) as database:
        letters = dead_letters.to_retry(database, names or (), everything=everything)
        dead_letters.retry(database, letters, wiring.connector(settings, url)(), datetime.now(UTC))
    print(f"{len(letters)} messages are on the log again")


# -- the model's life

DataOption = Annotated[Path, typer.Option(help="the folder of labelled sets: twitter-financial-news/, sentfin/")]


@app.command()
def train(
    data: DataOption,
    encoder: Annotated[Path, typer.Option(help="the folder of a pretrained encoder, e.g. all-MiniLM-L6-v2")],
    version: Annotated[str, typer.Option(help="the name of what is made; its folder lies in the data directory")],
    epochs: Annotated[int, typer.Option(help="how often every example is read", min=1)] = 4,
    batch: Annotated[int, typer.Option(help="examples a step", min=1)] = 32,
    seed: Annotated[int, typer.Option(help="the same seed trains alike")] = 0,
) -> None:
    """Train a version on labelled sets and calibrate it. A killed run goes on where it was."""
    from training.commands import train_model

    out = _settings("train", level="warning").data_dir / "models" / version
    train_model(data, encoder, out, version, datetime.now(UTC), {"epochs": epochs, "batch": batch, "seed": seed})


@app.command()
def evaluate(
    data: DataOption,
    model: Annotated[str, typer.Argument(help="a name or a folder")] = "small",
    split: Annotated[str, typer.Option(help="validation while working; test for a release's table")] = "validation",
) -> None:
    """Measure a version against baselines and write its report: scores, intervals, calibration, slices."""
    from training.commands import evaluate_version

    settings = _settings("evaluate", level="warning")
    evaluate_version(model, settings.data_dir, data, split, datetime.now(UTC))


@models_app.command("list")
def list_models() -> None:
    """One line a version: its name, when it was made, how good it is, where it lies."""
    from training.commands import list_models as lines

    print("\n".join(lines(_settings("models", level="warning").data_dir)))


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(help="a name or a folder")]) -> None:
    """What a version says of itself: data, configuration, temperatures, scores."""
    from training.commands import show_model as show

    print(show(name, _settings("models", level="warning").data_dir))


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False) -> None:
    """Articles by stage, lag, feeds, the model in service, open episodes."""
    from monitor import app as wiring
    from monitor.status_command import describe

    settings = _settings("status", level="warning")
    with wiring.database_url(settings) as url, wiring.opened(url) as database:
        print(describe(database, wiring.connector(settings, url)(), datetime.now(UTC), as_json=as_json))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; with Kafka, make the topic."""
    from monitor import app as wiring

    for line in wiring.migrate_all(_settings("migrate")):
        print(line)


@app.command()
def doctor() -> None:
    """What is missing here, and how to mend it."""
    from ingest.feeds import read_sources
    from monitor import app as wiring
    from monitor.doctor import examine

    settings = _settings("doctor", level="error")
    checks = {
        **wiring.checks(settings),
        "feeds": lambda: f"{len(read_sources(settings.feeds, settings.data_dir))} sources",
    }
    fine = True
    for finding in examine(settings, checks):
        print(finding, flush=True)
        fine = fine and finding.is_fine
    raise typer.Exit(0 if fine else 1)


if __name__ == "__main__":
    main()
