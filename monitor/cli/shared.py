"""What several verbs share: their common options, and the settings they start with."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from monitor.settings import Settings, read_settings

FileArgument = Annotated[Path | None, typer.Argument(help="JSON lines; stdin if absent or -")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="where the answers go; stdout if absent")]


def start(program: str, *, level: str | None = None) -> Settings:
    """The settings, with logging and metrics started as they say."""
    from monitor.logs import start_logging
    from monitor.metrics import serve_metrics

    settings = read_settings()
    start_logging(program, form=settings.log_format, level=level or settings.log_level)
    if level is None:
        serve_metrics(program, settings.metrics_port, insecure=settings.metrics_insecure)
    return settings


def person(settings: Settings) -> str:
    """The name written beside what is done."""
    return settings.dashboard_user or getpass.getuser()
