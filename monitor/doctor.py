"""What is missing on this machine and how to mend it. Looks, changes nothing; imports no model library."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from monitor.address import DASHBOARD_MEND
from monitor.errors import TocsinError
from monitor.settings import Settings

NEEDED_DISK_GB = 2.0
ANSWERS_WITHIN_S = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: fine, or not and then with the mend."""

    name: str
    is_fine: bool
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{'ok  ' if self.is_fine else 'MEND'} {self.name}: {self.detail}"
        return line if self.is_fine else f"{line}; {self.mend}"


def examine(settings: Settings, checks: dict[str, Callable[[], str]]) -> Iterator[Finding]:
    """Each finding as soon as it is known. `checks` (name -> a look that answers, or raises TocsinError with the mend)
    come from the caller, who knows the database, the log and the feeds."""
    yield _python()
    yield _torch()
    yield _environment(os.environ)
    yield _disk(settings)
    for name, look in checks.items():
        try:
            yield Finding(name, True, look())
        except TocsinError as error:
            cause, _, mend = str(error).partition("; ")
            yield Finding(name, False, cause, mend or "see the line above")
    yield _port(settings)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _torch() -> Finding:
    try:
        return Finding("torch", True, version("torch"))
    except PackageNotFoundError:
        return Finding("torch", False, "not installed", "pip install -c deploy/constraints.txt .")


def _environment(environment: Mapping[str, str]) -> Finding:
    """A misspelt setting is told here, not refused: Kubernetes sets TOCSIN_ variables of its own."""
    known = {f"TOCSIN_{name.upper()}" for name in Settings.model_fields}
    ours = {name for name in environment if name.startswith("TOCSIN_") and not name.startswith("TOCSIN_TEST_")}
    if unknown := sorted(ours - known):
        return Finding("settings", False, f"no setting is called {', '.join(unknown)}", "see the README's table")
    return Finding("settings", True, f"{len(ours)} from the environment")


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    detail = f"{free:.1f} GB free for {settings.data_dir}"
    return Finding("disk", free >= NEEDED_DISK_GB, detail, f"free {NEEDED_DISK_GB:.0f} GB or set TOCSIN_DATA_DIR")


def _port(settings: Settings) -> Finding:
    address = (settings.dashboard_host, settings.dashboard_port)
    where = f"{address[0]}:{address[1]}"
    try:
        socket.create_connection(address, ANSWERS_WITHIN_S).close()
        taken = True
    except socket.gaierror as error:
        return Finding("dashboard", False, f"{address[0]} is no address ({error.strerror})", DASHBOARD_MEND)
    except OSError:
        taken = False
    # A dashboard that runs already is no fault.
    return Finding("dashboard", True, f"{where} {'answers' if taken else 'is free'}")
