"""How a training talks to whoever started it."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]
"""Says a line."""
