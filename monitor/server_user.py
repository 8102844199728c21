"""As whom a private server runs: ourselves, or an unprivileged user where we are root. Changes no permission."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")


def server_user() -> pwd.struct_passwd | None:
    """None for ourselves. LookupError where we are root and there is nobody else."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError(
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
