"""The schedule as one table, run by one elected process. Owns when, never what: each job is read -> decide -> write.

A job that fails ends the process, for whoever runs it to start it anew; what was not written is evaluated again.
Only the database and channels being away is waited for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
import structlog

from monitor import schedule, troubles
from monitor.alerts.bulletins import of_test
from monitor.alerts.channels import Channel
from monitor.alerts.links import secret_of
from monitor.alerts.message import Naming
from monitor.alerts.notify import Sender, channels_of
from monitor.alerts.render import Links
from monitor.backtest_command import measure, needs_measuring
from monitor.delivery import Postman
from monitor.errors import TocsinError, Unavailable, UsageError
from monitor.evaluation import Evaluator
from monitor.markets import load_markets
from monitor.metrics import EPISODES_OPEN, EVALUATION_SECONDS, LAG, NOTIFICATIONS, OF_THE_ELECTED, STALLED_SECONDS
from monitor.schedule import Job
from monitor.settings import Settings
from monitor.store import election, outbox, read_alerts, retention
from monitor.store.engine import Database, open_database, transaction
from monitor.store.rules import rules, seed_default_rule, set_level

log = structlog.get_logger()
Lag = Callable[[], Mapping[int, int]]
"""Messages that no worker has committed, per partition."""
Clock = Callable[[], datetime]


class JobsEnded(TocsinError):
    """A job failed; the process ends and may be started again."""


@dataclass
class Jobs:
    """What the jobs work with."""

    settings: Settings
    database: Database
    lag: Lag
    clock: Clock
    evaluator: Evaluator
    postman: Postman
    log_trim: Callable[[datetime], None] | None = None
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the schedule ends: what goes on for long looks at it."""
    done_at: dict[str, float] = field(default_factory=dict)
    """When the jobs that a watchman asks after last came to their end, on a clock that no one sets."""

    def schedule(self) -> tuple[Job, ...]:
        return (
            Job("evaluate", self.settings.evaluate_every_s, self.evaluate),
            Job("deliver", 1.0, self.deliver),
            Job("troubles", 60.0, self.tell_troubles),
            Job("heartbeat", 60.0, self.beat),
            Job("trim", 3600.0, self.trim),
            Job("calibrate", 3600.0, self.calibrate, first_after_s=600.0),
        )

    def evaluate(self) -> None:
        """Counts -> readings -> episodes -> messages in the outbox; at once again while there is a past to learn."""
        self._evaluate()
        while self.evaluator.behind and not self.over.is_set():
            self._evaluate()

    def _evaluate(self) -> None:
        begun = time.perf_counter()
        lag = self.lag()
        with transaction(self.database) as tx:
            now = self.clock()
            written = self.evaluator.tick(tx, lag, now)
            if not self.evaluator.behind:
                outbox.mark(tx, "evaluated", now)
            EPISODES_OPEN.set(read_alerts.open_count(tx))
        if (waits := self.evaluator.backlog) is not None:
            LAG.set(waits.messages)
            STALLED_SECONDS.set(waits.stalled.total_seconds())
        EVALUATION_SECONDS.observe(time.perf_counter() - begun)
        self.done_at["evaluate"] = time.monotonic()
        if written:
            self.deliver()

    def deliver(self) -> None:
        """Outbox -> channels."""
        self.postman.deliver(self.database, self.clock(), wait=False)
        self.done_at["deliver"] = time.monotonic()

    def tell_troubles(self) -> None:
        """Silent feeds, workers or channels that take nothing, messages given up -> one notice for many."""
        now, channels, naming = self.clock(), self.evaluator.channels, self.evaluator.naming
        with transaction(self.database) as tx:
            troubles.tell_silent_feeds(tx, self.evaluator.silent_feeds(tx, now), channels, naming, now)
            troubles.tell_stuck(tx, self.evaluator.backlog, channels, naming, now)
            troubles.tell_lost(tx, channels, naming, now)

    def beat(self) -> None:
        """Tell an outside watchman that news is read, alerts are evaluated and delivered; silence is his alarm."""
        url = self.settings.heartbeat_url
        if url is None:
            return
        late = [name for name in WATCHED if time.monotonic() - self.done_at.get(name, -math.inf) > LATE_S]
        if late:
            log.warning("no heartbeat", not_done=late, within_s=LATE_S)
            return
        if (waits := self.evaluator.backlog) is not None and waits.stuck:
            log.warning("no heartbeat", messages_waiting=waits.messages, none_taken_for_s=waits.stalled.total_seconds())
            return
        with transaction(self.database) as tx:
            if troubles.nobody_hears(tx, self.evaluator.channels, self.clock()):
                log.warning("no heartbeat", channels_away=list(self.evaluator.channels))
                return
        try:
            httpx2.get(url.get_secret_value(), timeout=10.0).raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            log.warning("heartbeat failed", error=type(error).__name__)

    def calibrate(self) -> None:
        """Rules not measured this week -> the level that keeps their budget on the stored past."""
        now = self.clock()
        with transaction(self.database) as tx:
            stale = [one for one in rules(tx) if one.enabled and needs_measuring(one, now)]
        for one in stale:
            with transaction(self.database) as tx:
                found = measure(tx, one.rule, self.evaluator.markets, now)
                if found is not None and set_level(tx, one, found.level, found.rate, now):
                    log.info("measured", rule=one.rule.name, level=found.level, false_a_week=found.rate)

    def trim(self) -> None:
        """Forget near-duplicate bands that nothing is compared with any more, and what was sent long ago."""
        now = self.clock()
        with transaction(self.database) as tx:
            bands, messages = retention.trim_bands(tx, now), outbox.trim(tx, now)
        if self.log_trim:
            self.log_trim(now)
        log.info("trimmed", bands=bands, messages=messages)


