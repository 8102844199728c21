"""`tocsin up`: every program as a child of this one. Knows their names and nothing of what they do."""

from __future__ import annotations

import os

from monitor import app
from monitor.processes import Programs, stopped_by_signals, tocsin
from monitor.settings import Settings

PROGRAMS = ("worker", "jobs", "ingest", "dashboard")


def run_up(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; ProgramEnded where one of them ends by itself."""
    stop = stopped_by_signals()
    with app.database_url(settings), Programs(os.environ) as programs:
        for name in PROGRAMS:
            programs.start(name, tocsin(name))
        print(f"tocsin is up: {settings.dashboard_url} (Ctrl-C stops everything)", flush=True)
        while not stop.wait(0.2):
            programs.check()
