"""The programs as an operator runs them: each alone and all as one, on real parts, until a signal or kill ends them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import psycopg
import pytest

from monitor import embedded
from monitor.address import is_healthy
from monitor.metrics import PROGRAMS
from tests.command import environment_of
from tests.kafka_server import KafkaServer, free_port

TITLES = ("Oil falls on weak demand", "Gold rises as the dollar slips", "Bank of Ruritania keeps rates unchanged")
PATIENCE_S = 120.0
ENDS_WITHIN_S = 20.0


class Feed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        items = "".join(
            f"<item><title>{title}</title><link>http://feed.example/{number}</link>"
            f"<pubDate>{format_datetime(datetime.now(UTC))}</pubDate></item>"
            for number, title in enumerate(TITLES)
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.end_headers()
        self.wfile.write(f"<rss version='2.0'><channel><title>f</title>{items}</channel></rss>".encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A feeds.toml that names one local feed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path_factory.mktemp("feeds") / "feeds.toml"
    path.write_text(
        f'[[feed]]\nname = "f"\nurl = "http://127.0.0.1:{server.server_port}/"\nkind = "news"\npublisher = "p"\n'
    )
    yield path
    server.shutdown()
    server.server_close()


class Running:
    """Programs that were started, each with its own log, and their descendants."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.programs: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.programs[name] = subprocess.Popen(
                [sys.executable, "-m", "monitor.cli", name, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            ended = [name for name, one in self.programs.items() if one.poll() is not None]
            assert not ended, f"{ended} ended: {self.said()}"
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def end(self, name: str, number: signal.Signals) -> int:
        """Send the signal; the exit code, once the program and all its descendants are gone."""
        program = self.programs.pop(name)
        family = psutil.Process(program.pid).children(recursive=True)
        program.send_signal(number)
        code = program.wait(ENDS_WITHIN_S)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while left := [one for one in family if _lives(one)]:
            assert time.monotonic() < deadline, f"{left} outlive {name}"
            time.sleep(0.1)
        return code

    def said(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(self.folder.glob("*.log")))

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs.values():
            program.kill()
            program.wait()


def _lives(one: psutil.Process) -> bool:
    # An orphan's zombie may stay for an init that does not reap; ended is what counts.
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_ports() -> dict[str, str]:
    """A port for the dashboard and four in a row for metrics."""
    while True:
        base = free_port()
        taken = [port for port in range(base, base + 4) if not _is_free(port)]
        if not taken and base + 4 < 65535:
            return {"TOCSIN_DASHBOARD_PORT": str(free_port()), "TOCSIN_METRICS_PORT": str(base)}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def settings_of(feeds: Path) -> dict[str, str]:
    return {"TOCSIN_FEEDS": str(feeds), "TOCSIN_ALLOW_PRIVATE_URLS": "true", "OMP_NUM_THREADS": "1", **free_ports()}


def has_worked(url: str) -> bool:
    """Asked, labelled and evaluated: the work of ingest, worker and jobs."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        scored = connection.execute("SELECT count(*) FROM scores").fetchone()
        evaluated = connection.execute("SELECT count(*) FROM marks WHERE name = 'evaluated'").fetchone()
    return (scored, evaluated) == ((len(TITLES),), (1,))


def dashboard_answers(environment: dict[str, str]) -> bool:
    return is_healthy("127.0.0.1", int(environment["TOCSIN_DASHBOARD_PORT"]))


def metrics_of(environment: dict[str, str], program: str) -> str:
    port = int(environment["TOCSIN_METRICS_PORT"]) + PROGRAMS.index(program)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def sample(text: str, name: str) -> float:
    """The sum of a metric's samples."""
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def log_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "postgres":
        return {}
    server: KafkaServer = request.getfixturevalue("kafka_server")
    topic = f"verbs-{os.getpid()}"
    return {
        "TOCSIN_BROKER": "kafka",
        "TOCSIN_KAFKA_SERVERS": server.address,
        "TOCSIN_TOPIC": topic,
        "TOCSIN_GROUP": topic,
    }


def test_each_program_runs_alone_does_its_work_and_ends_cleanly(
    database_url: str, log_settings: dict[str, str], feeds: Path, tmp_path: Path
) -> None:
    environment = environment_of(database_url, tmp_path) | settings_of(feeds) | log_settings
    subprocess.run([sys.executable, "-m", "monitor.cli", "migrate"], env=environment, check=True, capture_output=True)
    with Running(environment, tmp_path) as running:
        for program in PROGRAMS:
            running.start(program)
        running.wait(lambda: has_worked(database_url) and dashboard_answers(environment))
        assert sample(metrics_of(environment, "worker"), "tocsin_stored_articles_total") == len(TITLES)
        assert sample(metrics_of(environment, "ingest"), "tocsin_published_articles_total") == len(TITLES)
        assert sample(metrics_of(environment, "jobs"), "tocsin_evaluation_seconds_count") >= 1
        assert "process_start_time_seconds" in metrics_of(environment, "dashboard")
        if log_settings:
            assert running.end("dashboard", signal.SIGKILL) == -signal.SIGKILL
            codes = [running.end(name, signal.SIGINT) for name in ("worker", "jobs", "ingest")]
        else:
            codes = [running.end(name, signal.SIGTERM) for name in PROGRAMS]
        assert codes == [0] * len(codes), running.said()


def test_up_runs_them_all_finds_its_data_again_and_nothing_outlives_it(feeds: Path, tmp_path: Path) -> None:
    environment = environment_of("", tmp_path) | settings_of(feeds)
    del environment["TOCSIN_DATABASE_URL"]
    cluster = embedded.Cluster(tmp_path / "data")
    with Running(environment, tmp_path) as running:
        running.start("up")
        running.wait(lambda: is_up(cluster, environment))
        assert all("tocsin_log_lag_messages" in metrics_of(environment, program) for program in PROGRAMS)
        assert running.end("up", signal.SIGINT) == 0, running.said()
        done = subprocess.run(
            [sys.executable, "-m", "monitor.cli", "status", "--json"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)["articles"]["scored"] == len(TITLES)
        running.start("up")
        running.wait(lambda: is_up(cluster, environment))
        assert running.end("up", signal.SIGKILL) == -signal.SIGKILL
    embedded.wipe(tmp_path / "data")


def is_up(cluster: embedded.Cluster, environment: dict[str, str]) -> bool:
    try:
        return dashboard_answers(environment) and has_worked(cluster.url)
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return False


def test_ctrl_c_ends_all_of_the_demo_and_only_fresh_wipes_it(tmp_path: Path) -> None:
    environment = environment_of("", tmp_path)
    del environment["TOCSIN_DATABASE_URL"]
    folder = tmp_path / "data" / "demo"
    worlds = []
    for options, code in (
        ((), 0),
        (("--fresh", "--json", "--exit-after-alert"), 1),
    ):  # no alert came that was asked for
        log = folder / "logs" / "worker.log"
        log.unlink(missing_ok=True)
        with Running(environment, tmp_path) as running:
            running.start("demo", "--headless", *options)
            running.wait(lambda log=log: log.exists() and (folder / "world.json").exists())
            assert running.end("demo", signal.SIGINT) == code, running.said()
        worlds.append((folder / "world.json").read_text())
    assert worlds[0] != worlds[1]
    embedded.wipe(folder)
