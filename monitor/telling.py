"""What is worth telling -> messages in the outbox: read what the stages ask, let them decide, write. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.alerts import stages
from monitor.alerts.bulletins import listed, of_list
from monitor.alerts.chart import Chart, chart_of, frame
from monitor.alerts.dedup import REMIND_AFTER
from monitor.alerts.evaluate import Tell
from monitor.alerts.message import Message, Naming, of_episode
from monitor.alerts.notices import Context, Notice, Plan
from monitor.alerts.release import release
from monitor.alerts.rules import Rule
from monitor.alerts.usual import usual
from monitor.alerts.watch import Watch
from monitor.markets import exchange
from monitor.store import alerts as store
from monitor.store import outbox, read_alerts
from monitor.store import rules as stored_rules
from monitor.store.alerts import Transaction
from monitor.types import BUCKET, bucket_of


@dataclass(frozen=True)
class Readers:
    """Who can be told, in what words, and what the detector knows to be usual."""

    channels: Sequence[str]
    naming: Naming
    watch_of: Callable[[Rule, int], Watch | None]
    """(rule, model) -> its series' watch."""


def tell(tx: Transaction, tells: Sequence[Tell], readers: Readers, now: datetime) -> int:
    """What has changed, what was held until now, and reminders; the number of messages written."""
    due = outbox.take_due(tx, now)
    notices = [Notice(one.episode, one.reason, now) for one in tells]
    notices += [Notice(one, "reminder", now) for one in read_alerts.to_remind(tx, now, REMIND_AFTER)]
    if not notices and not due:
        return 0
    concerned = [one.episode for one in notices] + [one.notice.episode for one in due]
    incidents, since = [one.incident for one in concerned], now - stages.LIMIT_WINDOW
    rules = {one.rule.id: one.rule for one in stored_rules.rules(tx)}
    context = Context(
        now=now,
        rules=rules,
        exchanges={one.market: exchange(one.market) for one in rules.values() if one.market},
        channels=readers.channels,
        told=outbox.told_before(tx, incidents),
        silences=outbox.silences(tx, now),
        running=store.running_episodes(tx),
        noise=outbox.noise(tx, [one.id for one in concerned]),
        sent=outbox.written(tx, since),
    )
    written = 0
    if due:
        written = _write(tx, release(due, context), context.rules, readers, now)
        context = replace(context, told=outbox.told_before(tx, incidents), sent=outbox.written(tx, since))
    return written + _write(tx, stages.plan(notices, context), context.rules, readers, now)


def _write(tx: Transaction, plan: Plan, rules: Mapping[int, Rule], readers: Readers, now: datetime) -> int:
    written = 0
    for one in plan.single:
        message = _message(tx, one, rules.get(one.episode.rule), readers)
        written += outbox.post(tx, one.channel, _key(one), message, now)
    for channel, many in plan.bundles.items():
        key = f"list:{channel}:{many[0].episode.id}:{many[-1].episode.id}:{len(many)}:{now:%Y%m%dT%H%M%S}"
        written += outbox.post(tx, channel, key, _list(tx, many, rules, readers), now)
    outbox.log_told(tx, [*plan.single, *(one for many in plan.bundles.values() for one in many)], now)
    outbox.log_withheld(tx, plan.withheld, now)
    outbox.defer(tx, plan.held, now)
    return written


def _list(tx: Transaction, many: Sequence[Notice], rules: Mapping[int, Rule], readers: Readers) -> Message:
    known = [rule for rule in (rules.get(one.episode.rule) for one in many) if rule]
    why = "digest" if any(rule.digest for rule in known) else "limit"
    zones = {rule.zone for rule in known}
    companies = read_alerts.company_names(tx, [one.episode for one in many])
    zone = zones.pop() if len(zones) == 1 else "UTC"
    behind = {one.episode.id: read_alerts.evidence_of(tx, one.episode.id) for one in listed(many)}
    return of_list(many, why, Naming(companies, readers.naming.dashboard_url, zone), behind)


def _message(tx: Transaction, notice: Notice, rule: Rule | None, readers: Readers) -> Message:
    episode = notice.episode
    companies = read_alerts.company_names(tx, [episode])
    naming = Naming(companies, readers.naming.dashboard_url, rule.zone if rule else "UTC")
    watch = readers.watch_of(rule, episode.model) if rule else None
    return of_episode(notice, read_alerts.evidence_of(tx, episode.id), _chart(tx, notice, rule, watch), naming)


def _chart(tx: Transaction, notice: Notice, rule: Rule | None, watch: Watch | None) -> Chart:
    episode, until = notice.episode, bucket_of(notice.at) + BUCKET
    first, step = frame(episode.since, until)
    counts = read_alerts.counts_of(tx, episode, rule, first, until)
    steps = round((until - first) / step)
    known = usual(watch, episode.scope, first, step, steps) if watch else ()
    if not known:
        length = max(until - episode.since, BUCKET)
        known = (round(episode.expected * (step / length), 3),) * steps
    return chart_of(counts, episode.since, until, known)


def _key(notice: Notice) -> str:
    """The same change told twice has the same key."""
    episode = notice.episode
    grade = f"{episode.peak:.1f}" if notice.reason == "worse" else f"{notice.at:%Y%m%d}"
    return f"{episode.id}:{notice.reason}:{episode.reopened}:{grade}:{notice.channel}"
