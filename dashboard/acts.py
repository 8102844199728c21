"""The dashboard's only writes: verdicts, silences, labels, rules. Each says who; none happens on a mere visit."""

from __future__ import annotations

import getpass
from datetime import timedelta

import streamlit as st

from dashboard import data
from monitor.store import alerts, verdicts


def who() -> str:
    """The name written beside what is done."""
    return data.settings().dashboard_user or getpass.getuser()


def judge(episode: str, verdict: verdicts.Verdict, note: str = "") -> None:
    with alerts.begin(_database()) as tx:
        verdicts.judge(tx, episode, verdict, who(), data.now(), note)
    data.forget_alerts()


def silence(scope: str, length: timedelta, comment: str) -> None:
    now = data.now()
    with alerts.begin(_database()) as tx:
        verdicts.silence(tx, scope, now, now + length, who(), now, comment)
    data.forget_alerts()


def end_silence(id: int) -> None:
    with alerts.begin(_database()) as tx:
        verdicts.end_silence(tx, id, data.now())
    data.forget_alerts()


@st.cache_resource(show_spinner=False, on_release=lambda database: database.dispose())
def _database() -> alerts.Database:
    """The engine that may write; apart from the one that reads."""
    return alerts.open_alerts(data.url())
