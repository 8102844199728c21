"""Runs a table of jobs, each at its own pace, until one fails. Owns the pace, never what a job does.

The only apscheduler import.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.errors import Unavailable

LOOK_EVERY_S = 0.2
SET_BACK = timedelta(seconds=1)
"""A clock is corrected by less all the time, and that only makes a job late by so much."""

log = structlog.get_logger()


class Job(NamedTuple):
    """One line of the schedule."""

    name: str
    every_s: float
    run: Callable[[], None]
    first_after_s: float = 0.0


class Failed(NamedTuple):
    """The job that ended it all, and how."""

    job: str
    error: BaseException


def run(table: Sequence[Job], hold: Callable[[], None], stop: threading.Event, over: threading.Event) -> Failed | None:
    """Until `stop` is set, a job fails, or `hold`, asked all the time, raises; jobs under way then see `over` set.

    A job never runs twice at once. Only the database being away does not fail it: that is said once and waited for.
    """
    failures: list[JobExecutionEvent] = []
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each tick that a slow one swallows
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_listener(failures.append, EVENT_JOB_ERROR)
    options: dict[str, Any] = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    begun = datetime.now(UTC)
    for job in table:
        first = begun + timedelta(seconds=job.first_after_s)
        scheduler.add_job(
            _waiting_out(job), "interval", seconds=job.every_s, id=job.name, next_run_time=first, **options
        )
    scheduler.start()
    try:
        latest = begun
        while not stop.wait(LOOK_EVERY_S) and not failures:
            hold()
            latest = _follow_clock(scheduler, latest)
    finally:
        over.set()
        scheduler.shutdown(wait=True)
    return Failed(failures[0].job_id, failures[0].exception) if failures else None


def _follow_clock(scheduler: BackgroundScheduler, latest: datetime) -> datetime:
    """The wall clock, now. Set back, every job would rest until it shows again what it showed."""
    now = datetime.now(UTC)
    if (back := latest - now) > SET_BACK:
        log.warning("the clock was set back", by_s=round(back.total_seconds()))
        for job in scheduler.get_jobs():
            job.modify(next_run_time=job.next_run_time - back)
    return now


def _waiting_out(job: Job) -> Callable[[], None]:
    """The job; the database being away is said once and waited for, whatever else goes wrong ends the process."""
    away = False

    def act() -> None:
        nonlocal away
        try:
            job.run()
        except Unavailable as error:
            if not away:
                log.warning("waiting", job=job.name, error=str(error))
            away = True
        else:
            away = False

    return act
