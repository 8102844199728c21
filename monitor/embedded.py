"""A private PostgreSQL from a wheel: started by whoever needs it first, joined by others, gone with its owner.

Only the wheel's binaries are used. The server listens on a Unix socket in a folder only its user can enter, never on
the network. Between owner and server stands a guard (monitor/guard.py), which shuts the server down when its owner
ends, however it ends.

PostgreSQL refuses to run as root. There it runs as an unprivileged user, and where that user cannot reach the data
directory (it lies in somebody's private home) the cluster lies in a folder made for it under /var/lib/tocsin, with a
link in the data directory; so does a copy of the binaries. Permissions of folders that we did not make are never
changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import psycopg

from monitor.server_user import SYSTEM_FOLDER, ServerFailed, as_user, binaries, can_reach, server_user

READY_TIMEOUT_S = 120.0  # a recovery after a kill replays the write-ahead log first
STOP_TIMEOUT_S = 60.0
NAME = "tocsin"
NOT_YET = ("starting up", "in recovery mode", "not yet accepting connections")
"""What a server says that will answer soon."""

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than our short queries take
    "random_page_cost": "1.1",
}


@dataclass(frozen=True)
class Cluster:
    """Where a data directory's database lives, and who runs it."""

    data_dir: Path

    @property
    def link(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def folder(self) -> Path:
        return self.link.resolve()

    @property
    def pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"

    @property
    def name(self) -> str:
        return "tocsin-" + hashlib.sha256(str(self.data_dir.resolve()).encode()).hexdigest()[:12]

    @property
    def socket_note(self) -> Path:
        return self.data_dir / "postgres.socket"

    @property
    def socket_folder(self) -> Path:
        """Where the server was told to listen, by whoever started it last: his TMPDIR may be another than ours."""
        return Path(self.socket_note.read_text()) if self.socket_note.exists() else self.new_socket_folder()

    def new_socket_folder(self) -> Path:
        """Short: a socket's path has at most 107 characters, a data directory's may have more."""
        return Path(tempfile.gettempdir()) / self.name

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{NAME}@/{NAME}?host={self.socket_folder}"

    def connect(self, database: str = NAME) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket_folder), user=NAME, dbname=database, connect_timeout=5, autocommit=True
        )


@contextlib.contextmanager
def server(data_dir: Path) -> Iterator[str]:
    """The URL of data_dir's database: joined where somebody runs it, else started for the time of the block."""
    cluster = Cluster(data_dir.absolute())
    guard = _start_or_join(cluster)
    try:
        yield cluster.url
    finally:
        if guard is not None:
            _stop(cluster, guard)


def is_running(data_dir: Path) -> bool:
    """Does the server answer, or live at least? One that recovers, is slow or is full comes back by itself."""
    cluster = Cluster(data_dir.absolute())
    if _ask(cluster, NAME) != "absent":
        return True
    pid = _noted_pid(cluster)
    return pid is not None and _is_server_of(cluster, pid)


def wipe(data_dir: Path) -> None:
    """Remove a data directory with its database. ServerFailed while a server runs on it."""
    cluster = Cluster(data_dir.absolute())
    if not cluster.data_dir.exists():
        return
    with _locked(cluster):
        if _answers(cluster, NAME) or _answers(cluster, "postgres"):
            raise ServerFailed(f"a database runs on {data_dir}; stop the tocsin that uses it first (Ctrl-C there)")
        shutil.rmtree(cluster.folder, ignore_errors=True)
    shutil.rmtree(cluster.data_dir)


def _start_or_join(cluster: Cluster) -> subprocess.Popen[bytes] | None:
    cluster.data_dir.mkdir(parents=True, exist_ok=True)
    with _locked(cluster):
        if _answers(cluster, NAME):
            return None
        user = server_user()
        if not (cluster.folder / "PG_VERSION").exists():
            _make_cluster(cluster, user)
        _forget_dead_server(cluster)
        _make_socket_folder(cluster, user)
        guard = _start_guard(cluster, user)
        try:
            _wait_until_ready(cluster, guard)
        except BaseException:
            _stop(cluster, guard)
            raise
        return guard


