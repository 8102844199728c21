"""The jobs program: elected, alone, started anew after a failure, and elected again when its seat is lost."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog.testing
from prometheus_client import generate_latest
from sqlalchemy import text

from monitor import schedule
from monitor.alerts.channels import Channel
from monitor.alerts.message import Message
from monitor.alerts.notify import Sender, channels_of
from monitor.alerts.render import Links
from monitor.delivery import LONGEST_RETRY, Postman, wait_before
from monitor.errors import UsageError
from monitor.jobs import JobsEnded, make_jobs, notify_test, run_jobs
from monitor.schedule import Job
from monitor.settings import Settings
from monitor.store import outbox
from monitor.store.engine import Database, open_database, transaction
from monitor.store.locks import Lock
from tests.conftest import ask

# apprise imports it for a fallback of its own.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
NOTE = Message(sort="notice", title="Feed quay is silent", lines=("Since noon.",))


class Running:
    """run_jobs in a thread, with what it raised."""

    def __init__(self, settings: Settings, url: str, **more: Any) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None

        def run() -> None:
            try:
                run_jobs(settings, url, more.pop("lag", dict), self.stop, **more)
            except BaseException as error:  # noqa: BLE001 (looked at by the test)
                self.error = error

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    one = open_database(database_url)
    yield one
    one.dispose()


def settings(folder: Path, *channels: str) -> Settings:
    return Settings(data_dir=folder, notify=channels or ("console://",), evaluate_every_s=0.2)  # type: ignore[arg-type]


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def value(database: Database, query: str) -> Any:
    with transaction(database) as tx:
        return tx.execute(text(query)).scalar()


def test_jobs_seed_the_default_rule_and_deliver_what_waits(
    database: Database, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with transaction(database) as tx:
        outbox.post(tx, "console", "a", NOTE, datetime.now(UTC))
    running = Running(settings(tmp_path), database_url)
    try:
        until(lambda: value(database, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL") == 1)
    finally:
        running.end()
    assert running.error is None
    assert value(database, "SELECT name FROM rules") == "Negative surge"
    assert "Feed quay is silent" in capsys.readouterr().out


def test_of_two_jobs_programs_one_works_and_the_other_takes_over(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.election.ASK_EVERY_S", 0.1)
    ticks = {"first": 0, "second": 0}

    def counting(name: str) -> Callable[[], dict[int, int]]:
        def lag() -> dict[int, int]:
            ticks[name] += 1
            return {}

        return lag

    first = Running(settings(tmp_path), database_url, lag=counting("first"))
    until(lambda: ticks["first"] > 0)
    second = Running(settings(tmp_path), database_url, lag=counting("second"))
    try:
        time.sleep(1)
        assert ticks["second"] == 0
        first.end()
        until(lambda: ticks["second"] > 0)
    finally:
        first.end()
        second.end()


def test_one_that_waits_to_be_elected_says_so_once_and_a_former_leader_tells_no_more_figures(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.election.ASK_EVERY_S", 0.05)

    with structlog.testing.capture_logs() as logs:
        first = Running(settings(tmp_path), database_url, lag=lambda: {0: 12})
        until(lambda: "tocsin_log_lag_messages 12.0" in generate_latest().decode())
        second = Running(settings(tmp_path), database_url)
        try:
            time.sleep(1)
        finally:
            second.end()
            first.end()
    assert [one["event"] for one in logs].count("another jobs process is elected; waiting") == 1
    assert "tocsin_log_lag_messages 0.0" in generate_latest().decode()


def test_jobs_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    back = [timedelta(0)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - back[0]

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Clock)
    monkeypatch.setattr("monitor.schedule.datetime", Clock)
    runs: list[str] = []
    stop = threading.Event()
    table = [Job("quick", 0.2, lambda: runs.append("quick")), Job("late", 99, lambda: runs.append("late"), 60.0)]
    thread = threading.Thread(target=schedule.run, args=(table, lambda: None, stop, threading.Event()))
    thread.start()
    try:
        until(lambda: len(runs) > 2)
        back[0] = timedelta(hours=1)
        time.sleep(0.5)
        then = len(runs)
        until(lambda: len(runs) > then + 2, seconds=5)
    finally:
        stop.set()
        thread.join(20)
    assert set(runs) == {"quick"}, "what is due later keeps its distance"


def test_a_database_that_went_away_and_came_back_is_worked_on_again(
    database: Database, database_server: str, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Running(settings(tmp_path), database_url)
    try:
        until(lambda: value(database, "SELECT count(*) FROM rules") == 1)
        name = value(database, "SELECT current_database()")
        ask(
            database_server,
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
        )
        time.sleep(3)  # longer than the seat is trusted unasked
        ask(database_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        with transaction(database) as tx:
            outbox.post(tx, "console", "a", NOTE, datetime.now(UTC))
        until(lambda: value(database, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL") == 1)
        seats = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = "
        assert value(database, f"{seats}{int(Lock.JOBS)}") == 1
    finally:
        running.end()
    assert running.error is None
    assert "Feed quay is silent" in capsys.readouterr().out


def test_a_lost_seat_is_given_to_who_waits_for_it(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.election.ASK_EVERY_S", 0.1)
    running = Running(settings(tmp_path), database_url)
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as another:
        try:
            until(lambda: value(database, "SELECT count(*) FROM rules") == 1)
            evaluated = "SELECT max(at) FROM marks WHERE name = 'evaluated'"
            holder = f"FROM pg_locks WHERE locktype = 'advisory' AND objid = {int(Lock.JOBS)}"
            another.execute(f"SELECT pg_terminate_backend(pid) {holder}")  # type: ignore[arg-type]
            another.execute("SELECT pg_advisory_lock(%s)", [int(Lock.JOBS)])
            time.sleep(3)
            then = value(database, evaluated)
            time.sleep(1)
            assert value(database, evaluated) == then, "two are at work"
        finally:
            running.end()
    assert running.error is None


def test_a_database_that_is_away_ends_no_program_that_is_being_stopped(tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    running = Running(settings(tmp_path), nowhere)
    time.sleep(0.5)
    running.end()
    assert running.error is None


def test_a_channel_s_first_lost_message_shows_as_an_increase(database_url: str, tmp_path: Path) -> None:
    jobs = make_jobs(settings(tmp_path, "json://127.0.0.1:9/"), database_url, dict, lambda: NOW)
    jobs.postman.close()
    told = generate_latest().decode()
    for sort in ("none", *(one.sort for one in jobs.postman.channels.values())):
        assert f'tocsin_notifications_total{{channel="{sort}",outcome="given up"}}' in told


def test_an_error_in_a_job_ends_the_program(database_url: str, tmp_path: Path) -> None:
    def broken() -> dict[int, int]:
        raise ZeroDivisionError("a bug")

    running = Running(settings(tmp_path), database_url, lag=broken)
    running.thread.join(15)
    assert isinstance(running.error, JobsEnded)
    assert "the job 'evaluate' failed: a bug" in str(running.error)


def test_a_failing_channel_keeps_its_messages_and_blocks_no_other(
    database: Database, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [NOW]
    channels = ("console://", "dead=json://127.0.0.1:9/")
    jobs = make_jobs(settings(tmp_path, *channels), database_url, dict, lambda: clock[0])
    with transaction(database) as tx:
        for channel in ("dead", "console"):
            outbox.post(tx, channel, f"k:{channel}", NOTE, NOW)
            outbox.post(tx, channel, f"k2:{channel}", NOTE, NOW)
    try:
        jobs.postman.deliver(database, clock[0])
        assert value(database, "SELECT count(*) FROM outbox WHERE channel = 'console' AND sent_at IS NOT NULL") == 2
        assert value(database, "SELECT attempts FROM outbox WHERE key = 'k:dead'") == 1
        assert "127.0.0.1" not in value(database, "SELECT error FROM outbox WHERE key = 'k:dead'")
        clock[0] += timedelta(seconds=5)
        jobs.postman.deliver(database, clock[0])
        assert value(database, "SELECT attempts FROM outbox WHERE key = 'k:dead'") == 1
        clock[0] += timedelta(seconds=6)
        jobs.postman.deliver(database, clock[0])
        assert value(database, "SELECT attempts FROM outbox WHERE key = 'k:dead'") == 2
        assert value(database, "SELECT attempts FROM outbox WHERE key = 'k2:dead'") == 0, "it waits behind the first"
    finally:
        jobs.postman.close()
        jobs.database.dispose()
    assert capsys.readouterr().out.count("\nFeed quay is silent\n") == 2


class Slow(Sender):
    """A sender whose channel `slow` answers only when it is let go."""

    def send(self, channel: Channel, message: Message, key: str, links: Links, now: datetime) -> None:
        sent.append(key)
        if channel.name == "slow":
            assert let_go.wait(20)
        super().send(channel, message, key, links, now)


sent: list[str] = []
let_go = threading.Event()


def test_a_slow_channel_keeps_no_other_waiting_and_gets_nothing_twice(database: Database) -> None:
    channels = channels_of(["slow=console://", "quick=console://"])
    postman = Postman(channels, Slow(console=io.StringIO()), "secret", "http://127.0.0.1:8501")
    with transaction(database) as tx:
        outbox.post(tx, "slow", "s1", NOTE, NOW)
        outbox.post(tx, "quick", "q1", NOTE, NOW)
    postman.deliver(database, NOW, wait=False)
    until(lambda: sorted(sent) == ["q1", "s1"])
    with transaction(database) as tx:
        outbox.post(tx, "quick", "q2", NOTE, NOW)
    until(lambda: postman.deliver(database, NOW, wait=False) >= 0 and "q2" in sent)
    let_go.set()
    postman.deliver(database, NOW)
    postman.close()
    assert sorted(sent) == ["q1", "q2", "s1"]


def test_the_same_message_is_written_once(database: Database) -> None:
    with transaction(database) as tx:
        assert outbox.post(tx, "console", "k", NOTE, NOW)
        assert not outbox.post(tx, "console", "k", NOTE, NOW)


def test_waits_double_up_to_an_hour() -> None:
    assert [wait_before(attempt).total_seconds() for attempt in range(4)] == [10, 20, 40, 80]
    assert wait_before(40) == LONGEST_RETRY


def test_a_silent_feed_is_told_once_until_it_speaks_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    clock = [NOW]
    jobs = make_jobs(settings(tmp_path), database_url, dict, lambda: clock[0])
    insert = text(
        """INSERT INTO feeds (name, url, kind, publisher, family, cadence_s, failures, articles, ok_at, article_at,
           gaps_s) VALUES ('quay', 'u', 'news', 'Quay', 'Quay', 300, 0, 9, :now, :at, '{600,600,600,600,600}')"""
    )
    with transaction(database) as tx:
        tx.execute(insert, {"now": NOW, "at": NOW - timedelta(hours=20)})
    try:
        for _ in range(2):
            jobs.tell_troubles()
        assert value(database, "SELECT count(*) FROM outbox") == 1
        with transaction(database) as tx:
            tx.execute(text("UPDATE feeds SET article_at = :at"), {"at": NOW})
        jobs.tell_troubles()
        clock[0] += timedelta(hours=20)
        jobs.tell_troubles()
        assert value(database, "SELECT count(*) FROM outbox") == 2
    finally:
        jobs.database.dispose()


def test_notify_test_names_the_known_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert notify_test(settings(tmp_path), "console", NOW) == "sent a test message through console (console://***)"
    assert "Tocsin can reach you" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no channel 'desk'; known: console"):
        notify_test(settings(tmp_path), "desk", NOW)
