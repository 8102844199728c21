"""What people see of ingest: replay's summary, sources list, check and add, a clean stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.program import run_ingest
from ingest.replay_command import run_replay
from ingest.sources_command import add_source, check_source, list_sources
from ingest.states import MemoryStates
from monitor.errors import TocsinError, UsageError
from monitor.settings import Settings
from monitor.types import FeedState, RawArticle

RSS = "<rss version='2.0'><channel><title>T</title>{}</channel></rss>".format(
    "".join(
        f"<item><title>Story {hour}</title><link>/{hour}</link>"
        f"<pubDate>Mon, 23 Nov 2026 {hour}:00:00 GMT</pubDate></item>"
        for hour in (10, 11, 12)
    )
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(data_dir=tmp_path / "data", allow_private_urls=True)


def test_replay_sums_up_and_names_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("title,at\nFed,2024-01-01\nECB,soon\n")
    articles: list[RawArticle] = []
    assert run_replay(path, articles.extend) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "line 3: 'soon' is no date" in shown.err
    assert "published 1 articles" in shown.err
    assert "1 bad rows" in shown.err
    path.write_text("title,at\nFed,2024-01-01\n")
    assert run_replay(path, articles.extend) == 0


@pytest.mark.parametrize("wrong", [{"kind": "rumour"}, {"when": "past"}, {"speed": "fast"}, {"mapping": "title"}])
def test_replay_used_wrongly_publishes_nothing(tmp_path: Path, wrong: dict[str, str]) -> None:
    (tmp_path / "rows.csv").write_text("title\nFed\n")
    articles: list[RawArticle] = []
    with pytest.raises(UsageError, match="--"):
        run_replay(tmp_path / "rows.csv", articles.extend, **wrong)
    assert not articles


def test_a_flood_of_bad_rows_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("title,at\n" + "Fed,soon\n" * 200)
    assert run_replay(tmp_path / "rows.csv", lambda _articles: None) == 1
    shown = capsys.readouterr().err
    assert "150 more bad rows" in shown
    assert len(shown.splitlines()) < 60


def test_list_shows_each_source_with_its_health(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    failing = FeedState(name="ECB press", failures=3, error="it answers 500", asked_at=datetime.now(UTC))
    list_sources(settings, [failing])
    shown = capsys.readouterr().out
    assert "failed 3x: it answers 500" in shown
    assert "https://www.federalreserve.gov/feeds/press_all.xml" in shown


def test_check_shows_what_a_url_would_bring(
    settings: Settings, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_source(settings, server.serve("/feed", RSS)) == 0
    shown = capsys.readouterr().out
    assert "3 articles, 3 with a date, newest 2026-11-23 12:00 UTC" in shown
    assert 'cadence = "30m"' in shown
    assert "Story 10" in shown
    with pytest.raises(TocsinError, match="web page, not a feed"):
        check_source(settings, server.serve("/page", "<html>"))
    with pytest.raises(UsageError, match="neither a source's name"):
        check_source(settings, "Fed pres")


def test_add_appends_to_ones_own_list_and_only_what_works(settings: Settings, server: Any) -> None:
    url = server.serve("/feed", RSS)
    own = settings.data_dir / "feeds.toml"
    with pytest.raises(TocsinError, match="web page"):
        add_source(settings, server.serve("/page", "<html>"), name="Page")
    assert not own.exists()
    assert add_source(settings, url, name="Mine", kind="comment", publisher="Forum", family="House") == 0
    assert add_source(settings, url, name="Other") == 0
    with pytest.raises(UsageError, match="'Mine' already"):
        add_source(settings, url, name="Mine")
    with pytest.raises(UsageError, match="rumour"):
        add_source(settings, url, name="Third", kind="rumour")
    assert own.read_text().count("[[feed]]") == 2
    assert 'cadence = "30m"' in own.read_text()


def test_ingest_runs_ones_own_list_until_stopped(settings: Settings, server: Any) -> None:
    path = settings.data_dir / "mine.toml"
    path.parent.mkdir()
    path.write_text(f'[[feed]]\nname = "Mine"\nurl = "{server.serve("/feed", RSS)}"\nkind = "news"\npublisher = "P"\n')
    articles: list[RawArticle] = []
    stop = threading.Event()
    chosen = settings.model_copy(update={"feeds": path})
    thread = threading.Thread(target=run_ingest, args=(chosen, articles.extend, MemoryStates(), stop))
    thread.start()
    give_up_at = time.monotonic() + 5
    while not articles and time.monotonic() < give_up_at:
        time.sleep(0.05)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert [one.title for one in articles] == ["Story 10", "Story 11", "Story 12"]


PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ingest.program import run_ingest
from ingest.states import MemoryStates
from monitor.logs import start_logging
from monitor.settings import Settings
start_logging("ingest")
data = Path(sys.argv[1])
settings = Settings(data_dir=data, feeds=data / "feeds.toml", allow_private_urls=True)
run_ingest(settings, lambda articles: print(len(articles), flush=True), MemoryStates())
"""


def test_sigterm_stops_the_program_cleanly(tmp_path: Path, server: Any) -> None:
    (tmp_path / "feeds.toml").write_text(
        f'[[feed]]\nname = "Mine"\nurl = "{server.serve("/feed", RSS)}"\nkind = "news"\npublisher = "P"\n'
    )
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"3\n"
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=10)
    assert child.returncode == 0
    assert b"Traceback" not in said


def test_a_list_that_is_switched_off_or_empty_can_be_added_to(server: Any, settings: Settings) -> None:
    """Two entries of one name would make the file one that nothing reads any more."""
    url, path = server.serve("/rss", RSS), settings.data_dir / "feeds.toml"
    path.parent.mkdir()
    path.write_text(
        '[[feed]]\nname = "mine"\nurl = "https://a.example/"\nkind = "news"\npublisher = "P"\nenabled = false\n'
    )
    with pytest.raises(UsageError, match="a feed named 'mine' already"):
        add_source(settings, url, name="mine")
    path.write_text("# nothing yet\n")
    assert add_source(settings, url, name="mine") == 0
    assert list_sources(settings) == 0


def test_no_password_of_a_url_is_shown(server: Any, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    url = server.serve("/rss", RSS).replace("://", "://ann:s3cret@")
    add_source(settings, url, name="mine", cadence="90s")
    list_sources(settings)
    server.serve("/page", "<html>")
    with pytest.raises(TocsinError, match="web page") as caught:
        check_source(settings, url.replace("/rss", "/page"))
    shown = capsys.readouterr().out
    assert "s3cret" not in shown + str(caught.value)
    assert " 90s " in shown
