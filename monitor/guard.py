"""Runs one program until our standard input closes: what ends a private server with its owner. Knows no database.

    python -m monitor.guard USER PROGRAM ARGUMENT ...

The owner holds the pipe's other end; when he ends, however he ends, it closes, and the program gets SIGINT (to
PostgreSQL: a fast shutdown). Should the guard itself be killed, the kernel sends that signal.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
LOOK_EVERY_S = 0.5


def guard(user_name: str, command: list[str]) -> int:
    """Single-threaded: the kernel's notice is tied to the thread that started the program."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    user = pwd.getpwnam(user_name) if user_name else None
    running = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    while running.poll() is None and not _closed(LOOK_EVERY_S):
        pass
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
    return running.wait()


def _closed(timeout_s: float) -> bool:
    readable, _, _ = select.select([sys.stdin.fileno()], [], [], timeout_s)
    return bool(readable) and os.read(sys.stdin.fileno(), 1) == b""


def _end_with_parent() -> None:
    # Runs after the change of user, which would clear it. Elsewhere than on Linux the pipe alone must do.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


if __name__ == "__main__":
    raise SystemExit(guard(sys.argv[1], sys.argv[2:]))
