"""`tocsin demo`: the demo on its own data directory, with its own settings, however it ends."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from monitor import app, embedded
from monitor.address import DASHBOARD_MEND, is_healthy, must_be_free
from monitor.broker.protocol import Broker
from monitor.demo import Demo, Report, Stopped, World
from monitor.processes import Programs, only_one, stopped_by_signals
from monitor.settings import Settings, read_settings
from monitor.store.feeds import StoredFeedStates

MakeWorld = Callable[[datetime, Broker, str, StoredFeedStates], World]


@dataclass(frozen=True)
class Wanted:
    """What the command line asks of the demo."""

    with_dashboard: bool
    open_browser: bool
    exit_after_alert: bool
    as_json: bool
    fresh: bool


def run_demo(
    settings: Settings,
    watchlist: Path,
    make_world: MakeWorld,
    next_company: Callable[[AbstractSet[str]], str],
    wanted: Wanted,
) -> None:
    """Everything on embedded parts, in `data_dir`/demo, whatever the live settings name.

    TocsinError where a demo runs there already, or not exactly one alert came of it, though it was asked for.
    """
    folder = settings.data_dir.resolve() / "demo"
    with only_one(
        folder.with_suffix(".lock"), f"a demo runs in {folder} already; stop it first, or set TOCSIN_DATA_DIR"
    ):
        if wanted.with_dashboard:
            must_be_free(settings.dashboard_host, settings.dashboard_port, DASHBOARD_MEND)
        if wanted.fresh:
            embedded.wipe(folder)
        ours = _enter(folder, environment_of(settings, folder, watchlist, os.environ))
        report = _run(ours, folder, make_world, next_company, wanted)
    if report is None:
        return
    if wanted.as_json:
        print(report.json(), file=sys.stdout, flush=True)
    if wanted.exit_after_alert:
        report.check()


def environment_of(settings: Settings, folder: Path, watchlist: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What the demo and its programs start with: its own world, on this machine's model, device and dashboard."""
    own_model = Path(settings.model)
    live = ("TOCSIN_DATABASE_URL", "TOCSIN_FEEDS", "TOCSIN_METRICS_PORT", "TOCSIN_HEARTBEAT_URL")
    kept = {name: value for name, value in environment.items() if name not in live}
    return kept | {
        "TOCSIN_DATA_DIR": str(folder),
        "TOCSIN_WATCHLIST": str(watchlist),
        "TOCSIN_BROKER": "postgres",
        "TOCSIN_NOTIFY": '["console://"]',
        "TOCSIN_MODEL": str(own_model.resolve()) if own_model.is_dir() else settings.model,
        "TOCSIN_DEVICE": settings.device,
        "TOCSIN_DASHBOARD_HOST": settings.dashboard_host,
        "TOCSIN_DASHBOARD_PORT": str(settings.dashboard_port),
        "TOCSIN_DASHBOARD_URL": settings.dashboard_url,
    }


def _enter(folder: Path, environment: Mapping[str, str]) -> Settings:
    """Make the demo's world this process's own; its settings."""
    os.environ.clear()
    os.environ.update(environment)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # where no tocsin.toml of the live system lies, whose database must see no invented news
    return read_settings()


def _run(
    ours: Settings,
    folder: Path,
    make_world: MakeWorld,
    next_company: Callable[[AbstractSet[str]], str],
    wanted: Wanted,
) -> Report | None:
    """The report; None where Ctrl-C ended it before its alert, unless the alert or the report was asked for."""
    console = Console(stderr=True, highlight=False)
    stop = stopped_by_signals()
    with app.database_url(ours) as url, app.opened(url) as database, Programs(os.environ) as programs:
        broker = app.connector(ours, url)()
        demo = Demo(
            folder=folder,
            database=database,
            programs=programs,
            world=lambda anchor: make_world(anchor, broker, ours.topic, StoredFeedStates(database)),
            company=next_company,
            model=app.first_model(ours, database, datetime.now(UTC)),
            console=console,
            stop=stop,
            dashboard_url=ours.dashboard_url if wanted.with_dashboard else None,
            answers=lambda: is_healthy(ours.dashboard_host, ours.dashboard_port),
            show=webbrowser.open if wanted.open_browser else None,
        )
        try:
            return demo.run(exit_after_alert=wanted.exit_after_alert)
        except Stopped:
            if wanted.exit_after_alert or wanted.as_json:
                raise
            return None
        finally:
            if stop.is_set():
                console.print("stopping …")
            broker.close()
