"""`demo`, `up` and the programs of a real deployment: `ingest`, `worker`, `jobs`, `dashboard`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.cli.shared import start
from monitor.processes import stopped_by_signals

verbs = typer.Typer()


@verbs.command()
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
    from monitor.demo_command import Wanted, run_demo

    wanted = Wanted(
        with_dashboard=not headless,
        open_browser=browser and not headless,
        exit_after_alert=exit_after_alert,
        as_json=as_json,
        fresh=fresh,
    )
    run_demo(start("demo", level="warning"), WATCHLIST, simulated_world, next_crisis_company, wanted)


@verbs.command()
def up() -> None:
    """Everything live in one process group: sources, worker, jobs, dashboard."""
    from monitor.up import run_up

    run_up(start("up"))


@verbs.command()
def ingest() -> None:
    """Ask the sources and append what they say to the log."""
    from ingest.log import to_log
    from ingest.program import run_ingest
    from monitor import app as wiring
    from monitor.store.feeds import StoredFeedStates

    settings = start("ingest")
    stop = stopped_by_signals()
    with wiring.database_url(settings, wait=True) as url, wiring.opened(url) as database:
        broker = wiring.connector(settings, url)()
        run_ingest(settings, to_log(broker, settings.topic), StoredFeedStates(database), stop)


@verbs.command()
def worker() -> None:
    """Label what is on the log and store it."""
    from monitor import app as wiring
    from monitor.worker import Worker

    settings = start("worker")
    stop = stopped_by_signals()
    with wiring.database_url(settings, wait=True) as url, wiring.opened(url) as database:
        wiring.first_model(settings, database, datetime.now(UTC))
        Worker(
            database,
            wiring.connector(settings, url),
            wiring.worker_loader(settings, database),
            wiring.companies(settings),
            settings.batch_articles,
        ).run(stop)


@verbs.command()
def jobs() -> None:
    """Evaluate counts, open and close episodes, deliver alerts. Of several, one is elected."""
    from monitor import app as wiring
    from monitor.jobs import run_jobs

    settings = start("jobs")
    stop = stopped_by_signals()
    with wiring.database_url(settings, wait=True) as url:
        broker = wiring.connector(settings, url)()
        run_jobs(settings, url, broker.lag, stop, log_trim=wiring.log_trim(settings, url))


@verbs.command()
def dashboard(
    host: Annotated[str | None, typer.Option(help="where to listen; another address than this machine's")] = None,
    port: Annotated[int | None, typer.Option(help="where to listen", min=1, max=65535)] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="let others reach it without a login")] = False,
) -> None:
    """Serve the dashboard."""
    from dashboard.serve import command
    from monitor import app as wiring
    from monitor.address import DASHBOARD_MEND, must_be_free
    from monitor.processes import Programs

    settings = start("dashboard")
    if host is not None:
        settings = settings.model_copy(update={"dashboard_host": host})
    serving = command(settings, port, insecure=insecure)
    must_be_free(settings.dashboard_host, port or settings.dashboard_port, DASHBOARD_MEND)
    stop = stopped_by_signals()
    with (
        wiring.database_url(settings, wait=True) as url,
        Programs({**os.environ, "TOCSIN_DATABASE_URL": url}) as programs,
    ):
        programs.start("streamlit", serving)
        while not stop.wait(0.2):
            programs.check()
