"""What a channel is, and what it means that it failed. Values only; opens no connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from monitor.errors import TocsinError

Sort = Literal["console", "webhook", "apprise"]


class NotifyFailed(TocsinError):
    """The channel did not take the message. `may_retry`: a later attempt may succeed."""

    def __init__(self, reason: str, *, may_retry: bool = True) -> None:
        super().__init__(reason)
        self.may_retry = may_retry


@dataclass(frozen=True)
class Channel:
    """A way to readers, by name; its URL never shows."""

    name: str
    sort: Sort
    url: str = field(repr=False)

    @property
    def masked(self) -> str:
        """What may be shown: the scheme, and nothing after it."""
        return f"{self.url.partition('://')[0]}://***"
