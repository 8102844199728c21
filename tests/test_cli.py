"""The command as a user types it: real processes, real database, one clear line where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.broker.postgres import PostgresBroker
from monitor.broker.protocol import Outgoing


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment_of(database_url, tmp_path)


def environment_of(url: str, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return {**kept, "TOCSIN_DATABASE_URL": url, "TOCSIN_DATA_DIR": str(folder / "data")}


def tocsin(environment: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )


WRONG_USE = [
    (("replay", "/nonexistent.csv"), "nonexistent"),
    (("classify", "/nonexistent.jsonl"), "cannot read"),
    (("classify", "--model", "nosuch"), "no model 'nosuch'"),
    (("backtest", "--series", "/nonexistent.csv"), "nonexistent"),
    (("notify", "test", "pager"), "no channel 'pager'"),
    (("dead-letters", "show", "x"), "topic/partition/offset"),
    (("dead-letters", "retry"), "--all"),
    (("labels", "import", "/nonexistent.jsonl"), "cannot read"),
    (("labels", "queue"), "more --days"),
    (("rescore", "--since", "2026-01-01"), "--model"),
    (("promote", "nosuch"), "no model 'nosuch'"),
    (("rollback",), "no other version was in service"),
    (("train", "--data", "/nonexistent"), "tocsin models fetch small"),
    (("train", "huge", "--data", "/nonexistent"), "no recipe 'huge'"),
    (("tune", "--data", "/nonexistent", "--encoder", "/nonexistent"), "holds no encoder"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG_USE, ids=[" ".join(arguments) for arguments, _ in WRONG_USE])
def test_wrong_use_is_one_line_that_names_it(
    environment: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    done = tocsin(environment, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_wrong_setting_stops_the_start_with_its_name(environment: dict[str, str]) -> None:
    done = tocsin({**environment, "TOCSIN_BROKER": "rabbit"}, "status")
    assert done.returncode == 2
    assert "TOCSIN_BROKER" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_answers_as_json(environment: dict[str, str]) -> None:
    done = tocsin(environment, "status", "--json")
    found = json.loads(done.stdout)
    assert set(found) == {"articles", "lag", "feeds", "model", "workers", "episodes_open", "given_up"}
    assert set(found["articles"]) == {"raw", "stored", "scored", "dead"}


def test_an_old_schema_is_named_and_migrated(empty_database_url: str, tmp_path: Path) -> None:
    fresh = environment_of(empty_database_url, tmp_path)
    refused = tocsin(fresh, "status")
    assert refused.returncode == 1
    assert "tocsin migrate" in refused.stderr
    assert tocsin(fresh, "migrate").returncode == 0
    assert tocsin(fresh, "status").returncode == 0


def test_the_doctor_finds_nothing_wrong_and_says_what_it_looked_at(environment: dict[str, str]) -> None:
    done = tocsin(environment, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[1].rstrip(":") for line in done.stdout.splitlines()} >= {
        "python",
        "torch",
        "model",
        "database",
        "log",
    }


def test_the_doctor_names_the_mend(environment: dict[str, str]) -> None:
    done = tocsin({**environment, "TOCSIN_MODEL": "nosuch"}, "doctor")
    assert done.returncode == 1
    assert "MEND model" in done.stdout


def test_the_doctor_does_not_wait_for_what_is_away(tmp_path: Path) -> None:
    away = {**environment_of("postgresql+psycopg://nobody@127.0.0.1:9/none", tmp_path), "TOCSIN_BROKER": "kafka"}
    begun = time.monotonic()
    done = tocsin({**away, "TOCSIN_KAFKA_SERVERS": "127.0.0.1:9"}, "doctor")
    assert time.monotonic() - begun < 60
    assert done.returncode == 1
    assert "MEND database" in done.stdout
    assert "MEND log: no Kafka answers at 127.0.0.1:9" in done.stdout


def test_stories_and_backtest_need_no_database_and_no_torch(environment: dict[str, str], tmp_path: Path) -> None:
    lost = {**environment, "TOCSIN_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    done = tocsin(lost, "stories", stdin='{"id": 1, "title": "Oil steady before the meeting of producers"}\n')
    assert json.loads(done.stdout) == {"id": 1, "story": 1, "novelty": 1.0}
    series = tmp_path / "series.csv"
    rows = "".join(f"2026-03-{1 + hour // 24:02} {hour % 24:02}:00,5,2\n" for hour in range(24 * 20))
    series.write_text("at,total,negative\n" + rows)
    assert tocsin(lost, "backtest", "--series", str(series), "--budget", "0.1").returncode == 0
    imported = "import sys, monitor.cli, monitor.story_lines, monitor.alerts.series; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", imported], check=True)


def test_a_dead_letter_is_listed_shown_and_retried(environment: dict[str, str], database_url: str) -> None:
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
    assert name in tocsin(environment, "dead-letters", "list").stdout
    assert "not ours" in tocsin(environment, "dead-letters", "show", name).stdout
    assert tocsin(environment, "dead-letters", "retry", "--all").stdout.startswith("1 messages")
    assert "(retried)" in tocsin(environment, "dead-letters", "list").stdout
    assert sum(broker.lag().values()) == 1
    broker.close()
