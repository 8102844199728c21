"""The demo: history, live stream and one scripted crisis through the real path, watched until its alert is told.

Owns the order of events and what `--json` says. The stream comes from the caller; labels, counts and alerts come from
the same programs that run in earnest.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monitor.errors import TocsinError
from monitor.processes import Programs, tocsin
from monitor.store import status
from monitor.store.engine import Database

HISTORY = timedelta(days=30)
CALM_S = 1.0
"""Between the first evaluation and the crisis."""
WATCH_S = 15.0
"""After the alert, to show that no second one comes."""
PATIENCE_S = 180.0
TICK_S = 0.25


class World(Protocol):
    """A simulated world that publishes to the log."""

    def fill(self, start: datetime, end: datetime) -> int: ...

    def tick(self, previous: datetime, now: datetime) -> datetime: ...

    def start_crisis(self, ticker: str, at: datetime) -> datetime: ...


class Stopped(TocsinError):
    """Somebody asked the demo to end."""


@dataclass(frozen=True)
class Report:
    """The JSON object that ends `tocsin demo --json`; seconds run from the process's start."""

    articles: int
    stories: int
    first_label_s: float
    crisis_to_notification_s: float
    episodes: int
    notifications: int
    model: str
    peak_rss_mb: int
    wall_s: float

    def json(self) -> str:
        return json.dumps(asdict(self))

    def check(self) -> None:
        """TocsinError unless exactly one alert came."""
        if (self.episodes, self.notifications) != (1, 1):
            raise TocsinError(
                f"{self.episodes} episodes and {self.notifications} notifications instead of one each;"
                " see the demo's logs, or start it with --fresh"
            )


