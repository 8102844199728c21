"""The `tocsin` command. Every verb parses, calls and answers; what it does lives in the room it names.

A verb stands in the module of its kind: programs, filters, news, operation, model, encoders, labels. Only this
package of the core may import the other programs, each inside its verb. Verbs that need no model never import torch;
verbs that need the database join a running private server or start it for their own duration.
"""

from __future__ import annotations

import os
import sys

import typer

from monitor.cli import encoders, filters, labels, model, news, operation, programs
from monitor.errors import TocsinError
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


def main() -> None:
    """Run the command; what a user can cause ends with one line and an exit code, never with a traceback."""
    die_with_owner()
    # Read when torch is loaded. By default its threads spin while they wait: beside one other busy process on two
    # cores, 1,024 headlines took ten seconds instead of one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Also read then. Of each shape of batch torch and oneDNN keep what they prepared, by default of 1,024: over 100,000
    # headlines that came to 2.2 GB. With 16 it stays at 0.6 GB, and nothing is slower.
    for cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(cache, "16")
    try:
        app()
    except TocsinError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING_ONLY:
            raise
        print(
            f"tocsin: {error.name} is missing, which only training needs; pip install 'tocsin[train]'", file=sys.stderr
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more must be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
