"""What a user does wrong, or the machine refuses: an exit code, one line with cause and mend, never a traceback."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.processes import only_one
from tests.command import Command, Done, environment_of
from tests.conftest import ask, named

AWAY = "127.0.0.1:9"
WRONG, FAILED = 2, 1


@pytest.fixture(scope="module")
def environment(database_server: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One database for all: wrong use writes nothing."""
    ask(database_server, f"CREATE DATABASE wrong_use TEMPLATE {migrated}")
    return environment_of(named(database_server, "wrong_use"), tmp_path_factory.mktemp("wrong"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "folder").mkdir()
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(bytes(range(256)) * 10)
    (folder / "broken.toml").write_text("[[feed]\n")
    (folder / "broken.gz").write_bytes(b"no gzip")
    (folder / "cut.csv.gz").write_bytes(gzip.compress(b"title,url\n" + b"abc,http://a.b/c\n" * 1000)[:60])
    (folder / "good.csv").write_text("at,total,negative\n2026-01-01,1,1\n2026-01-02,1,1\n2026-01-03,1,1\n")
    (folder / "utf16.csv").write_text("at,total,negative\n2026-01-01,1,1\n", encoding="utf-16")
    (folder / "good.jsonl").write_text('{"id": 1, "title": "Oil falls"}\n')
    return folder


class Case(NamedTuple):
    """`FILES/x` in arguments and values is a file of the fixture's; `said` stands in the one line on stderr."""

    arguments: str
    code: int
    said: str
    settings: dict[str, str] = {}  # noqa: RUF012
    options: dict[str, str | None] = {}  # noqa: RUF012  of the call: stdin, stdout

    def __str__(self) -> str:
        return " ".join(
            [self.arguments, *(f"{name}={value}" for name, value in (self.settings | self.options).items())]
        )


CASES = [
    # What typer refuses.
    Case("nosuch", WRONG, "No such command 'nosuch'; see `tocsin --help`"),
    Case("status extra", WRONG, "see `tocsin status --help`"),
    Case("classify --nosuch", WRONG, "No such option: --nosuch; see `tocsin classify --help`"),
    Case("replay", WRONG, "Missing argument 'file'"),
    Case("replay x --kind x", WRONG, "'--kind'"),
    Case("backtest --days 0", WRONG, "'--days'"),
    Case("backtest --budget x", WRONG, "'--budget'"),
    Case("rescore --since x", WRONG, "'--since'"),
    Case("labels queue 0", WRONG, "'size'"),
    Case("sources nosuch", WRONG, "see `tocsin sources --help`"),
    Case("dashboard --port 99999", WRONG, "'--port'"),
    # Files that are not there, folders, what cannot be read or written.
    Case("classify /nonexistent", WRONG, "cannot read /nonexistent"),
    Case("classify FILES/folder", WRONG, "Is a directory"),
    Case("stories FILES/folder", WRONG, "Is a directory"),
    Case("stories FILES/empty -o /nonexistent/x", WRONG, "cannot write /nonexistent/x"),
    Case("stories FILES/empty -o FILES/folder", WRONG, "cannot write"),
    Case("stories FILES/good.jsonl -o /dev/full", FAILED, "No space left on device"),
    Case("stories FILES/good.jsonl", FAILED, "No space left on device", {}, {"stdout": "/dev/full"}),
    Case("status", FAILED, "No space left on device", {}, {"stdout": "/dev/full"}),
    Case("stories", WRONG, "no standard input", {}, {"stdin": None}),
    Case("classify", WRONG, "no standard input", {}, {"stdin": None}),
    Case("backtest --series -", WRONG, "no standard input", {}, {"stdin": None}),
    Case("backtest --series /nonexistent", WRONG, "/nonexistent"),
    Case("backtest --series FILES/folder", WRONG, "Is a directory"),
    Case("backtest --series FILES/binary", WRONG, "at,total,negative"),
    Case("backtest --series FILES/utf16.csv", WRONG, "not UTF-8"),
    Case("backtest --series FILES/empty", WRONG, "at,total,negative"),
    Case("backtest --series FILES/good.csv --budget -1", WRONG, "--budget"),
    Case("backtest --series FILES/good.csv --budget nan", WRONG, "--budget"),
    Case("backtest --budget -1", WRONG, "--budget"),
    Case("backtest", FAILED, "tocsin replay"),
    Case("replay /nonexistent.csv", WRONG, "/nonexistent.csv"),
    Case("replay FILES/folder", WRONG, "Is a directory"),
    Case("replay FILES/empty", WRONG, "no rows"),
    Case("replay FILES/binary", WRONG, "no rows"),
    Case("replay FILES/broken.gz", WRONG, "no rows"),
    Case("replay FILES/cut.csv.gz", FAILED, "gzip file is damaged"),
    Case("replay FILES/good.jsonl --map x", WRONG, "--map"),
    Case("replay FILES/good.jsonl --speed 0", WRONG, "--speed"),
    Case("labels import /nonexistent", WRONG, "cannot read"),
    Case("labels import FILES/folder", WRONG, "Is a directory"),
    Case("labels import FILES/good.jsonl", WRONG, "nothing was kept"),
    Case("labels export /nonexistent/x", WRONG, "cannot write"),
    Case("labels queue", WRONG, "more --days"),
    # Models.
    Case("classify --model nosuch", WRONG, "no model 'nosuch' here; known:"),
    Case("classify --model /etc", WRONG, "/etc is no model of ours"),
    Case("models show nosuch", WRONG, "no model 'nosuch'"),
    Case("models fetch nosuch", WRONG, "no encoder for 'nosuch'"),
    Case("models fetch small --from FILES/folder", WRONG, "holds no model.safetensors"),
    Case("promote nosuch", WRONG, "no model 'nosuch'"),
    Case("promote small --data /nonexistent", WRONG, "--data names the folder"),
    Case("rollback", WRONG, "no other version was in service"),
    Case("rescore --since 2026-01-01", WRONG, "--model"),
    Case("rescore --since 2026-01-01 --model nosuch", WRONG, "no model 'nosuch'"),
    Case("evaluate --data FILES/folder", WRONG, "--data names the folder"),
    Case("evaluate nosuch --data FILES/folder", WRONG, "no model 'nosuch'"),
    Case("evaluate --data FILES/folder --split x", WRONG, "--split"),
    Case("train --data /nonexistent", FAILED, "tocsin models fetch small"),
    Case("train huge --data /nonexistent", WRONG, "no recipe 'huge'"),
    Case("tune --data /nonexistent --encoder /nonexistent", WRONG, "holds no encoder"),
    # Sources, channels, dead letters.
    Case("sources list", WRONG, "/nonexistent", {"TOCSIN_FEEDS": "/nonexistent"}),
    Case("sources list", WRONG, "no valid TOML", {"TOCSIN_FEEDS": "FILES/broken.toml"}),
    Case("sources check nosuch", WRONG, "tocsin sources list"),
    Case("sources check http://127.0.0.1:9/", FAILED, "TOCSIN_ALLOW_PRIVATE_URLS"),
    Case("sources add https://[::1", WRONG, "is no URL"),
    Case("sources add https://a.example --cadence x", WRONG, "cadence 'x'"),
    Case("notify test pager", WRONG, "no channel 'pager'"),
    Case("notify test desk", WRONG, "TOCSIN_NOTIFY", {"TOCSIN_NOTIFY": '["desk=nosuch://x"]'}),
    Case("notify test hook", FAILED, "loopback", {"TOCSIN_NOTIFY": '["hook=webhook://S@127.0.0.1:9/x"]'}),
    Case("dead-letters show x", WRONG, "topic/partition/offset"),
    Case("dead-letters show a/0/99999999999999999999999", WRONG, "tocsin dead-letters list"),
    Case("dead-letters show news.raw/0/²", WRONG, "topic/partition/offset"),
    Case(f"dead-letters show news.raw/0/{'9' * 5_000}", WRONG, "topic/partition/offset"),
    Case("dead-letters retry", WRONG, "--all"),
    # Settings.
    Case("status", WRONG, "TOCSIN_BROKER", {"TOCSIN_BROKER": "rabbit"}),
    Case("worker", WRONG, "TOCSIN_BATCH_ARTICLES", {"TOCSIN_BATCH_ARTICLES": "0"}),
    Case("jobs", WRONG, "TOCSIN_NOTIFY is no JSON", {"TOCSIN_NOTIFY": "console://"}),
    Case("worker", WRONG, "TOCSIN_METRICS_PORT", {"TOCSIN_METRICS_PORT": "99999"}),
    Case("jobs", WRONG, "'NOSUCH' is no exchange", {"TOCSIN_MARKET": "NOSUCH"}),
    Case("worker", WRONG, "no model 'nosuch'", {"TOCSIN_MODEL": "nosuch"}),
    Case("worker", WRONG, "watch-list", {"TOCSIN_WATCHLIST": "/nonexistent"}),
    Case("classify FILES/good.jsonl", WRONG, "TOCSIN_DEVICE", {"TOCSIN_DEVICE": "cuda:77"}),
    Case("classify FILES/good.jsonl", WRONG, "unknown device", {"TOCSIN_DEVICE": "toaster"}),
    Case("ingest", WRONG, "/nonexistent", {"TOCSIN_FEEDS": "/nonexistent"}),
    Case("dashboard", WRONG, "--insecure", {"TOCSIN_DASHBOARD_HOST": "0.0.0.0"}),
    Case("dashboard --host nosuch.invalid --insecure", WRONG, "nosuch.invalid is no address"),
    Case("status", FAILED, "File exists", {"TOCSIN_DATA_DIR": "FILES/empty", "TOCSIN_DATABASE_URL": ""}),
    Case("jobs", FAILED, "/proc/nosuch", {"TOCSIN_DATA_DIR": "/proc/nosuch"}),
    Case("demo --headless", FAILED, "/proc/nosuch", {"TOCSIN_DATA_DIR": "/proc/nosuch"}),
    Case("up", FAILED, "/proc/nosuch", {"TOCSIN_DATA_DIR": "/proc/nosuch"}),
    # What is away: who asks once is told, only programs wait.
    Case("status", FAILED, "doesn't answer", {"TOCSIN_DATABASE_URL": f"postgresql://nobody@{AWAY}/x"}),
    Case("migrate", FAILED, "doesn't answer", {"TOCSIN_DATABASE_URL": f"postgresql://nobody@{AWAY}/x"}),
    Case("status", WRONG, "pgbouncer", {"TOCSIN_DATABASE_URL": f"postgresql://nobody@{AWAY}/x?pgbouncer=true"}),
    Case("worker", WRONG, "sslmode", {"TOCSIN_DATABASE_URL": f"postgresql://nobody@{AWAY}/x?sslmode=maybe"}),
    Case("status", WRONG, "is no URL of a server", {"TOCSIN_DATABASE_URL": "postgresql://u:p@host:port/x"}),
    Case("status", FAILED, f"no Kafka answers at {AWAY}", {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": AWAY}),
    Case("migrate", FAILED, f"no Kafka answers at {AWAY}", {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": AWAY}),
    Case(
        "replay FILES/good.jsonl",
        FAILED,
        f"no Kafka answers at {AWAY}",
        {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": AWAY},
    ),
    Case("status", WRONG, "no host:port", {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": "host"}),
    Case("status", WRONG, "no host:port", {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": "host:99999"}),
    Case("status", WRONG, "no host:port", {"TOCSIN_BROKER": "kafka", "TOCSIN_KAFKA_SERVERS": "host:9²"}),
]


def said_in_one_line(done: Done, code: int, said: str) -> None:
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == code, done
    assert said in done.stderr
    # A filter may add how far it came.
    lines = [line for line in done.stderr.strip().splitlines() if " lines, " not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tocsin: ")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_wrong_use_is_one_line_that_names_cause_and_mend(
    command: Command, environment: dict[str, str], files: Path, case: Case
) -> None:
    here = lambda text: text.replace("FILES", str(files))  # noqa: E731
    chosen = environment | {name: here(value) for name, value in case.settings.items()}
    chosen = {name: value for name, value in chosen.items() if value}
    said_in_one_line(command(chosen, *here(case.arguments).split(), **case.options), case.code, case.said)


def test_a_database_that_is_not_there_is_named(command: Command, environment: dict[str, str]) -> None:
    lost = environment | {"TOCSIN_DATABASE_URL": environment["TOCSIN_DATABASE_URL"].replace("/wrong_use?", "/nosuch?")}
    said_in_one_line(command(lost, "worker"), WRONG, 'database "nosuch" does not exist')


def test_a_wrong_settings_file_is_named(command: Command, environment: dict[str, str], tmp_path: Path) -> None:
    for text, said in (("broker = ", "no valid TOML"), ('brokr = "kafka"', "unknown setting 'brokr'")):
        (tmp_path / "tocsin.toml").write_text(text)
        done = command(environment, "status", folder=tmp_path)
        said_in_one_line(done, WRONG, said)


@pytest.mark.parametrize("verb", ["status", "migrate", "doctor"])
def test_older_code_on_a_newer_database_asks_for_the_newer_code(
    command: Command, database_url: str, tmp_path: Path, verb: str
) -> None:
    ask(database_url, "UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
    done = command(environment_of(database_url, tmp_path), verb)
    assert done.returncode == FAILED
    said = "the database is newer than this code (revision 9999_of_tomorrow); install the newer tocsin\n"
    assert said in done.stderr + done.stdout
    assert "migrate" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_what_the_database_lets_its_user_not_do_is_named(
    command: Command, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    ask(database_url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest")
    as_guest = "&options=-crole%3Dguest"
    done = command(environment_of(empty_database_url + as_guest, tmp_path), "migrate")
    said_in_one_line(done, WRONG, "permission denied for schema public")
    done = command(environment_of(database_url + as_guest, tmp_path), "status")
    said_in_one_line(done, WRONG, "permission denied for table alembic_version")
    ask(database_url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", "REVOKE SELECT ON log_ends FROM guest")
    done = command(environment_of(database_url + as_guest, tmp_path), "status")
    said_in_one_line(done, WRONG, "permission denied for table log_ends")
    ask(database_url, "DROP OWNED BY guest", "DROP ROLE guest")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("classify FILES/good.jsonl --model nosuch", WRONG),
        ("classify FILES/good.jsonl", WRONG),
        ("stories /nonexistent", WRONG),
        ("backtest --series /nonexistent", WRONG),
        ("backtest --series FILES/binary", WRONG),
        ("backtest --series FILES/good.csv --budget -1", WRONG),
        ("backtest --budget -1", WRONG),
        ("backtest --rule Unknown", WRONG),
        ("backtest", FAILED),
        ("labels queue", WRONG),
    ],
)
def test_the_output_s_file_is_as_it_was_where_nothing_is_done(
    command: Command, environment: dict[str, str], files: Path, tmp_path: Path, arguments: str, code: int
) -> None:
    (kept := tmp_path / "kept").write_text("the answers of yesterday\n")
    words = arguments.replace("FILES", str(files)).split()
    done = command(environment | {"TOCSIN_WATCHLIST": "/nonexistent"}, *words, "-o", str(kept))
    assert done.returncode == code, done
    assert kept.read_text() == "the answers of yesterday\n"


@pytest.mark.parametrize("verb", ["dashboard", "up", "demo"])
def test_a_port_in_use_is_named(command: Command, environment: dict[str, str], verb: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        chosen = environment | {"TOCSIN_DASHBOARD_PORT": port}
        said_in_one_line(command(chosen, verb), FAILED, f"cannot listen on 127.0.0.1:{port} (Address already in use)")
        chosen = environment | {"TOCSIN_METRICS_PORT": port}
        said_in_one_line(command(chosen, "worker"), FAILED, "TOCSIN_METRICS_PORT")


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_a_second_one_on_the_same_folder_is_refused(command: Command, environment: dict[str, str], verb: str) -> None:
    with only_one(Path(environment["TOCSIN_DATA_DIR"]) / f"{verb}.lock", "never"):
        said_in_one_line(command(environment, verb), FAILED, "already; stop it first, or set TOCSIN_DATA_DIR")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the command as somebody who may less")
def test_what_may_not_be_read_or_written_is_named(command: Command, environment: dict[str, str], files: Path) -> None:
    here = files / "good.csv"  # in a folder that only we may enter
    for arguments, code in (
        (("stories", str(here)), WRONG),
        (("backtest", "--series", str(here)), WRONG),
        (("stories", "-o", str(here)), WRONG),
        (("up",), FAILED),
    ):
        done = command(environment, *arguments, folder=Path("/"), as_nobody=True)
        said_in_one_line(done, code, "Permission denied")


def test_bad_lines_are_answered_in_their_place_and_the_rest_goes_on(
    command: Command, environment: dict[str, str]
) -> None:
    lines = (
        '{"id": 1, "title": "Oil falls"}\n{broken\n[1]\n\n{"id": [4], "title": 5}\n{"id": "ü", "title": "Gold rises"}\n'
        '{"id": NaN, "title": "Oil falls"}\n{"id": 1e999, "title": "Oil falls"}\n'
    )
    for verb in ("stories", "classify"):
        done = command(environment, verb, stdin=lines)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == FAILED
        assert [answer["id"] for answer in answers] == [1, None, None, None, [4], "ü", None, None]
        assert ["error" in answer for answer in answers] == [False, True, True, True, True, False, True, True]
        assert "Traceback" not in done.stderr
    done = command(
        environment, "backtest", "--series", "-", stdin="at,total,negative\nx,1,1\n2026-01-01,1," + "9" * 200_000
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [2, 3]
    assert done.returncode == FAILED


def test_bytes_that_are_no_utf8_make_one_bad_row_of_a_series(
    command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    quiet = [b"2026-01-%02d %02d:00,9,%d,Z\xfcrich" % (1 + n // 24, n % 24, n % 3) for n in range(24 * 31)]
    quiet[500] = quiet[500].replace(b",", b"\xff,", 1)
    quiet[700:704] = [row.replace(b",9,", b",90,8") for row in quiet[700:704]]
    (series := tmp_path / "counts.csv").write_bytes(b"\n".join([b"\xef\xbb\xbfat,total,negative,desk", *quiet]))
    done = command(environment, "backtest", "--series", str(series))
    bad, episode = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, bad["id"]) == (FAILED, 502)
    assert episode["start"] == "2026-01-30 04:00"
    words = f"{sys.executable} -m monitor.cli backtest --series - < {series}"
    piped = subprocess.run(["bash", "-c", words], env=environment, capture_output=True, text=True, check=False)
    assert (piped.returncode, piped.stdout) == (done.returncode, done.stdout)


def test_who_reads_no_further_ends_the_command_without_a_word(environment: dict[str, str], tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(json.dumps({"id": n, "title": f"Oil falls to {n}"}) + "\n" for n in range(4000)))
    words = f"{sys.executable} -m monitor.cli stories {lines} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", words], env=environment, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["id"] == 0
    assert done.returncode == FAILED
    assert [line for line in done.stderr.splitlines() if " lines, " not in line] == []


def test_what_is_read_is_not_written_over(command: Command, environment: dict[str, str], tmp_path: Path) -> None:
    line, series = '{"id": 1, "title": "Oil falls"}\n', "at,total,negative\n2026-01-01,1,1\n"
    (mine := tmp_path / "mine").write_text(line)
    (mine_too := tmp_path / "mine_too").symlink_to(mine)
    (counts := tmp_path / "counts.csv").write_text(series)
    for arguments in (
        ("stories", str(mine), "-o", str(mine_too)),
        ("backtest", "--series", str(counts), "-o", str(counts)),
    ):
        said_in_one_line(command(environment, *arguments), WRONG, "while it is read")
    assert (mine.read_text(), counts.read_text()) == (line, series)
    words = f"{sys.executable} -m monitor.cli stories -o {mine} < {mine}"
    assert subprocess.run(["bash", "-c", words], env=environment, capture_output=True, check=False).returncode == WRONG
    assert mine.read_text() == line
