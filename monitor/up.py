"""`tocsin up`: every program as a child of this one. Knows their names and nothing of what they do."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import structlog

from monitor import app, embedded, metrics
from monitor.address import DASHBOARD_MEND, must_be_free
from monitor.errors import UsageError
from monitor.processes import Programs, only_one, stopped_by_signals, tocsin
from monitor.server_user import ServerFailed
from monitor.settings import Settings

PROGRAMS = metrics.PROGRAMS
STARTS, WITHIN_S = 4, 600.0
"""A program that ends more often than this in so many seconds does not end by accident."""
PAUSE_S = 1.0
LOOK_EVERY_S = 2.0
WRONG_USE = UsageError.exit_code
"""A program that ends with it was started with wrong settings, which no other start mends."""

log = structlog.get_logger(__name__)


def run_up(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; ProgramEnded where one of them ends by itself again and again."""
    stop = stopped_by_signals()
    running = f"a `tocsin up` runs on {settings.data_dir} already; stop it first, or set TOCSIN_DATA_DIR"
    with only_one(settings.data_dir / "up.lock", running):
        _look_at_ports(settings)
        _run(settings, stop)


def _look_at_ports(settings: Settings) -> None:
    """TocsinError for a port that is taken: once, and not by each start of a program anew."""
    must_be_free(settings.dashboard_host, settings.dashboard_port, DASHBOARD_MEND)
    if settings.metrics_port is not None:
        for number in range(len(metrics.PROGRAMS)):
            must_be_free("127.0.0.1", settings.metrics_port + number, metrics.MEND)


def _run(settings: Settings, stop: threading.Event) -> None:
    with app.database_url(settings, wait=True), ExitStack() as servers, Programs(os.environ) as programs:
        commands = {name: tocsin(name) for name in PROGRAMS}
        for name, command in commands.items():
            programs.start(name, command)
        print(f"tocsin is up: {settings.dashboard_url} (Ctrl-C stops everything)", flush=True)
        own = settings.data_dir if settings.database_url is None else None
        keep_running(programs, commands, stop, database=partial(revive, own, servers))


def revive(data_dir: Path | None, servers: ExitStack) -> None:
    """Start the private database again where it ended: the system may kill it for its memory.

    Its programs would wait for minutes; then one of them would start it, and stop it again whenever it ends itself.
    """
    if data_dir is not None and not embedded.is_running(data_dir):
        log.warning("the private database ended and is started again")
        try:
            servers.enter_context(embedded.server(data_dir))
        except ServerFailed as error:  # asked again in a moment; the programs wait meanwhile
            log.warning("the private database did not start", error=str(error))


def keep_running(
    programs: Programs,
    commands: Mapping[str, Sequence[str]],
    stop: threading.Event,
    pause_s: float = PAUSE_S,
    database: Callable[[], None] = lambda: None,
) -> None:
    """Start again whatever ends, until `stop` is set: jobs end by design when a job fails. `database` looks at it."""
    started: dict[str, list[float]] = defaultdict(lambda: [time.monotonic()])
    looked = time.monotonic()
    while not stop.wait(0.2):
        if time.monotonic() - looked > LOOK_EVERY_S:
            database()
            looked = time.monotonic()
        for ended in programs.ended():
            times = started[ended.name] = [at for at in started[ended.name] if time.monotonic() - at < WITHIN_S]
            if ended.code == WRONG_USE or len(times) >= STARTS:
                raise ended
            log.warning("a program ended and is started again", program=ended.name, code=ended.code)
            programs.stop(ended.name)
            if stop.wait(pause_s):
                return
            programs.start(ended.name, list(commands[ended.name]))
            times.append(time.monotonic())
