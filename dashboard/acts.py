"""The dashboard's only writes: verdicts, silences, labels, rules, lists. Each says who; none happens on a visit."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard import alert_data, data
from monitor.alerts.past import Trial
from monitor.alerts.rules import Rule, StoredRule
from monitor.backtest_command import trial_of
from monitor.errors import UsageError
from monitor.markets import load_markets
from monitor.store import engine, given_up, outbox, rules, watchlists
from monitor.store.labels import Label, Origin, Task, add_labels

LONGEST_NAME = 100


def who() -> str:
    """The name written beside what is done: the reader's, where a login proxy in front says it."""
    header = data.settings().dashboard_user_header
    named = (st.context.headers.get(header) or "").strip()[:LONGEST_NAME] if header else ""
    return named or data.settings().dashboard_user or getpass.getuser()


def judge(episode: str, verdict: outbox.Verdict, note: str = "") -> None:
    """Keep a person's word on an alert. UsageError where there is no such alert."""
    with engine.transaction(_database()) as tx:
        if not outbox.give_feedback(tx, episode, verdict, who(), data.now(), note):
            raise UsageError("there is no such alert any more")
    alert_data.forget_alerts()


def silence(scope: str, until: datetime, comment: str, rule: int | None = None) -> None:
    """Nobody is told of the scope until then, by one rule or by all. UsageError without a reason or a time to come."""
    if not comment.strip():
        raise UsageError("say why: whoever misses an alert will want to know")
    with engine.transaction(_database()) as tx:
        outbox.silence(tx, scope, until, who(), comment.strip(), data.now(), rule)
    alert_data.forget_alerts()


def end_silence(id: int) -> None:
    with engine.transaction(_database()) as tx:
        outbox.end_silence(tx, id, who(), data.now())
    alert_data.forget_alerts()


def send_again() -> None:
    """All messages that were given up wait for the sender anew."""
    with engine.transaction(_database()) as tx:
        given_up.send_again(tx, who(), data.now())
    alert_data.forget_alerts()


def dismiss() -> None:
    """No message that was given up is named any more; each stays as not delivered."""
    with engine.transaction(_database()) as tx:
        given_up.dismiss(tx, who(), data.now())
    alert_data.forget_alerts()


def label(article: str, said: Sequence[tuple[Task, str, str | None]], origin: Origin = "correction") -> None:
    """Keep a person's labels; counts follow in the same transaction."""
    now = data.now()
    given = [
        Label(article=article, task=task, value=value, company=company, origin=origin, who=who(), at=now)
        for task, value, company in said
    ]
    if given:
        add_labels(_database(), given)
        st.cache_data.clear()


def try_rule(rule: Rule, days: int) -> Trial:
    """What a rule would have rung, at the level that keeps its budget on that past. Writes nothing."""
    with engine.transaction(_database()) as tx:
        return trial_of(tx, rule, days, data.now(), load_markets(data.settings().market))


def save_rule(rule: Rule, trial: Trial, *, enabled: bool) -> int:
    """Keep a rule with the level and rate that its trial measured, if its past was long enough for that; its id."""
    level = trial.level if rule.budget is not None and trial.is_measured else None
    rate = trial.rate if trial.is_measured else None
    with engine.transaction(_database()) as tx:
        id = rules.save_rule(tx, rule, who(), data.now(), enabled=enabled, level=level, rate=rate)
    alert_data.forget_rules()
    return id


def keep_rule(rule: Rule, stored: StoredRule) -> int:
    """Keep a rule that rings as the stored one does, with what was measured of that; its id."""
    with engine.transaction(_database()) as tx:
        id = rules.save_rule(
            tx,
            rule,
            who(),
            data.now(),
            enabled=stored.enabled,
            level=stored.level,
            rate=stored.rate,
            measured_at=stored.measured_at,
        )
    alert_data.forget_rules()
    return id


def delete_rule(id: int) -> None:
    with engine.transaction(_database()) as tx:
        rules.delete_rule(tx, id)
    alert_data.forget_rules()


def save_watchlist(name: str, companies: Sequence[str], was: str | None) -> None:
    with engine.transaction(_database()) as tx:
        watchlists.save_watchlist(tx, name, companies, who(), data.now(), was)
    alert_data.forget_rules()


def delete_watchlist(name: str) -> None:
    with engine.transaction(_database()) as tx:
        watchlists.delete_watchlist(tx, name)
    alert_data.forget_rules()


def enable_rule(id: int, enabled: bool) -> None:
    with engine.transaction(_database()) as tx:
        rules.enable_rule(tx, id, enabled, who(), data.now())
    alert_data.forget_rules()


@st.cache_resource(show_spinner=False, on_release=lambda database: database.dispose())
def _database() -> engine.Database:
    """The engine that may write; apart from the one that reads."""
    return engine.open_database(data.url())
