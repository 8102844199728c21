"""The command as a user types it: real processes, real database, one clear line where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor import doctor
from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Outgoing
from monitor.settings import Settings
from tests.command import Command, environment_of


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment_of(database_url, tmp_path)


def test_status_answers_as_json(command: Command, environment: dict[str, str]) -> None:
    done = command(environment, "status", "--json")
    found = json.loads(done.stdout)
    assert set(found) == {"articles", "lag", "feeds", "model", "workers", "episodes_open", "given_up"}
    assert set(found["articles"]) == {"raw", "stored", "scored", "dead"}


def test_an_old_schema_is_named_and_migrated(command: Command, empty_database_url: str, tmp_path: Path) -> None:
    fresh = environment_of(empty_database_url, tmp_path)
    refused = command(fresh, "status")
    assert refused.returncode == 1
    assert "tocsin migrate" in refused.stderr
    assert command(fresh, "migrate").returncode == 0
    assert command(fresh, "status").returncode == 0


def test_the_doctor_finds_nothing_wrong_and_says_what_it_looked_at(
    command: Command, environment: dict[str, str]
) -> None:
    done = command(environment, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[1].rstrip(":") for line in done.stdout.splitlines()} >= {
        "python",
        "torch",
        "model",
        "database",
        "log",
    }


def test_the_doctor_names_the_mend(command: Command, environment: dict[str, str]) -> None:
    done = command({**environment, "TOCSIN_MODEL": "nosuch"}, "doctor")
    assert done.returncode == 1
    assert "MEND model" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOCSIN_NOTIFY", '["desk=nosuch://x"]', "MEND channels: entry 1 of TOCSIN_NOTIFY"),
        ("TOCSIN_MARKET", "NOPE", "MEND market: "),
    ],
)
def test_the_doctor_finds_what_jobs_would_refuse(
    command: Command, environment: dict[str, str], name: str, value: str, said: str
) -> None:
    done = command({**environment, name: value}, "doctor")
    assert done.returncode == 1
    assert said in done.stdout


def test_the_doctor_names_a_variable_that_is_no_setting(command: Command, environment: dict[str, str]) -> None:
    done = command({**environment, "TOCSIN_NOTFY": "[]"}, "doctor")
    assert done.returncode == 1
    assert "MEND settings: no setting is called TOCSIN_NOTFY" in done.stdout


@pytest.mark.parametrize("host", ["::1", "no.such.host.invalid"])
def test_the_doctor_looks_at_any_host(host: str) -> None:
    found = doctor._port(Settings(dashboard_host=host))
    assert found.is_fine == (host == "::1"), str(found)


def test_the_doctor_does_not_wait_for_what_is_away(command: Command, tmp_path: Path) -> None:
    away = {**environment_of("postgresql+psycopg://nobody@127.0.0.1:9/none", tmp_path), "TOCSIN_BROKER": "kafka"}
    begun = time.monotonic()
    done = command({**away, "TOCSIN_KAFKA_SERVERS": "127.0.0.1:9"}, "doctor")
    assert time.monotonic() - begun < 60
    assert done.returncode == 1
    assert "MEND database" in done.stdout
    assert "MEND log: no Kafka answers at 127.0.0.1:9" in done.stdout


def test_stories_and_backtest_need_no_database_and_no_torch(
    command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    lost = {**environment, "TOCSIN_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    done = command(lost, "stories", stdin='{"id": 1, "title": "Oil steady before the meeting of producers"}\n')
    assert json.loads(done.stdout) == {"id": 1, "story": 1, "novelty": 1.0}
    series = tmp_path / "series.csv"
    rows = "".join(f"2026-03-{1 + hour // 24:02} {hour % 24:02}:00,5,2\n" for hour in range(24 * 20))
    series.write_text("at,total,negative\n" + rows)
    assert command(lost, "backtest", "--series", str(series), "--budget", "0.1").returncode == 0
    imported = "import sys, monitor.cli, monitor.story_lines, monitor.alerts.series; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", imported], check=True)


def test_a_line_is_answered_when_it_comes_not_when_hundreds_have(environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "monitor.cli", "stories"]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for number, part in enumerate(
            (b'\xef\xbb\xbf{"id": 0, "title": "Oil falls"}\n', b'{"id": 1, "title": "Gold', b"")
        ):
            process.stdin.write(part or ' rises in Z\u00fcrich"}\r\n'.encode())
            process.stdin.flush()
            if number != 1:
                assert json.loads(process.stdout.readline())["id"] == number // 2  # while stdin is still open
        process.stdin.write(b'{"id": 2, "title": "No end of line"}')
        process.stdin.close()
        assert [json.loads(line)["id"] for line in process.stdout] == [2]
    assert process.returncode == 0


def test_a_dead_letter_is_listed_shown_and_retried(
    command: Command, environment: dict[str, str], database_url: str
) -> None:
    from datetime import UTC, datetime

    from monitor.broker.protocol import Message
    from monitor.store.engine import open_database
    from monitor.store.save import DeadMessage, save
    from monitor.types import Rejected

    broker = PostgresBroker(database_url, "news.raw", "tocsin-workers")
    broker.publish("news.raw", [Outgoing(b"k", b"\x09 not ours")])
    message: Message = broker.poll(1, 10)[0]
    now = datetime.now(UTC)
    database = open_database(database_url)
    save(database, [], [DeadMessage(message, Rejected("unknown message version 9"))], [], now)
    broker.commit()
    database.dispose()
    name = f"news.raw/{message.partition}/{message.offset}"
    assert name in command(environment, "dead-letters", "list").stdout
    assert "not ours" in command(environment, "dead-letters", "show", name).stdout
    assert command(environment, "dead-letters", "retry", "--all").stdout.startswith("1 messages")
    assert "(retried)" in command(environment, "dead-letters", "list").stdout
    assert sum(broker.lag().values()) == 1
    broker.close()
