"""The `tocsin` command again and again without paying its imports each time: one process imports, then forks.

A line of JSON on stdin, as tests/command.py writes it, runs the command in a child: a real process with files of its
own. A line with its exit code comes back.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any

from monitor import cli

IMPORTED = (
    "alembic.command",
    "ingest.replay_command",
    "ingest.sources_command",
    "monitor.alerts.series",
    "monitor.app",
    "monitor.backtest_command",
    "monitor.classifier.transformer",
    "monitor.demo_command",
    "monitor.jobs",
    "monitor.story_lines",
    "monitor.up",
    "monitor.worker",
    "psycopg",
    "training.commands",
    "training.label_lines",
    "training.promote",
    "transformers",
)
"""What the verbs import inside. Nothing of it may start a thread: a fork has only the one that forked."""
LIMIT_S = 250  # below the time that pytest gives a test
NOBODY = 65534


def run(wanted: dict[str, Any]) -> None:
    """In the child: never returns."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if wanted[name] is None:
            os.close(number)
        else:
            opened = os.open(wanted[name], os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, number)
            os.close(opened)
    modes = {"stdin": "r", "stdout": "w", "stderr": "w"}
    for number, (name, mode) in enumerate(modes.items()):
        closed = wanted[name] is None
        setattr(sys, name, None if closed else open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    if wanted["as_nobody"]:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    sys.argv = ["tocsin", *wanted["arguments"]]
    signal.alarm(LIMIT_S)
    code: object = 1
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  as the interpreter itself would
        traceback.print_exc()
    code = code if isinstance(code, int) else 0 if code is None else 1
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


def main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            run(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
