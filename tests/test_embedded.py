"""The private PostgreSQL: started, joined, recovered, and never left behind."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from monitor.embedded import Cluster, ServerFailed, server, wipe

KILLED_OWNER = """
import os, signal, sys
from pathlib import Path
from monitor.embedded import Cluster, server
with server(Path(sys.argv[1])):
    with Cluster(Path(sys.argv[1])).connect() as connection:
        connection.execute("CREATE TABLE kept (n int)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def pids_on(cluster: Cluster) -> list[int]:
    folder = str(cluster.folder)
    return [one.pid for one in psutil.process_iter(["cmdline"]) if folder in (one.info["cmdline"] or [])]


def test_a_killed_owner_leaves_no_server_and_loses_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_OWNER, str(tmp_path)], check=False)
    cluster = Cluster(tmp_path)
    deadline = time.monotonic() + 20
    while pids_on(cluster):
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.1)
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    wipe(tmp_path)


def test_a_second_user_joins_and_only_the_owner_stops(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path) as url:
        with server(tmp_path) as joined:
            assert joined == url
        with cluster.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(ServerFailed, match="stop the tocsin that uses it first"):
            wipe(tmp_path)
    assert not pids_on(cluster)
    wipe(tmp_path)
    assert not tmp_path.exists()


def test_a_reused_pid_is_not_taken_for_a_running_server(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path):
        pass
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (cluster.folder / "postmaster.pid").write_text(f"{innocent.pid}\n{cluster.folder}\n")
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    innocent.kill()
    innocent.wait()
    wipe(tmp_path)


def test_nobody_reaches_it_over_the_network_or_as_another_user(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert cluster.socket_folder.stat().st_mode & 0o077 == 0
    wipe(tmp_path)
