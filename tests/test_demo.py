"""The demo's parts: its own world, another company each time, a browser opened in time, success only as promised."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from ingest.simulator.crisis import crisis_order, next_crisis_company
from monitor.address import is_healthy
from monitor.demo import Demo, Report
from monitor.demo_command import environment_of
from monitor.errors import TocsinError
from monitor.processes import Programs
from monitor.settings import Settings
from monitor.store import status
from monitor.store.engine import Database, open_database

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
EPISODE = """
INSERT INTO episodes (id, incident, scope, number, kinds, sentiment, model, phase, since, detected, opened_at,
  expected, seen, severity, peak, reason, volume_only, publishers, also, missing, reopened, changed_at)
VALUES ('e', 'e', %(scope)s, 1, '{news}', 'negative', 1, 'open', %(now)s, %(now)s, %(now)s,
  0.3, 9, 2.1, 2.1, 'count', false, 6, '{}', '{}', 0, %(now)s)"""


@pytest.mark.parametrize(
    ("episodes", "notifications", "is_fine"), [(1, 1, True), (0, 0, False), (2, 2, False), (1, 2, False)]
)
def test_only_exactly_one_alert_is_a_success(episodes: int, notifications: int, is_fine: bool) -> None:
    report = Report(3000, 2000, 8.0, 12.0, episodes, notifications, "small", 900, 60.0)
    if is_fine:
        report.check()
    else:
        with pytest.raises(TocsinError, match=f"{episodes} episodes and {notifications} notifications instead of one"):
            report.check()


def test_the_next_run_scripts_a_crisis_at_another_company(database_url: str) -> None:
    database = open_database(database_url)
    first = next_crisis_company(status.companies_alerted(database))
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO incidents (id, started) VALUES ('e', %s)", [NOW])
        connection.execute(EPISODE, {"scope": f"company:{first}", "now": NOW})
    second = next_crisis_company(status.companies_alerted(database))
    database.dispose()
    assert (first, second) == crisis_order()[:2]


def test_its_world_is_its_own_whatever_the_live_settings_name(tmp_path: Path) -> None:
    live = {
        "TOCSIN_DATABASE_URL": "postgresql://live",
        "TOCSIN_BROKER": "kafka",
        "TOCSIN_FEEDS": "/live.toml",
        "TOCSIN_NOTIFY": '["desk=slack://A/B/C"]',
        "TOCSIN_HEARTBEAT_URL": "https://watchman.example",
        "PATH": "/bin",
    }
    found = environment_of(Settings(dashboard_port=8600), tmp_path, tmp_path / "companies.csv", live)
    assert found["PATH"] == "/bin"
    assert found["TOCSIN_BROKER"] == "postgres"
    assert found["TOCSIN_NOTIFY"] == '["console://"]'
    assert found["TOCSIN_DASHBOARD_URL"] == "http://127.0.0.1:8600"
    assert not found.keys() & {"TOCSIN_DATABASE_URL", "TOCSIN_FEEDS", "TOCSIN_HEARTBEAT_URL"}


@pytest.mark.parametrize("exit_after_alert", [False, True])
def test_stopped_after_its_alert_it_reports_all_the_same(
    database_url: str, tmp_path: Path, exit_after_alert: bool
) -> None:
    database = open_database(database_url)
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO incidents (id, started) VALUES ('e', %s)", [NOW])
        connection.execute(EPISODE, {"scope": "company:C1", "now": NOW})
    with Programs(os.environ) as programs:
        demo = demo_of(tmp_path, database, programs)
        demo.started = NOW - timedelta(minutes=1)
        demo.stop.set()
        report = demo.watch(NOW, NOW + timedelta(seconds=9), exit_after_alert=exit_after_alert)
    database.dispose()
    assert (report.episodes, report.crisis_to_notification_s) == (1, 9.0)


def demo_of(folder: Path, database: Database, programs: Programs, **changed: Any) -> Demo:
    parts: dict[str, Any] = {
        "world": lambda _anchor: pytest.fail("no world is asked for"),
        "company": next_crisis_company,
        "model": "small",
        "console": Console(quiet=True),
        "dashboard_url": None,
        "answers": lambda: False,
        "show": None,
    }
    return Demo(folder=folder, database=database, programs=programs, **parts | changed)


class Warming(BaseHTTPRequestHandler):
    """A dashboard that is not well before it was asked a third time."""

    asked = 0

    def do_GET(self) -> None:
        Warming.asked += 1
        self.send_response(200 if Warming.asked >= 3 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def warming() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Warming)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_the_browser_opens_once_the_dashboard_answers(warming: int, tmp_path: Path) -> None:
    opened: list[int] = []
    database = open_database("postgresql+psycopg:///never-asked")
    with Programs(os.environ) as programs:
        demo = demo_of(
            tmp_path,
            database,
            programs,
            answers=lambda: is_healthy("127.0.0.1", warming),
            show=lambda url: opened.append(Warming.asked) if url == "http://desk.example" else None,
        )
        demo.open_dashboard("http://desk.example")
    database.dispose()
    assert opened == [3]
    assert not is_healthy("127.0.0.1", 9)
