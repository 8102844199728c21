"""The classifier that a worker judges with: asks which version is in service, loads it, and says where it cannot.

Holds one classifier at a time. Judges nothing, reads no log.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from monitor.classifier.protocol import Classifier
from monitor.errors import ModelUnavailable
from monitor.patience import patiently
from monitor.store.engine import Database
from monitor.store.models import in_service
from monitor.store.workers import WorkerState, forget, tell_state

CHECK_EVERY_S = 3.0
"""How often it is asked which version is in service, between batches: a swap is done well within 10 s."""

log = structlog.get_logger(__name__)


def own_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass
class InService:
    """One worker's classifier, kept that of the version in service."""

    database: Database
    load: Callable[[str], Classifier]
    """ModelUnavailable where a version's artefacts are not here."""
    clock: Callable[[], datetime]
    name: str = field(default_factory=own_name)
    _classifier: Classifier | None = None
    _checked: float = 0.0
    _problem: str | None = None

    def wait(self, stop: threading.Event) -> Classifier | None:
        """Once there is a version in service whose artefacts are here; None when stopped."""
        while not stop.is_set():
            if (found := self._look(stop)) is not None:
                return found
            stop.wait(CHECK_EVERY_S)
        return None

    def current(self, stop: threading.Event) -> Classifier | None:
        """The classifier to judge the next batch with; None where that of the version in service is not here."""
        if self._classifier is not None and time.monotonic() - self._checked < CHECK_EVERY_S:
            return self._classifier
        return self._look(stop)

    def close(self) -> None:
        forget(self.database, self.name)

    def _look(self, stop: threading.Event) -> Classifier | None:
        wanted = patiently("learn which model is in service", lambda: in_service(self.database), stop.is_set)
        had = self._classifier
        if had is None or had.version != wanted:
            self._classifier = had = None  # before the next is loaded: two may not fit into memory
            self._swap(wanted)
        patiently("say how this worker is", self._tell, stop.is_set)
        self._checked = time.monotonic()
        return self._classifier

    def _swap(self, wanted: str | None) -> None:
        try:
            if wanted is not None:
                self._classifier = self.load(wanted)
                self._problem = None
                log.info("judging", model=wanted)
                return
            problem = "no model is in service; start `tocsin worker` again to put TOCSIN_MODEL in service"
        except ModelUnavailable as error:
            problem = str(error)
        if problem != self._problem:
            log.error("taking no messages", cause=problem)
            self._problem = problem

    def _tell(self) -> None:
        version = self._classifier.version if self._classifier else None
        tell_state(self.database, WorkerState(self.name, version, self._problem, self.clock()))