@dataclass
class Demo:
    """One run of the demo on its own data directory."""

    folder: Path
    database: Database
    programs: Programs
    world: Callable[[datetime], World]
    """The world whose Tuesday, 10:00 is that instant."""
    company: Callable[[AbstractSet[str]], str]
    """Whose crisis it is, given the companies that had one."""
    model: str
    console: Console
    dashboard_url: str | None
    """None: no dashboard."""
    answers: Callable[[], bool]
    """Can the dashboard be read already?"""
    show: Callable[[str], object] | None
    """Opens an address in the browser."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: whatever is waited for, the demo ends."""
    started: datetime = field(default_factory=lambda: datetime.fromtimestamp(psutil.Process().create_time(), UTC))
    _stream: _Stream | None = None
    _memory: Memory = field(default_factory=lambda: Memory())

    def run(self, *, exit_after_alert: bool) -> Report:
        """Until the alert, and as `watch` says after it. Stopped where `stop` is set before the alert."""
        self._start("worker")
        if self.dashboard_url:
            self._start("dashboard")
        world = self.world(self._anchor())
        filled_until = self._history(world)
        self._start("jobs")
        if self.dashboard_url:
            self.open_dashboard(self.dashboard_url)
        self._stream = _Stream(world, filled_until)
        with self._stream:
            self._await_calm()
            crisis_at, ticker = self._crisis(world)
            return self.watch(crisis_at, self._await_alert(crisis_at, ticker), exit_after_alert=exit_after_alert)

    def watch(self, crisis_at: datetime, told: datetime, *, exit_after_alert: bool) -> Report:
        """What came of it: after WATCH_S more, without `exit_after_alert` after `stop`, which ends it at any time."""
        with contextlib.suppress(Stopped):  # there is an alert to report
            self._wait(WATCH_S)
            report = self._report(crisis_at, told)
            self.console.print(
                f"[dim]{report.articles:,} articles, {report.stories:,} stories, {report.notifications} alert.[/dim]"
            )
            if not exit_after_alert:
                self.console.print("The stream goes on; Ctrl-C stops everything.")
                self._wait(None)
        return self._report(crisis_at, told)

    def _anchor(self) -> datetime:
        """The instant that is Tuesday, 10:00 in this data directory's world; the first run's start for good."""
        path = self.folder / "world.json"
        if not path.exists():
            path.write_text(json.dumps({"tuesday_10": self.started.isoformat()}))
        return datetime.fromisoformat(json.loads(path.read_text())["tuesday_10"])

    def _start(self, program: str) -> None:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        self.programs.start(program, tocsin(program), log=logs / f"{program}.log", speaks=program == "jobs")

    def _history(self, world: World) -> datetime:
        """Publish what happened until now, and wait for its labels."""
        now = datetime.now(UTC)
        before = status.numbers(self.database).stored
        newest = status.newest_article(self.database)
        total = before + world.fill(max(newest or now - HISTORY, now - HISTORY), now)
        what = "Labelling 30 days of news" if newest is None else "Labelling what happened meanwhile"
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("articles"), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("", total=total, completed=before)
            deadline = time.monotonic() + PATIENCE_S * 3
            while (stored := status.numbers(self.database).stored) < total:
                progress.update(task, completed=stored)
                self._wait(TICK_S)
                if time.monotonic() > deadline:
                    raise TocsinError(
                        f"only {stored} of {total} articles were labelled; see {self.folder}/logs/worker.log"
                    )
            progress.update(task, completed=total)
        return now

    def open_dashboard(self, dashboard_url: str) -> None:
        """Say where the dashboard is, once it is there: a browser that came too early would show an error."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            self._wait(TICK_S)
            if time.monotonic() > deadline:
                raise TocsinError(f"the dashboard does not answer; see {self.folder}/logs/dashboard.log")
        self.console.print(f"The dashboard answers on [b]{dashboard_url}[/b]")
        if self.show:
            self.show(dashboard_url)

    def _await_calm(self) -> None:
        """The detector has learned from the history and seen the calm before the crisis begins."""
        since, deadline = datetime.now(UTC), time.monotonic() + PATIENCE_S
        while not status.has_evaluated(self.database, since) and time.monotonic() < deadline:
            self._wait(TICK_S)
        self._wait(CALM_S)

    def _crisis(self, world: World) -> tuple[datetime, str]:
        ticker = self.company(status.companies_alerted(self.database))
        at = world.start_crisis(ticker, datetime.now(UTC))
        self.console.print(f"A crisis starts at [b]{ticker}[/b]: reports come in from one house after the other …")
        return at, ticker

    def _await_alert(self, crisis_at: datetime, ticker: str) -> datetime:
        deadline = time.monotonic() + PATIENCE_S
        while (told := status.since(self.database, crisis_at).notified_at) is None:
            self._wait(TICK_S)
            if time.monotonic() > deadline:
                raise TocsinError(f"no alert for {ticker} within {PATIENCE_S:.0f} s; see {self.folder}/logs/jobs.log")
        return told

    def _wait(self, seconds: float | None) -> None:
        """Let the world go on; a program that ends meanwhile ends the demo, and so does `stop`."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            if self.stop.is_set():
                raise Stopped("the demo was stopped before its alert came; let it run on")
            self.programs.check()
            if self._stream:
                self._stream.check()
            self._memory.look()
            left = TICK_S if end is None else end - time.monotonic()
            if left <= 0:
                return
            self.stop.wait(min(TICK_S, left))

    def _report(self, crisis_at: datetime, told: datetime) -> Report:
        found = status.since(self.database, self.started)
        return Report(
            articles=found.articles,
            stories=found.stories,
            first_label_s=round((found.first_label_at - self.started).total_seconds(), 2)
            if found.first_label_at
            else 0,
            crisis_to_notification_s=round((told - crisis_at).total_seconds(), 2),
            episodes=found.episodes,
            notifications=found.notifications,
            model=self.model,
            peak_rss_mb=round(self._memory.peak / 1e6),
            wall_s=round((datetime.now(UTC) - self.started).total_seconds(), 2),
        )


class _Stream:
    """The live stream on a thread of its own."""

    def __init__(self, world: World, since: datetime) -> None:
        self._world, self._since = world, since
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="live stream", daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.wait(TICK_S):
                self._since = self._world.tick(self._since, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  handed to the main thread, which ends the demo with it
            self._error = error

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> _Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


@dataclass
class Memory:
    """The greatest sum of resident memory over this process and all its descendants, in bytes.

    Pages that processes share count once (the proportional set size), where the system tells.
    """

    peak: int = 0

    def look(self) -> None:
        me = psutil.Process()
        total = 0
        for process in [me, *me.children(recursive=True)]:
            try:
                total += _resident(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.peak = max(self.peak, total)


def _resident(process: psutil.Process) -> int:
    full = process.memory_full_info()
    return int(getattr(full, "pss", 0) or full.rss)
