"""The heartbeat for an outside watchman, and what jobs tell of workers that take nothing."""

from __future__ import annotations

import http.server
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import text

from monitor import troubles
from monitor.alerts.backlog import LAG_TOLD, Backlog, Waiting
from monitor.alerts.message import Naming
from monitor.jobs import LATE_S, make_jobs
from monitor.settings import Settings
from monitor.store.engine import Database, transaction
from monitor.store.workers import WorkerState, tell_state
from tests.test_jobs import NOW, database, value

__all__ = ["database"]

# apprise imports it for a fallback of its own.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_a_heartbeat_says_that_alerts_are_evaluated_and_delivered(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[str] = []
    with http.server.HTTPServer(("127.0.0.1", 0), _counting(beats)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/beat"
        asked = Settings(data_dir=tmp_path, notify=("console://",), heartbeat_url=url)  # type: ignore[arg-type]
        jobs = make_jobs(asked, database_url, dict, lambda: NOW)
        try:
            jobs.beat()
            assert not beats, "nothing was evaluated yet"
            jobs.evaluate()
            jobs.deliver()
            jobs.beat()
            assert beats == ["/beat"]
            later = time.monotonic() + LATE_S + 1
            monkeypatch.setattr(time, "monotonic", lambda: later)
            jobs.deliver()
            jobs.beat()
            assert beats == ["/beat"], "deliveries alone are not health"
        finally:
            jobs.postman.close()
            jobs.database.dispose()
            server.shutdown()


def test_workers_that_take_nothing_are_told_once_stop_the_heartbeat_and_have_an_all_clear(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    clock, lag, beats = [NOW], {0: 0, 1: 0}, list[str]()
    tell_state(database, WorkerState("node-1:7", None, "no version 'x' is here", NOW + timedelta(minutes=40)))
    with http.server.HTTPServer(("127.0.0.1", 0), _counting(beats)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/beat"
        asked = Settings(data_dir=tmp_path, notify=("console://",), heartbeat_url=url)  # type: ignore[arg-type]
        jobs = make_jobs(asked, database_url, lambda: lag, lambda: clock[0])

        def live(minutes: int) -> list[Any]:
            for _ in range(minutes):
                clock[0] += timedelta(minutes=1)
                jobs.evaluate()
                jobs.deliver()
                jobs.tell_troubles()
                jobs.beat()
            with transaction(database) as tx:
                return list(tx.execute(text("SELECT message->>'title' FROM outbox ORDER BY id")).scalars())

        try:
            assert live(15) == []
            lag[1] = 340
            assert live(10) == []
            assert len(beats) == 25
            assert live(10) == ["No worker takes messages"]
            assert len(beats) == 25
            lines = value(database, "SELECT message->>'lines' FROM outbox")
            assert "3 Mar 10:16 UTC; 340 messages wait (partition 1 of the log)" in lines
            assert "node-1:7 takes none: no version 'x' is here." in lines
            assert "tocsin_log_lag_messages 340.0" in generate_latest().decode()
            assert "tocsin_log_stalled_seconds 1140.0" in generate_latest().decode()
            jobs.evaluator.backlog = None  # as after a restart: nothing is known, so nothing is over
            assert live(8) == ["No worker takes messages"]
            assert live(8) == ["No worker takes messages"]
            assert len(beats) == 25 + 10, "of a silence before it looked it knows nothing"
            lag[1] = 90
            assert live(1) == ["No worker takes messages", "Workers take messages again"]
            assert len(beats) == 36
            lag[1] = 0
            assert "Workers take messages again" in live(1)
        finally:
            jobs.postman.close()
            jobs.database.dispose()
            server.shutdown()


def test_workers_that_fall_over_again_and_again_are_told_now_and_then(database: Database) -> None:
    told = []
    for minute in range(60):
        at, has_moved = NOW + timedelta(minutes=minute), minute % 12 == 0
        waiting = Waiting(9, NOW, at if has_moved else at - LAG_TOLD, None)
        with transaction(database) as tx:
            troubles.tell_stuck(tx, Backlog(NOW - LAG_TOLD, at, {0: waiting}), ("desk",), Naming({}, "http://x"), at)
            told.append(tx.execute(text("SELECT count(*) FROM outbox WHERE key LIKE 'notice:stuck%'")).scalar())
    assert told[-1] == 2


def _counting(beats: list[str]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            beats.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to stderr."""

    return Handler
