"""Silences: nobody is told of a scope for a while. Made from an alert or without one, listed, ended. Draws; writes
only through acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from html import escape

import streamlit as st

from dashboard import acts, alert_data, data, markup, parts
from monitor.alerts.episodes import Episode
from monitor.store.read_episodes import Silence
from monitor.types import Scope

LENGTHS = {
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "1 week": timedelta(weeks=1),
}
OTHER = "Until …"
EVERY_RULE = "Every rule"


def form_for(one: Episode) -> None:
    """Silences an alert's scope: it still opens and closes, nobody is told."""
    scopes = [one.scope]
    company = Scope.of(one.scope).company
    if company and Scope.of(one.scope).topic:
        scopes.append(Scope(company=company).key)
    names = data.company_names()
    with st.form(f"silence-{one.id}", border=False):
        scope = st.selectbox("What", scopes, format_func=lambda key: markup.scope_name(key, names))
        length = st.selectbox("How long", list(LENGTHS), index=1)
        comment = st.text_input("Why", max_chars=200, key=f"silence-comment-{one.id}")
        if st.form_submit_button("Silence"):
            parts.act(lambda: acts.silence(scope, data.now() + LENGTHS[length], comment))


def section() -> None:
    """What is silenced, what was lately, and a way to silence more."""
    now = data.now()
    rows = alert_data.silences()
    st.html(markup.heading("Silenced", "alerts are kept, nobody is told"))
    holding = [row for row in rows if row.ends > now]
    for row in holding:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(f'<span class="t-note">{_told(row, now)}</span>', width="content")
            if st.button("End", key=f"end-{row.id}", type="tertiary"):
                parts.act(partial(acts.end_silence, row.id))
    if not holding:
        st.html('<div class="t-quiet">Nothing is silenced.</div>')
    with st.popover("Silence something", key="silence-something"):
        _form()
    _ended([row for row in rows if row.ends <= now], now)


def _form() -> None:
    """By scope, without an alert."""
    names, topics = data.company_names(), data.topics()
    rules = {one.rule.name: one.rule.id for one in alert_data.rules()}
    company = st.selectbox(
        "Company",
        [None, *names],
        format_func=lambda key: _called(key, names, "Every company"),
        key="silence-company",
    )
    topic = st.selectbox("Topic", [None, *topics], format_func=lambda one: one or "Every topic", key="silence-topic")
    rule = st.selectbox("Alerts of", [EVERY_RULE, *rules], key="silence-rule")
    length = st.segmented_control("For", [*LENGTHS, OTHER], default="8 hours", required=True, key="silence-for")
    until = data.now() + LENGTHS.get(length, timedelta())
    if length == OTHER:
        local = data.now().astimezone(parts.zone())
        tomorrow = local.replace(hour=8, minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=1)
        until = _moment(st.datetime_input(f"Until ({parts.zone_name()})", tomorrow, required=True))
    comment = st.text_input("Why", max_chars=200, key="silence-why")
    if company is None and topic is None:
        st.html(markup.note("That is everything: nobody will be told of anything."))
    if st.button(f"Silence, as {acts.who()}", type="primary", key="silence-now"):
        scope = Scope(company, topic).key
        parts.act(lambda: acts.silence(scope, until, comment, rules.get(rule)))


def _moment(local: datetime) -> datetime:
    """The reader's wall clock as a moment."""
    return local.replace(tzinfo=parts.zone())


def _called(key: str | None, names: Mapping[str, str], none: str) -> str:
    return none if key is None else f"{names[key]} ({key})" if names.get(key, key) != key else key


def _told(row: Silence, now: datetime) -> str:
    names, zone = data.company_names(), parts.zone()
    why = f": {escape(row.comment)}" if row.comment else ""
    by = f" by rule {escape(row.rule)}" if row.rule else ""
    return (
        f"<b>{escape(markup.scope_name(row.scope, names))}</b>{by} until {markup.clock(row.ends, zone, now)}, "
        f"says {escape(row.who)}{why}"
    )


def _ended(rows: Sequence[Silence], now: datetime) -> None:
    if not rows:
        return
    names, zone = data.company_names(), parts.zone()
    with st.expander(f"Ended in the last {markup.duration(alert_data.SILENCES_KEPT)} ({len(rows)})"):
        lines = [
            f'<div class="t-note"><b>{escape(markup.scope_name(row.scope, names))}</b> '
            f"{markup.clock(row.starts, zone, now)} to {markup.clock(row.ends, zone, now)}, by {escape(row.who)}"
            f"{f', ended by {escape(row.ended_by)}' if row.ended_by else ''}</div>"
            for row in reversed(rows)
        ]
        st.html("".join(lines))
