"""One tick of alerting: read counts, judge, write episodes and messages, in one transaction. Decides nothing itself.

Keeps the detector's banks in memory between ticks; the database holds them as of an hour ago at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from monitor.alerts import backlog, completeness, watch
from monitor.alerts.backlog import Backlog
from monitor.alerts.calendar import ANYWHERE, Markets
from monitor.alerts.completeness import Rhythm, SilentFeed
from monitor.alerts.episodes import moved
from monitor.alerts.evaluate import Desk, Judgement, Standing, Tell, judge
from monitor.alerts.message import Naming
from monitor.alerts.rules import Rule, StoredRule, levels_of, watches
from monitor.alerts.unwatched import ends
from monitor.alerts.watch import HISTORY, LATE, NOBODY, Glance, Watch
from monitor.learned import Learned, begin, fall_behind, learn_on
from monitor.store import alert_counts, read_alerts
from monitor.store import alerts as store
from monitor.store import rules as stored_rules
from monitor.store.alerts import Transaction
from monitor.telling import Readers, tell
from monitor.types import BUCKET, SKEW, Scope, bucket_of

RECENT = timedelta(days=3)
"""Ended so lately, an episode still explains a wider scope's excess."""
GATHER = timedelta(seconds=15)
RHYTHM_EVERY = timedelta(hours=1)
STORE_EVERY = timedelta(hours=1)
"""Thousands of scopes weigh megabytes; what came since is read again from the counts."""
FORGET_WANTED = timedelta(hours=1)


@dataclass
class Evaluator:
    """Evaluates all rules; one per process."""

    channels: Sequence[str]
    naming: Naming
    topic: str
    """The log's, whose messages are waited for."""
    markets: Markets = ANYWHERE
    learned: dict[tuple[int, str], Learned] = field(default_factory=dict)
    anew: dict[tuple[int, str], Learned] = field(default_factory=dict)
    """Learning once more, from a past that back-fills made richer, while what was learned before still judges."""
    behind: set[tuple[int, str]] = field(default_factory=set)
    """Series with more to learn after this tick, a slice of one series a tick: the next should come at once."""
    rhythms: tuple[datetime, Mapping[str, Rhythm]] | None = None
    """When and how feeds speak."""
    wanted: dict[tuple[int, str], datetime] = field(default_factory=dict)
    """Scopes that could open, and since when we let their evidence gather."""
    backlog: Backlog | None = None
    """What waits on the log, as the last tick found it."""

    def tick(self, tx: Transaction, lag: Mapping[int, int], now: datetime) -> int:
        """One evaluation of all open buckets; the number of messages written."""
        model = store.model_in_service(tx)
        before = self.backlog
        self.backlog = backlog.look(before, lag, read_alerts.progress(tx, self.topic), now)
        known = stored_rules.rules(tx)
        rules = [one for one in known if one.enabled]
        self.behind = set()
        if before is None or now < before.looked:
            self._follow_clock(tx, now)
        tells = _end_unwatched(tx, known, now)
        self.wanted = {key: at for key, at in self.wanted.items() if now - at < FORGET_WANTED}
        if model is not None and rules:
            tells += self._judge(tx, model, rules, self.backlog, now)
        return tell(tx, tells, Readers(self.channels, self.naming, self._watch_of), now)

    def _follow_clock(self, tx: Transaction, now: datetime) -> None:
        """Forget what lies ahead of a clock that was set back: all that comes before would teach and ring nothing."""
        latest = bucket_of(now) + SKEW
        self.learned = {key: one for key, one in self.learned.items() if one.reaches <= latest}
        self.anew = {key: one for key, one in self.anew.items() if one.reaches <= latest}
        alert_counts.drop_banks(tx, latest)
        store.step_back(tx, latest, bucket_of(now) - BUCKET)

    def silent_feeds(self, tx: Transaction, now: datetime) -> list[SilentFeed]:
        """Feeds that are silent beyond their own rhythm, which is read anew every hour."""
        if self.rhythms is None or now - self.rhythms[0] >= RHYTHM_EVERY:
            self.rhythms = now, read_alerts.rhythms(tx, now, self.markets.default)
        return completeness.silent_feeds(read_alerts.feed_facts(tx, self.rhythms[1]), now, self.markets.default)

    # --- judging

    def _judge(
        self, tx: Transaction, model: int, rules: Sequence[StoredRule], waits: Backlog, now: datetime
    ) -> list[Tell]:
        silent = self.silent_feeds(tx, now)
        missing = completeness.missing(silent, waits, now)
        final = completeness.last_final(waits, now)
        glances = {
            series: self._look(tx, model, series, rules, final, not missing, now)
            for series in sorted({one.rule.series for one in rules})
        }
        judgements: list[Judgement] = []
        for one in rules:
            ripe = partial(self._is_ripe, one.rule.id, waits.messages > 0, now)
            desk = _desk(tx, one, model, glances[one.rule.series], missing, ripe, now)
            into = Judgement()
            _gather(desk, into)
            for seen, is_final in zip(glances[one.rule.series], (True, False), strict=True):
                if seen is not None:
                    judge(desk, seen, final=is_final, into=into)
            _save(tx, one.rule.id, into, now)
            judgements.append(into)
        return [tell for each in judgements for tell in each.tells]

    def _is_ripe(self, rule: int, more_comes: bool, now: datetime, scope: str) -> bool:
        """At once where nothing waits on the log; else after GATHER at the latest."""
        since = self.wanted.setdefault((rule, scope), now)
        return not more_comes or now - since >= GATHER

    def _look(
        self,
        tx: Transaction,
        model: int,
        series: str,
        rules: Sequence[StoredRule],
        final: datetime,
        learns: bool,
        now: datetime,
    ) -> tuple[Glance | None, Glance | None]:
        """What the buckets that have just become final show, and those still open; the former are kept as learned."""
        rule = next(one.rule for one in rules if one.rule.series == series)
        known = self._known(tx, model, rule, now)
        if known.until is not None:
            return None, None
        # Narrowed to stories that nobody tells here, a rule must still see its episodes calm down.
        ids = {one.rule.id for one in rules if one.rule.series == series}
        running = {one.scope for one in store.running_episodes(tx) if one.rule in ids}
        known.watch = replace(known.watch, bank=watch.with_scopes(known.watch.bank, running))
        begin, newest = known.watch.at + BUCKET, bucket_of(now)
        if begin > newest:
            return None, None
        tallies = alert_counts.tallies_of(tx, model, rule, begin, newest + BUCKET)
        closed: Glance | None = None
        if final >= begin:
            live = sum(one.live_total for one in tallies) * 2 >= sum(one.total for one in tallies)
            after, closed = watch.glance(known.watch, tallies, final, learns=learns and live)
            known.watch = after
            if known.stored is None or after.at - known.stored >= STORE_EVERY:
                alert_counts.save_bank(tx, model, series, after.at, watch.to_bytes(after), known.backfilled, now)
                known.stored = after.at
        still = None
        if known.watch.at < newest:
            _, still = watch.glance(known.watch, [one for one in tallies if one.at > known.watch.at], newest)
        return closed, still

    def _known(self, tx: Transaction, model: int, rule: Rule, now: datetime) -> Learned:
        """The series' watch: from memory, the database, or learned from the stored past."""
        key = (model, rule.series)
        if key not in self.learned and (stored := alert_counts.load_bank(tx, model, rule.series)):
            known_then = watch.from_bytes(stored[0], self.markets)
            if known_then is not None:
                self.learned[key] = Learned(known_then, stored[1], known_then.at)
        backfilled = alert_counts.stories_backfilled(tx, model, now - HISTORY)
        known = self.learned.get(key)
        if known is None:
            known = self.learned[key] = begin(tx, model, rule, self.markets, backfilled, now)
        elif known.until is None and known.watch.at < now - LATE - BUCKET:
            fall_behind(tx, model, rule, known, now)
        if key not in self.anew and backfilled > 1.1 * known.backfilled + 20:
            self.anew[key] = begin(tx, model, rule, self.markets, backfilled, now)
        return self._taught(tx, key, rule)

    def _taught(self, tx: Transaction, key: tuple[int, str], rule: Rule) -> Learned:
        """What judges the series after one slice of learning, where any is due and no other series had it."""
        anew = self.anew.get(key)
        pupil = anew or self.learned[key]
        if pupil.until is not None and not self.behind:
            learn_on(tx, key[0], rule, pupil)
        if pupil.until is not None:
            self.behind.add(key)
        elif anew is not None:
            self.learned[key] = self.anew.pop(key)
        return self.learned[key]

    def _watch_of(self, rule: Rule, model: int) -> Watch | None:
        """What the detector knows of a rule's series, where it has looked at it already."""
        known = self.learned.get((model, rule.series))
        return known.watch if known else None


