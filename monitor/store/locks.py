"""Every advisory lock of the database, so that no two meanings share a number. Takes none.

The log's locks have two numbers each and cannot meet these.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """Who holds it, and for how long."""

    MIGRATE = 7_061_001
    """Whoever migrates, for the migration."""
    SAVE = 7_061_002
    """Whoever writes articles and counts, for a transaction."""
    SERVICE = 7_061_003
    """Whoever changes the model in service, for a transaction."""
    JOBS = 7_061_004
    """The elected jobs process, for its connection's life."""
