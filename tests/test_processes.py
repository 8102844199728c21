"""Programs started together end together, whatever happens to their owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from monitor.processes import ProgramEnded, Programs

CHILD = """
import sys, time
from monitor.processes import die_with_owner
die_with_owner()
open(sys.argv[1], "w").write("up")
time.sleep(60)
"""
OWNER = """
import os, sys, time
from monitor.processes import Programs
with Programs(os.environ) as programs:
    child = programs.start("child", [sys.executable, "-c", os.environ["CHILD"], sys.argv[1]])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def test_children_end_with_a_killed_owner(tmp_path: Path) -> None:
    flag = tmp_path / "up"
    environment = {**os.environ, "CHILD": CHILD}
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(flag)], stdout=subprocess.PIPE, env=environment)
    assert owner.stdout
    child = psutil.Process(int(owner.stdout.readline()))
    wait_for(flag)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    gone, _alive = psutil.wait_procs([child], timeout=10)
    # An orphan's zombie may stay for an init that does not reap; ended is what counts.
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_leaving_stops_every_child(tmp_path: Path) -> None:
    with Programs(os.environ) as programs:
        child = programs.start("child", [sys.executable, "-c", CHILD, str(tmp_path / "up")])
        wait_for(tmp_path / "up")
    assert child.returncode == -signal.SIGTERM


def test_a_program_that_ends_is_named() -> None:
    with Programs(os.environ) as programs:
        programs.start("worker", [sys.executable, "-c", "raise SystemExit(3)"]).wait()
        with pytest.raises(ProgramEnded, match="worker program ended with code 3"):
            programs.check()
