"""What may be forgotten: near-duplicate bands out of reach. Articles, counts and episodes are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from monitor.store.alerts import Transaction

BANDS_KEPT = timedelta(hours=96)
"""Near-duplicates are looked up within 72 h; a day more for what is late."""


def trim_bands(tx: Transaction, now: datetime, limit: int = 200_000) -> int:
    """Delete old bands, at most `limit` at once, so that no worker waits long.

    A back-fill's are old from the start; they stay while it may still be coming in.
    """
    statement = text("""
        DELETE FROM story_bands WHERE ctid = ANY(ARRAY(
          SELECT b.ctid FROM story_bands b JOIN articles a ON a.id = b.article
          WHERE b.counted_at < :before AND a.stored_at < :before LIMIT :limit))""")
    return tx.execute(statement, {"before": now - BANDS_KEPT, "limit": limit}).rowcount
