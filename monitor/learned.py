"""What is normal, learned from the stored past or caught up with after a long stop. Reads counts, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from monitor.alerts import watch
from monitor.alerts.calendar import Markets
from monitor.alerts.rules import Rule
from monitor.alerts.watch import LATE, Watch
from monitor.store import alert_counts
from monitor.store.alerts import Transaction
from monitor.types import BUCKET, bucket_of

HISTORY = timedelta(days=35)

log = structlog.get_logger()


@dataclass
class Learned:
    """A series' watch, how many back-filled stories it was learned from, and the last bucket stored of it."""

    watch: Watch
    backfilled: int
    stored: datetime | None = None


def learn(tx: Transaction, model: int, rule: Rule, markets: Markets, backfilled: int, now: datetime) -> Learned:
    """What is normal, from the stored past up to where buckets may still ring."""
    first = alert_counts.first_count(tx, model, now - HISTORY) or now - LATE
    until = bucket_of(now - LATE)
    begin = min(bucket_of(first), until)
    tallies = alert_counts.tallies_of(tx, model, rule, begin, until, least_stories=alert_counts.LEAST_STORIES)
    after = watch.learn(watch.new_watch({one.scope for one in tallies}, begin, markets), tallies, until)
    scopes, days = len(after.bank.scopes) - 1, (until - begin).days
    log.info("learned what is normal", series=rule.series, scopes=scopes, days=days)
    return Learned(after, backfilled)


def catch_up(tx: Transaction, model: int, rule: Rule, known: Watch, now: datetime) -> Watch:
    """After a long stop: what is too late to ring is only learned."""
    until = bucket_of(now - LATE)
    tallies = alert_counts.tallies_of(tx, model, rule, known.at + BUCKET, until)
    bank = watch.with_scopes(known.bank, {one.scope for one in tallies})
    return watch.learn(replace(known, bank=bank), tallies, until)
