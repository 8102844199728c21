"""`tocsin demo`: the demo on its own data directory, with its own settings, however it ends."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from monitor import app, embedded
from monitor.broker.protocol import Broker
from monitor.demo import Demo, World
from monitor.errors import TocsinError
from monitor.processes import Programs, stop_by_interrupt
from monitor.settings import Settings, read_settings
from monitor.store.feeds import StoredFeedStates

MakeWorld = Callable[[datetime, Broker, str, StoredFeedStates], World]


def run_demo(
    settings: Settings,
    watchlist: Path,
    make_world: MakeWorld,
    next_company: Callable[[AbstractSet[str]], str],
    *,
    with_dashboard: bool,
    open_browser: bool,
    exit_after_alert: bool,
    as_json: bool,
    fresh: bool,
) -> None:
    """Everything on embedded parts, in `data_dir`/demo, whatever the live settings name."""
    folder = settings.data_dir.resolve() / "demo"
    if fresh:
        embedded.wipe(folder)
    own_model = Path(settings.model)
    chosen = {
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
    kept = {name: value for name, value in os.environ.items() if name not in ("TOCSIN_DATABASE_URL", "TOCSIN_FEEDS")}
    os.environ.clear()
    os.environ.update(kept | chosen)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # where no tocsin.toml of the live system lies, whose database must see no invented news
    ours = read_settings()
    console = Console(stderr=True, highlight=False)
    stop_by_interrupt()
    with app.database_url(ours) as url, app.opened(url) as database, Programs(os.environ) as programs:
        model = app.first_model(ours, database, datetime.now(UTC))
        broker = app.connector(ours, url)()
        demo = Demo(
            folder=folder,
            database=database,
            programs=programs,
            world=lambda anchor: make_world(anchor, broker, ours.topic, StoredFeedStates(database)),
            company=next_company,
            model=model,
            console=console,
            dashboard_url=ours.dashboard_url if with_dashboard else None,
            show=webbrowser.open if open_browser else None,
        )
        try:
            report = demo.run(exit_after_alert=exit_after_alert)
        except KeyboardInterrupt:
            console.print("stopping …")
            return
        finally:
            broker.close()
    if as_json:
        print(report.json(), file=sys.stdout, flush=True)
    if exit_after_alert and (report.episodes, report.notifications) != (1, 1):
        raise TocsinError(f"{report.episodes} episodes and {report.notifications} notifications instead of one each")
