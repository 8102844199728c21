"""What is normal, learned from the stored past or caught up with after a long stop, in slices. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from monitor.alerts import watch
from monitor.alerts.bank import BLOCK
from monitor.alerts.calendar import Markets
from monitor.alerts.rules import Rule
from monitor.alerts.watch import HISTORY, LATE, Watch
from monitor.store import alert_counts
from monitor.store.alerts import Transaction
from monitor.types import BUCKET, bucket_of

log = structlog.get_logger()


LEARN_AT_ONCE = 600_000
"""Scopes times buckets learned in one tick: a second or so of one core. 5,000 scopes' history takes 84 ticks."""


REMEMBERED = timedelta(days=4)
"""Longer than the longest window, and than a stretch goes on without being elevated."""


@dataclass
class Learned:
    """A series' watch, how many back-filled stories it was learned from, and the last bucket stored of it."""

    watch: Watch
    backfilled: int
    stored: datetime | None = None
    until: datetime | None = None
    """While it lags: the bucket up to which it learns first, a slice a tick. Till then it judges nothing."""
    late: set[str] = field(default_factory=set)
    """Scopes of which stories came as back-fill so shortly before `until` that windows after it still hold them."""

    @property
    def reaches(self) -> datetime:
        """The last bucket that it has taken in, or will have when it judges."""
        return max(self.watch.at, self.until or self.watch.at)


def begin(tx: Transaction, model: int, rule: Rule, markets: Markets, backfilled: int, now: datetime) -> Learned:
    """A watch that has the stored past before it, up to where buckets may still ring."""
    first = alert_counts.steady_since(tx, model, now - HISTORY, now) or now - LATE
    until = bucket_of(now - LATE)
    start = min(bucket_of(first), until)
    scopes = alert_counts.scopes_heard(tx, model, rule, start, until)
    log.info("learning what is normal", series=rule.series, scopes=len(scopes), days=(until - start).days)
    return Learned(watch.new_watch(scopes, start, markets), backfilled, until=until)


def fall_behind(tx: Transaction, model: int, rule: Rule, known: Learned, now: datetime) -> None:
    """After a long stop: what is too late to ring is only learned."""
    known.until = bucket_of(now - LATE)
    scopes = alert_counts.scopes_heard(tx, model, rule, known.watch.at + BUCKET, known.until)
    known.watch = replace(known.watch, bank=watch.with_scopes(known.watch.bank, scopes))


def learn_on(tx: Transaction, model: int, rule: Rule, known: Learned) -> None:
    """One slice of what lies before it, so that no tick keeps others waiting for minutes."""
    assert known.until is not None
    buckets = max(BLOCK, LEARN_AT_ONCE // len(known.watch.bank.scopes))
    begin = known.watch.at + BUCKET
    stop = min(known.until, begin + buckets * BUCKET)
    tallies = alert_counts.tallies_of(tx, model, rule, begin, stop)
    known.watch = watch.learn(known.watch, tallies, stop)
    known.late |= {one.scope for one in tallies if one.live_marked < one.marked and one.at >= known.until - REMEMBERED}
    if stop >= known.until:
        known.watch = watch.forget(known.watch, known.late)  # it teaches what is normal, and rings nothing
        known.until = None
        known.late.clear()
        log.info("learned what is normal", series=rule.series, scopes=len(known.watch.bank.scopes) - 1)
