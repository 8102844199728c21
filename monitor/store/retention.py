"""What may be forgotten: near-duplicate bands out of reach. Articles, counts and episodes are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from monitor.store.alerts import Transaction

BANDS_KEPT = timedelta(hours=96)
"""Near-duplicates are looked up within 72 h; a day more for what is late."""


def trim_bands(tx: Transaction, now: datetime, limit: int = 200_000) -> int:
    """Delete old bands, at most `limit` at once, so that no worker waits long."""
    statement = text("""
        DELETE FROM story_bands WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM story_bands WHERE counted_at < :before LIMIT :limit))""")
    return tx.execute(statement, {"before": now - BANDS_KEPT, "limit": limit}).rowcount
