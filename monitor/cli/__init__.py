"""The `tocsin` command. Every verb parses, calls and answers; what it does lives in the room it names.

A verb stands in the module of its kind: programs, filters, news, operation, model, encoders, labels. Only this
package of the core may import the other programs, each inside its verb. Verbs that need no model never import torch;
verbs that need the database join a running private server or start it for their own duration.
"""

from __future__ import annotations

import errno
import os
import sys

import typer
from typer.exceptions import TyperException

from monitor.cli import encoders, filters, labels, model, news, operation, programs
from monitor.errors import TocsinError, UsageError
from monitor.processes import die_with_owner

INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches financial news and rings when bad news about something rises above its own normal.",
)
for one in (programs, filters, news, operation, model, encoders, labels):
    app.add_typer(one.verbs)


TRAINING_ONLY = ("accelerate", "optuna", "peft", "sklearn", "vaderSentiment")
"""What the extra `train` brings, by the names that are imported."""


MENDS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EACCES: "give this user the right to it, or name another place",
    errno.EPERM: "give this user the right to it, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "name another place",
    errno.ENOTDIR: "name another place",
    errno.EEXIST: "name another place",
    errno.EISDIR: "name a file",
    errno.EIO: "look at the disk",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
"""What a user can do about what the system refuses; any other refusal is a fault of ours."""


def main() -> None:
    """Run the command; what a user can cause ends with one line and an exit code, never with a traceback."""
    _open_what_is_closed()
    die_with_owner()
    # Read when torch is loaded. By default its threads spin while they wait: beside one other busy process on two
    # cores, 1,024 headlines took ten seconds instead of one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Also read then. Of each shape of batch torch and oneDNN keep what they prepared, by default of 1,024: over 100,000
    # headlines that came to 2.2 GB. With 16 it stays at 0.6 GB, and nothing is slower.
    for cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(cache, "16")
    sys.exit(_run())


def _run() -> int:
    """The exit code, after one line about what went wrong."""
    try:
        code = app(prog_name="tocsin", standalone_mode=False)
        sys.stdout.flush()  # here, where a full disk can still be told
        return code if isinstance(code, int) else 0
    except TocsinError as error:
        return _refuse(str(error), error.exit_code)
    except TyperException as error:
        return _refuse(_as_typed(error), UsageError.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING_ONLY:
            raise
        return _refuse(f"{error.name} is missing, which only training needs; pip install 'tocsin[train]'")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        _drop_output()
        return 1
    except OSError as error:
        if error.errno not in MENDS:
            raise
        _drop_output()
        where = f"{error.filename}: " if error.filename else "cannot read or write: "
        return _refuse(f"{where}{error.strerror}; {MENDS[error.errno]}")


def _refuse(line: str, code: int = 1) -> int:
    print(f"tocsin: {line}" if line else "", end="\n" if line else "", file=sys.stderr)
    return code


def _as_typed(error: TyperException) -> str:
    """What typer says of wrong arguments, and where the right ones stand; empty where it has shown them already."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{said}; see `{context.command_path if context else 'tocsin'} --help`" if said else ""


def _open_what_is_closed() -> None:
    """A closed stdout or stderr is a silent one: else the next file opened would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  for the life of the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _drop_output() -> None:
    """What is still to be written would fail again when the interpreter ends, with words of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
