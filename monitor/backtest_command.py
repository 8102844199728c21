"""A rule over the stored past: for the command line as JSON lines, for the dashboard before a rule is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitor.alerts.budget import Calibrated
from monitor.alerts.calendar import ANYWHERE, Markets
from monitor.alerts.episodes import Episode
from monitor.alerts.message import ranked
from monitor.alerts.past import Trial, calibrated, try_rule
from monitor.alerts.rule_spec import faults_of
from monitor.alerts.rules import Rule, StoredRule, levels_of
from monitor.errors import TocsinError, UsageError
from monitor.lines import Fields
from monitor.store.alert_counts import first_count
from monitor.store.alerts import Transaction, model_in_service
from monitor.store.engine import Database, transaction
from monitor.store.read_past import load_past, verdicts
from monitor.store.rules import rules, with_listed
from monitor.store.status import newest_article
from monitor.types import BUCKET

HEADLINES = 3


def backtest_stored(
    database: Database,
    budget: float | None,
    days: int,
    now: datetime,
    markets: Markets = ANYWHERE,
    *,
    name: str | None = None,
) -> tuple[list[Fields], str]:
    """One line per episode that a rule, at its own budget or another, would have had; and a sentence about them all.

    The rule of that name, switched on or off; without a name the first that is on. The days end with the newest
    article: a stored past may lie years back. UsageError where no rule has the name.
    """
    newest = newest_article(database)
    until = min(now, newest + BUCKET) if newest else now
    with transaction(database) as tx:
        rule = _named(rules(tx), name)
        if budget is not None:
            rule = with_budget(rule, budget)
        trial = trial_of(tx, rule, days, until, markets)
    return [_line(one, trial) for one in trial.episodes], summary(rule, trial)


def _named(stored: Sequence[StoredRule], name: str | None) -> Rule:
    if name is None:
        return next((one.rule for one in stored if one.enabled), Rule())
    found = next((one.rule for one in stored if one.rule.name == name), None)
    if found is None:
        known = ", ".join(one.rule.name for one in stored) or "none yet; make one on the dashboard's page Rules"
        raise UsageError(f"no rule {name!r}; known: {known}")
    return found


def with_budget(rule: Rule, budget: float) -> Rule:
    """The same rule at another budget. UsageError where that is no number above 0."""
    changed = replace(rule, budget=budget, at_least=None)
    if fault := next(faults_of(changed), None):
        raise UsageError(f"--budget {budget}: {fault}")
    return changed


def trial_of(tx: Transaction, rule: Rule, days: int, now: datetime, markets: Markets) -> Trial:
    """What the rule would have rung in the last days, at the level that keeps its budget on those that it is set by.

    Of too short a past no level can be learned: then at the one that spreads the budget over the scopes watched.
    """
    model, rule, since = model_in_service(tx), with_listed(tx, rule), now - timedelta(days=days)
    past = None
    if model is not None and first_count(tx, model, since - timedelta(days=1)) is not None:
        past = load_past(tx, model, rule, markets, min(since, now - MEASURED_PAST), now)
    if past is None:
        raise TocsinError("nothing was counted in that time; bring news in first, for example with `tocsin replay`")
    said = verdicts(tx, rule.sentiment)
    level = calibrated(past, said).level if rule.budget is not None and past.is_long_enough else None
    return try_rule(past, levels_of(rule, level, past.scopes), said, since=since)


MEASURED_FOR = timedelta(days=7)
MEASURED_PAST = timedelta(days=60)


def needs_measuring(stored: StoredRule, now: datetime) -> bool:
    """Has a budget, and was not measured within the week."""
    return stored.rule.budget is not None and (stored.measured_at is None or now - stored.measured_at > MEASURED_FOR)


def measure(tx: Transaction, rule: Rule, markets: Markets, now: datetime) -> Calibrated | None:
    """The level that keeps the rule's budget on the stored past; None while there is too little of it."""
    model = model_in_service(tx)
    past = load_past(tx, model, rule, markets, now - MEASURED_PAST, now) if model is not None else None
    if past is None or not past.is_long_enough:
        return None
    return calibrated(past, verdicts(tx, rule.sentiment))


def summary(rule: Rule, trial: Trial) -> str:
    """`Negative surge would have rung 3 times in 90 days; 2 of them you marked noise. 0.2 false alarms a week.`"""
    rate = f"{trial.rate:.2g}"
    return f"{rule.name} {verdict(trial)} {rate} false {'alarm' if rate == '1' else 'alarms'} a week."


def verdict(trial: Trial) -> str:
    """`would have rung 3 times in 90 days; 2 of them you marked noise, 1 useful.`"""
    days = max(1, round(trial.weeks * 7))
    past = "a day" if days == 1 else f"{days} days"
    if trial.incidents == 0:
        return f"would not have rung in {past}."
    if trial.incidents == 1:
        marked = "you marked it noise" if trial.marked_noise else "you marked it useful"
        return f"would have rung once in {past}; {marked if _is_marked(trial) else 'nobody has marked it yet'}."
    rang = f"would have rung {trial.incidents} times in {past}"
    if not _is_marked(trial):
        return f"{rang}; nobody has marked any of them yet."
    if not trial.marked_noise:
        return f"{rang}; {trial.marked_useful} of them you marked useful."
    useful = f", {trial.marked_useful} useful" if trial.marked_useful else ""
    return f"{rang}; {trial.marked_noise} of them you marked noise{useful}."


def _is_marked(trial: Trial) -> bool:
    return trial.marked_noise + trial.marked_useful > 0


def _line(episode: Episode, trial: Trial) -> Fields:
    stories = ranked(trial.stories.get(episode.id, ()))
    return {
        "scope": episode.scope,
        "start": episode.since.isoformat(),
        "detected": episode.detected.isoformat(),
        "end": episode.ended.isoformat() if episode.ended else None,
        "severity": round(episode.severity, 2),
        "expected": round(episode.expected, 2),
        "seen": episode.seen,
        "reason": episode.reason,
        "publishers": episode.publishers,
        "also": list(episode.also),
        "incident": episode.incident,
        "headlines": [one.title for one in stories[:HEADLINES]],
    }