def _end_unwatched(tx: Transaction, rules: Sequence[StoredRule], now: datetime) -> list[Tell]:
    """First of all: what ends here inhibits nothing, holds back no all-clear and is not reminded of in this tick."""
    standings = {key: Standing(*one) for key, one in store.standings(tx).items()}
    over = ends(store.running_episodes(tx), {one.rule.id: one for one in rules}, standings, now)
    store.save_standings(tx, {key: store.Standing(*one) for key, one in over.standings.items()})
    store.save_episodes(tx, [one.episode for one in over.tells], now)
    return over.tells


def _desk(
    tx: Transaction,
    stored: StoredRule,
    model: int,
    glances: tuple[Glance | None, Glance | None],
    missing: Sequence[str],
    ripe: Callable[[str], bool],
    now: datetime,
) -> Desk:
    rule = stored.rule
    banks = [one.bank.scopes for one in glances if one is not None]
    scopes = sum(watches(rule, Scope.of(name)) for name in (banks[-1] if banks else ()) if name != NOBODY)
    standings = {scope: Standing(*one) for (id, scope), one in store.standings(tx).items() if id == rule.id}
    last = read_alerts.last_episodes(tx, rule.id, [scope for scope, one in standings.items()])
    return Desk(
        rule=rule,
        levels=levels_of(rule, stored.level, scopes),
        model=model,
        standings=standings,
        running={one.scope: one for one in last},
        behind=store.episode_stories(tx, now - RECENT, rule.sentiment),
        missing=missing,
        ask=lambda asked: store.evidence(
            tx, model, rule.kinds, rule.sentiment, asked, families=rule.publishers, words=rule.text
        ),
        ripe=ripe,
        now=now,
        took_over=store.took_over_at(tx),
    )


def _gather(desk: Desk, into: Judgement) -> None:
    """Stories go on coming in behind an episode that runs, whether or not its phase changes."""
    running = [one for one in desk.running.values() if one.phase != "closed"]
    stories = desk.ask({one.scope: one.since for one in running})
    for one in running:
        into.evidence[one.id] = stories.get(one.scope, ())
        state = desk.standings[one.scope].state
        after = replace(moved(one, state, into.evidence[one.id]), missing=tuple(desk.missing))
        # It follows the version in service: under the one before, its curve would end with the flip.
        if (after := replace(after, model=desk.model)) != one:
            into.episodes[one.id] = after


def _save(tx: Transaction, rule: int, into: Judgement, now: datetime) -> None:
    store.save_standings(tx, {(rule, scope): store.Standing(*one) for scope, one in into.standings.items()})
    store.save_episodes(tx, list(into.episodes.values()), now)
    store.save_evidence(tx, into.evidence)
