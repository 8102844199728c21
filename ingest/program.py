"""`tocsin ingest`: the live sources, asked until the program is told to stop. Reads settings, wires, runs."""

from __future__ import annotations

import os
import random
import socket
import threading
from datetime import UTC, datetime

import structlog

from ingest.feeds import read_sources
from ingest.fetch import Fetcher
from ingest.log import Publish, patient
from ingest.poller import Poller
from ingest.states import FeedStates
from monitor.errors import UsageError
from monitor.processes import stopped_by_signals
from monitor.settings import Settings

log = structlog.get_logger(__name__)


def run_ingest(settings: Settings, publish: Publish, states: FeedStates, stop: threading.Event | None = None) -> None:
    """Ask every source until `stop` is set or the process gets SIGTERM or SIGINT. UsageError for a wrong feeds.toml."""
    sources = read_sources(settings.feeds, settings.data_dir)
    if not sources:
        raise UsageError("no source is enabled; add one with `tocsin sources add URL`")
    stop = stop or stopped_by_signals()
    poller = Poller(
        sources=sources,
        publish=patient(publish, stopped=stop.is_set, sleep=stop.wait),
        states=states,
        fetcher=Fetcher(settings.user_agent, settings.allow_private_urls),
        worker=f"{socket.gethostname()}:{os.getpid()}:{random.randrange(10**6)}",
        clock=lambda: datetime.now(UTC),
    )
    log.info("asking sources", sources=len(sources))
    poller.run(stop)
    log.info("stopped")
