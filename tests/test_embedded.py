"""The private PostgreSQL: started, joined, recovered, and never left behind."""

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from monitor import server_user
from monitor.embedded import Cluster, is_running, server, wipe
from monitor.server_user import ServerFailed
from monitor.up import revive

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


def wait_until_gone(cluster: Cluster) -> None:
    deadline = time.monotonic() + 20
    while pids_on(cluster):
        assert time.monotonic() < deadline, "the server goes on"
        time.sleep(0.1)


def test_a_killed_owner_leaves_no_server_and_loses_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_OWNER, str(tmp_path)], check=False)
    cluster = Cluster(tmp_path)
    wait_until_gone(cluster)
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


def test_a_killed_guard_takes_the_server_along(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path):
        (guard,) = [pid for pid in pids_on(cluster) if "monitor.guard" in psutil.Process(pid).cmdline()]
        psutil.Process(guard).kill()
        wait_until_gone(cluster)
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    wipe(tmp_path)


def test_a_crashed_server_recovers_and_is_waited_for(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path):
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 200000) AS n")
        pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        wait_until_gone(cluster)
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (200_000,)
    wipe(tmp_path)


def test_up_starts_a_server_again_that_was_killed_and_stops_it_in_the_end(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path) as url, ExitStack() as servers:
        pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
        revive(tmp_path, servers)
        assert int((cluster.folder / "postmaster.pid").read_text().split()[0]) == pid, "it ran"
        with cluster.connect("postgres") as connection:
            connection.execute("ALTER DATABASE tocsin ALLOW_CONNECTIONS false")
        assert is_running(tmp_path), "one that takes nobody, as in recovery, lives"
        with cluster.connect("postgres") as connection:
            connection.execute("ALTER DATABASE tocsin ALLOW_CONNECTIONS true")
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(cluster)
        revive(tmp_path, servers)
        assert cluster.url == url
        with cluster.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not is_running(tmp_path)
    wipe(tmp_path)


def test_of_two_that_start_at_once_one_starts_it_and_the_other_joins(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from monitor.embedded import Cluster, server\n"
        "with server(Path(sys.argv[1])), Cluster(Path(sys.argv[1])).connect() as connection:\n"
        "    print(connection.execute('SELECT pg_postmaster_start_time()').fetchone(), flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = {one.stdout.readline() for one in both if one.stdout}
    assert len(answers) == 1, "one server for both"
    assert all(one.communicate("\n") and one.returncode == 0 for one in both)
    wipe(tmp_path)


def test_a_program_with_another_tmpdir_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as url:
        monkeypatch.setattr("tempfile.gettempdir", lambda: "/somewhere/else")
        with server(tmp_path) as joined:
            assert joined == url
        monkeypatch.undo()
    wipe(tmp_path)


def test_a_folder_that_we_did_not_make_keeps_its_permissions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "share").mkdir(mode=0o711)
    with server(home / "share" / "tocsin"):
        pass
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "share")] == [0o700, 0o711]
    wipe(home / "share" / "tocsin")


def test_nobody_reaches_it_over_the_network_or_as_another_user(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with server(tmp_path), cluster.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert cluster.socket_folder.stat().st_mode & 0o077 == 0
    wipe(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_binaries_that_the_servers_user_cannot_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_user, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(server_user, "can_reach", lambda *_: False)
    user = server_user.server_user()
    assert user
    found = server_user.binaries(user)
    assert found.is_relative_to(tmp_path / "system")
    answer = subprocess.run([found / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in answer.stdout
    made = found.stat().st_ctime_ns
    assert server_user.binaries(user) == found
    assert found.stat().st_ctime_ns == made
