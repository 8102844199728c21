"""How the programs log: structlog on stderr, for people or as JSON. Owns no message; secrets are masked here too."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

# user:password@ in any URL that finds its way into a log line, whatever library wrote it.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")

_ADDRESS = re.compile(r"\S+://\S+")


def mask_credentials(text: str) -> str:
    """`scheme://user:password@host` -> `scheme://***@host`, wherever it stands in the text."""
    return _CREDENTIALS.sub("***", text)


def mask_addresses(text: str) -> str:
    """Without any address: that of a webhook is itself the secret."""
    return _ADDRESS.sub("***", text)


def _mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: mask_credentials(value) if isinstance(value, str) else value for key, value in event.items()}


def start_logging(program: str, *, form: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Configure once, at a program's start; `program` stands in each line."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(program=program)
    # Libraries log through the standard library: the same form, warnings only.
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # kafka-python tells of every slow step and reconnection; what matters of it our own lines say.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
