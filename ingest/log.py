"""The seam to the log: what a source says goes through one `Publish`. Waits for a log that is away; keeps nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from monitor.broker.protocol import Broker
from monitor.codec import encode
from monitor.errors import Unavailable
from monitor.types import RawArticle

AT_ONCE = 500
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

log = structlog.get_logger(__name__)


class Publish(Protocol):
    """Append articles to the log; returns once they are safe there. Raises Unavailable while the log is away."""

    def __call__(self, articles: Sequence[RawArticle], /) -> None: ...


def to_log(broker: Broker, topic: str) -> Publish:
    """Publish as messages on the broker's topic."""

    def publish(articles: Sequence[RawArticle], /) -> None:
        for start in range(0, len(articles), AT_ONCE):
            broker.publish(topic, [encode(article) for article in articles[start : start + AT_ONCE]])

    return publish


def patient(
    publish: Publish,
    *,
    stopped: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], object] = time.sleep,
) -> Publish:
    """The same, but it waits for a log that is away, says so and goes on; asked to stop, it gives up.

    An attempt that failed half-way is repeated whole: what was appended twice has one id and is stored once.
    """

    def publish_patiently(articles: Sequence[RawArticle], /) -> None:
        wait = FIRST_WAIT_S
        while True:
            try:
                return publish(articles)
            except Unavailable as error:
                if stopped():
                    raise
                log.warning("log unavailable, waiting", error=str(error), retry_in_s=round(wait, 1))
            sleep(wait * random.uniform(0.7, 1.3))
            wait = min(wait * 2, LONGEST_WAIT_S)

    return publish_patiently


def readable(text: str) -> str:
    """The text with lone surrogates replaced, which no encoding can carry; pairs become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