WATCHED, LATE_S = ("evaluate", "deliver"), 120.0
"""A heartbeat says that these came to their end within so many seconds: with the database away they do not."""


def make_jobs(
    settings: Settings, url: str, lag: Lag, clock: Clock, log_trim: Callable[[datetime], None] | None = None
) -> Jobs:
    """Everything wired; connects to nothing yet."""
    channels = channels_of(settings.notify_urls)
    naming = Naming({}, settings.dashboard_url)
    for sort in {"none", *(one.sort for one in channels.values())}:  # a series that begins at 1 shows no increase
        NOTIFICATIONS.labels(channel=sort, outcome="given up")
    return Jobs(
        settings=settings,
        database=open_database(url),
        lag=lag,
        clock=clock,
        evaluator=Evaluator(tuple(channels), naming, settings.topic, load_markets(settings.market)),
        postman=Postman(
            channels, Sender(allow_private=settings.allow_private_urls), _secret(settings), settings.dashboard_url
        ),
        log_trim=log_trim,
    )


def _secret(settings: Settings) -> str:
    return secret_of(settings.secret.get_secret_value() if settings.secret else None, settings.data_dir)


def run_jobs(
    settings: Settings,
    url: str,
    lag: Lag,
    stop: threading.Event,
    clock: Clock = lambda: datetime.now(UTC),
    log_trim: Callable[[datetime], None] | None = None,
) -> None:
    """Wait to be elected, then run the schedule; elected anew after the database was away. Until `stop` is set.

    JobsEnded if a job fails, Unavailable where the database stays away.
    """
    while not stop.is_set():
        jobs = make_jobs(settings, url, lag, clock, log_trim)
        try:
            with election.candidacy(url, stop.is_set) as seat:
                _serve(jobs, seat, stop)
        except election.SeatLost as lost:  # another may have it by now, so what was known of episodes is read again
            log.warning("standing for election again", cause=str(lost))
        except Unavailable:
            if not stop.is_set():
                raise
        finally:
            jobs.postman.close()
            jobs.database.dispose()


def _serve(jobs: Jobs, seat: election.Seat, stop: threading.Event) -> None:
    told = False
    while not seat.try_win():
        if not told:
            log.info("another jobs process is elected; waiting")
            told = True
        if stop.wait(election.ASK_EVERY_S):
            return
    try:
        with transaction(jobs.database) as tx:
            seed_default_rule(tx, jobs.clock())
    except Unavailable as error:
        raise election.SeatLost("the database went away right after the election") from error
    log.info("elected", channels=list(jobs.evaluator.channels))
    _run(jobs, seat, stop)


def _run(jobs: Jobs, seat: election.Seat, stop: threading.Event) -> None:
    try:
        failed = schedule.run(jobs.schedule(), seat.hold, stop, jobs.over)
    finally:
        for gauge in OF_THE_ELECTED:  # the greatest of all jobs processes counts: a former one must tell nothing
            gauge.set(0)
    if failed:
        raise JobsEnded(f"the job {failed.job!r} failed: {failed.error}") from failed.error


def notify_test(settings: Settings, name: str, now: datetime) -> str:
    """Send one test message through a channel; a line that says so. UsageError where there is no such channel."""
    channels: Mapping[str, Channel] = channels_of(settings.notify_urls)
    if name not in channels:
        known = ", ".join(channels) or "none is set up; set TOCSIN_NOTIFY to apprise URLs or console://"
        raise UsageError(f"no channel {name!r}; known: {known}")
    message = of_test(name, Naming({}, settings.dashboard_url))
    sender = Sender(allow_private=settings.allow_private_urls)
    sender.send(channels[name], message, f"test:{name}:{now.isoformat()}", Links(), now)
    return f"sent a test message through {name} ({channels[name].masked})"