@contextlib.contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """One process at a time looks whether a server runs and starts one."""
    with (cluster.data_dir / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answers(cluster: Cluster, database: str) -> bool:
    """Does a server run? One that is recovering is waited for: under the lock nobody else is starting it."""
    _wait(lambda: _ask(cluster, database) != "starting", READY_TIMEOUT_S)
    return _ask(cluster, database) == "ready"


def _ask(cluster: Cluster, database: str) -> Literal["ready", "starting", "absent"]:
    try:
        with cluster.connect(database) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return "starting" if any(words in str(error) for words in NOT_YET) else "absent"
    return "ready"


def _make_cluster(cluster: Cluster, user: pwd.struct_passwd | None) -> None:
    """initdb beside the final place, then one rename: a half-made cluster is never taken for a whole one."""
    if user is not None and not cluster.link.is_symlink() and not can_reach(cluster.data_dir, user):
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        cluster.link.symlink_to(SYSTEM_FOLDER / cluster.name)
    target = cluster.folder
    shutil.rmtree(target, ignore_errors=True)
    # The server's user makes nothing in a folder that is not its own, so it gets one and the cluster inside it.
    target.mkdir(mode=0o700, parents=True)
    if user is not None:
        os.chown(target, user.pw_uid, user.pw_gid)
    making = target / "making"
    command = [
        str(binaries(user) / "initdb"),
        "-D",
        str(making),
        "-U",
        NAME,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
    ]
    uid, gid, groups = as_user(user)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=target, check=False, user=uid, group=gid, extra_groups=groups
    )
    if done.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise ServerFailed(f"initdb failed in {target}: {done.stderr.strip().splitlines()[-1:]}; is the disk full?")
    for item in making.iterdir():
        if item.name != "PG_VERSION":
            item.rename(target / item.name)
    (making / "PG_VERSION").rename(target / "PG_VERSION")  # last: it says that the cluster is whole
    making.rmdir()


def _make_socket_folder(cluster: Cluster, user: pwd.struct_passwd | None) -> None:
    folder, owner = cluster.new_socket_folder(), user.pw_uid if user else os.geteuid()
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
    found = folder.lstat()
    # Somebody else's folder of that name could hold somebody else's server.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise ServerFailed(f"{folder} is not private to uid {owner}; remove it and start again")
    cluster.socket_note.write_text(str(folder))


def _forget_dead_server(cluster: Cluster) -> None:
    """Remove a killed server's pid file if another process has its pid: PostgreSQL would refuse to start."""
    pid = _noted_pid(cluster)
    if pid is None:
        return
    if not _is_server_of(cluster, pid):
        cluster.pid_file.unlink()
        return
    # A killed owner's server may still be on its way down.
    if not _wait(lambda: not _is_server_of(cluster, pid), STOP_TIMEOUT_S):
        raise ServerFailed(
            f"a database server (pid {pid}) holds {cluster.folder} but doesn't answer; see {cluster.log}"
        )


def _noted_pid(cluster: Cluster) -> int | None:
    """The process that PostgreSQL's own note names; it may be gone, and another have its number."""
    try:
        return int(cluster.pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _is_server_of(cluster: Cluster, pid: int) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return bool(command) and Path(command[0]).name == "postgres" and str(cluster.folder) in command


def _start_guard(cluster: Cluster, user: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries(user) / "postgres"), "-D", str(cluster.folder), "-k", str(cluster.socket_folder), *options]
    with cluster.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "monitor.guard", user.pw_name if user else "", *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,  # a Ctrl-C at the terminal is for the owner, who stops us in order
        )


def _wait_until_ready(cluster: Cluster, guard: subprocess.Popen[bytes]) -> None:
    ready = _wait(lambda: guard.poll() is not None or _ask(cluster, "postgres") == "ready", READY_TIMEOUT_S)
    if not ready or guard.poll() is not None:
        last = cluster.log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise ServerFailed(f"the private database did not start; its last word: {last[0]!r}; see {cluster.log}")
    with cluster.connect("postgres") as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {NAME}")


def _stop(cluster: Cluster, guard: subprocess.Popen[bytes]) -> None:
    if guard.stdin:
        guard.stdin.close()
    try:
        guard.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
        raise ServerFailed(
            f"the private database did not stop within {STOP_TIMEOUT_S:.0f} s; see {cluster.log}"
        ) from None


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
