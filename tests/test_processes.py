"""Programs started together end together, whatever happens to their owner."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from monitor.processes import ProgramEnded, Programs
from monitor.up import STARTS, keep_running

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


@pytest.mark.parametrize(("code", "starts"), [(1, STARTS), (2, 1)])
def test_what_ends_is_started_again_but_not_for_ever_and_not_with_wrong_settings(
    tmp_path: Path, code: int, starts: int
) -> None:
    flag = tmp_path / "starts"
    ends = f"open({str(flag)!r}, 'a').write('x'); raise SystemExit({code})"
    commands = {"jobs": [sys.executable, "-c", ends], "worker": [sys.executable, "-c", "import time; time.sleep(60)"]}
    with Programs(os.environ) as programs:
        for name, command in commands.items():
            programs.start(name, command)
        with pytest.raises(ProgramEnded, match=f"jobs program ended with code {code}"):
            keep_running(programs, commands, threading.Event(), pause_s=0.01)
        assert programs.running["worker"].poll() is None
    assert len(flag.read_text()) == starts


def test_an_interrupt_is_heard_even_where_python_drops_exceptions() -> None:
    code = """
import os, signal, time
from monitor.processes import stopped_by_signals
class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
stop = stopped_by_signals()
one = Ends()
del one
if stop.wait(30):
    print("heard")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout, done.stderr) == ("heard\n", "")
