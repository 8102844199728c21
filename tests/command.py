"""The `tocsin` command as tests call it: real processes, one after the other, forked from one that has imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Command:
    """Calls it. `folder` is for what goes in and comes out."""

    folder: Path
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.programs.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def __call__(
        self,
        environment: Mapping[str, str],
        *arguments: str,
        stdin: str | None = "",
        stdout: str | None = "",
        folder: Path | None = None,
        as_nobody: bool = False,
    ) -> Done:
        """`stdin` is what goes in, None a closed one; `stdout` another file than one of our own, None a closed one.

        `folder` is where it runs, `as_nobody` as whom: a user who may read and write what everybody may.
        """
        paths = {name: str(self.folder / name) for name in ("stdin", "stdout", "stderr")}
        Path(paths["stdin"]).write_text(stdin or "")
        Path(paths["stdout"]).write_text("")
        order: dict[str, object] = {"arguments": arguments, "environment": dict(environment), **paths}
        order |= {"folder": str(folder or self.folder), "as_nobody": as_nobody}
        order |= {"stdin": paths["stdin"] if stdin is not None else None, "stdout": stdout and str(stdout)}
        if stdout == "":
            order["stdout"] = paths["stdout"]
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return Done(code, Path(paths["stdout"]).read_text(), Path(paths["stderr"]).read_text())

    def end(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:  # a command that was broken off goes on
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def environment_of(url: str, folder: Path) -> dict[str, str]:
    """The environment of a command on that database, with no setting of the machine's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return {**kept, "TOCSIN_DATABASE_URL": url, "TOCSIN_DATA_DIR": str(folder / "data")}
