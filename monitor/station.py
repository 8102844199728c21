"""One step of a line of work: one thing after another on a thread of its own. Knows no article, log or database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

What = TypeVar("What")
Result = TypeVar("Result")


class Station(Generic[What, Result]):
    """Does what is submitted in that order. After one that fails or comes to None it closes: it does nothing more.

    What comes to a closed station comes to None, so nothing overtakes what went wrong before it.
    """

    def __init__(self, name: str, act: Callable[[What], Result | None]) -> None:
        self._thread, self._act, self._is_closed = ThreadPoolExecutor(1, name), act, False

    def submit(self, what: What) -> Future[Result | None]:
        return self._thread.submit(self._do, what)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for what was submitted."""
        self._thread.shutdown()

    def _do(self, what: What) -> Result | None:
        if self._is_closed:
            return None
        self._is_closed = True  # unless this one comes to something
        result = self._act(what)
        self._is_closed = result is None
        return result
