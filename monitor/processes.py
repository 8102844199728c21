"""Several programs as one: started together, stopped together, none outliving a killed owner. Knows no program by name.

Each child inherits the read end of a pipe whose only write end its owner holds. When the owner dies, however it
dies, the pipe closes, and the child ends itself: portable, and immune to reused pids.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from monitor.errors import TocsinError

OWNER_PIPE = "TOCSIN_OWNER_PIPE"
STOP_TIMEOUT_S = 15.0  # a worker finishes its batch, the dashboard its request
LAST_WORDS_S = 20.0  # how long an orphan may take to end cleanly


class ProgramEnded(TocsinError):
    """A program that should run on has ended."""

    def __init__(self, name: str, code: int | None) -> None:
        super().__init__(f"the {name} program ended with code {code}; its last lines, above or in its log, say why")
        self.name, self.code = name, code


@dataclass
class Programs:
    """Child programs of this process. A context manager: leaving it stops every child, last started first."""

    env: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def start(
        self, name: str, command: Sequence[str], *, log: Path | None = None, speaks: bool = True
    ) -> subprocess.Popen[bytes]:
        """Start a child in its own session, so that a Ctrl-C reaches only us and we stop it in order.

        With a `log` its stderr goes there; what it says on stdout goes to our stderr if it `speaks`, else there too.
        """
        with contextlib.ExitStack() as files:
            stderr = files.enter_context(log.open("ab")) if log else None
            child = subprocess.Popen(
                command,
                env={**self.env, OWNER_PIPE: str(self._read_end)},
                pass_fds=(self._read_end,),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr if speaks or stderr is None else stderr,
                stderr=stderr,
                start_new_session=True,
            )
        self.running[name] = child
        return child

    def ended(self) -> list[ProgramEnded]:
        """What is to be said of each child that is gone."""
        return [ProgramEnded(name, child.poll()) for name, child in self.running.items() if child.poll() is not None]

    def check(self) -> None:
        """ProgramEnded if a child is gone."""
        for ended in self.ended():
            raise ended

    def stop(self, name: str) -> int:
        """SIGTERM, and SIGKILL after STOP_TIMEOUT_S; returns the exit code."""
        child = self.running.pop(name)
        if child.poll() is None:
            child.terminate()
        try:
            return child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.running.values():
            if child.poll() is None:
                child.terminate()
        for name in reversed(list(self.running)):
            self.stop(name)
        os.close(self._write_end)
        os.close(self._read_end)


@contextlib.contextmanager
def only_one(lock: Path, refusal: str) -> Iterator[None]:
    """Hold the lock for the block; it goes with its holder. TocsinError with the refusal where another holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TocsinError(refusal) from error
        yield


def stopped_by_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it from the main thread.

    No KeyboardInterrupt: raised within a weak reference's callback or a library's clean-up, it is dropped there.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def tocsin(*arguments: str) -> list[str]:
    """The command line of one of our own verbs, run by this very Python."""
    return [sys.executable, "-m", "monitor.cli", *arguments]


def die_with_owner() -> None:
    """End this process when the owner named in the environment is gone. Does nothing without an owner."""
    pipe = os.environ.pop(OWNER_PIPE, None)
    if pipe is None:
        return
    descriptor = int(pipe)
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_end_at_eof, args=(descriptor,), daemon=True, name="owner-watch").start()


def _end_at_eof(descriptor: int) -> None:
    os.read(descriptor, 1)  # returns at end-of-file only: nobody ever writes
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WORDS_S)
    os._exit(1)
