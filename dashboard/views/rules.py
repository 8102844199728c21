"""Rules: what is watched and how strictly; a rule is tried on the past before it is saved. Writes only through acts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import cast

import streamlit as st

from dashboard import acts, alert_data, data, markup, parts, rule_form, trial, watchlists
from dashboard.filters import WindowName
from monitor.alerts.calendar import EXCHANGES
from monitor.alerts.past import Trial
from monitor.alerts.rule_spec import faults_of, unchecked
from monitor.alerts.rules import Rule, StoredRule
from monitor.errors import TocsinError
from monitor.markets import exchange

NEW = "new"
PASTS: dict[str, tuple[int, WindowName]] = {"30 days": (30, "30d"), "90 days": (90, "90d")}


def page() -> None:
    st.html("<h1>Rules</h1>")
    stored, lists = alert_data.rules(), alert_data.watchlists()
    asked, listed = st.query_params.get("rule"), st.query_params.get("list")
    if asked is None and listed is None:
        asked = str(stored[0].rule.id) if stored else NEW
    with parts.side_by_side(shown_first=bool(st.query_params)) as (left, right):
        with left:
            _list(stored, asked)
            watchlists.menu(lists, listed)
        with right:
            if listed is not None:
                watchlists.editor(lists, listed)
            else:
                _edit(stored, str(asked))


def _list(stored: Sequence[StoredRule], asked: str | None) -> None:
    st.html(markup.heading("In force", "each with its own budget of false alarms"))
    items = []
    for one in stored:
        useful, noise, unmarked = alert_data.precision(one.rule.id)
        rang = useful + noise + unmarked
        judged = f"rang {rang} times: {useful} useful, {noise} noise, {unmarked} unmarked" if rang else "never rang"
        here = " here" if str(one.rule.id) == asked else ""
        href = escape(markup.page_link("rules", {"rule": str(one.rule.id)}), quote=True)
        items.append(
            f'<a class="t-pick{here}" target="_self" href="{href}"><b>{escape(one.rule.name)}</b>'
            f'<span class="side">{"" if one.enabled else "off"}</span>'
            f'<span class="sub">{escape(asks(one.rule))}; {measured(one)}</span><span class="side"></span>'
            f'<span class="sub">{judged}</span></a>'
        )
    st.html("".join(items) or '<div class="t-quiet">No rule yet: nothing rings.</div>')
    st.html(markup.note_link("A new rule", markup.page_link("rules", {"rule": NEW})))


def asks(rule: Rule) -> str:
    """What a rule asks, in few words."""
    if rule.at_least is not None:
        return f"{rule.at_least} stories within an hour"
    return f"at most {rule.budget:g} false alarm{'' if rule.budget == 1 else 's'} a week"


def measured(one: StoredRule) -> str:
    return f"measured {one.rate:.2g}" if one.rate is not None else "not measured yet"


def _edit(stored: Sequence[StoredRule], asked: str) -> None:
    picked = next((one for one in stored if str(one.rule.id) == asked), None)
    if picked is None and asked != NEW:
        st.html(markup.empty("This rule is not here.", "It may have been removed."))
        return
    rule = picked.rule if picked else rule_form.new_rule()
    _title(picked)
    spec, name = rule_form.fields(rule, [one.rule.name for one in stored if one is not picked])
    wanted = unchecked(spec, id=rule.id, name=name.strip())
    tried = cast("tuple[Rule, Trial, WindowName] | None", st.session_state.get(f"trial-{rule.id}"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="do"):
        past = st.selectbox("Past", list(PASTS), 1, width=140, key=f"past-{rule.id}")
        tries = st.button("Try on the past", type="primary", key="try")
        saves = st.button("Save", key="save")
    if saves:
        _save(picked, wanted, tried)
    if tries:
        tried = _try(wanted, *PASTS[past]) or tried
    if tried is not None:
        if tried[0] != wanted:
            st.html(markup.note("Changed since it was tried: this is what it would have rung before the change."))
        trial.show(*tried)


def _title(picked: StoredRule | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if picked is None:
            st.html("<h2 class='t-title'>A new rule</h2>")
            return
        chip = "" if picked.enabled else ' <span class="t-chip">off</span>'
        changed = markup.clock(picked.changed_at, parts.zone(), data.now())
        st.html(
            f"<h2 class='t-title'>{escape(picked.rule.name)}{chip}</h2>"
            f'<span class="t-note">changed by {escape(picked.who)}, {changed}</span>',
            width="content",
        )
        st.space("stretch")
        if st.button("Switch off" if picked.enabled else "Switch on", key="switch"):
            parts.act(lambda: acts.enable_rule(picked.rule.id, not picked.enabled))
        with st.popover("Delete"):
            st.html(markup.note("Its open alerts end; what it rang stays in the list of alerts."))
            if st.button("Delete the rule", key="delete"):
                parts.act(lambda: _delete(picked.rule.id))


def _delete(id: int) -> None:
    acts.delete_rule(id)
    st.query_params.clear()


def _try(wanted: Rule, days: int, window: WindowName) -> tuple[Rule, Trial, WindowName] | None:
    if _is_refused(wanted):
        return None
    try:
        with st.spinner("Replaying the past through the detector"):
            tried = (wanted, acts.try_rule(wanted, days), window)
    except TocsinError as error:
        st.html(markup.empty("Not yet.", str(error)))
        return None
    st.session_state[f"trial-{wanted.id}"] = tried
    return tried


def _save(picked: StoredRule | None, wanted: Rule, tried: tuple[Rule, Trial, WindowName] | None) -> None:
    if _is_refused(wanted):
        return
    try:
        if tried is not None and is_same_alarm(tried[0], wanted):
            id = acts.save_rule(wanted, tried[1], enabled=picked.enabled if picked else True)
        elif picked is not None and is_same_alarm(picked.rule, wanted):
            id = acts.keep_rule(wanted, picked)
        else:
            st.html(markup.empty("Not saved.", "Try it on the past first, as it stands now: then its rate is known."))
            return
    except TocsinError as error:
        st.html(markup.empty("Not saved.", str(error)))
        return
    st.session_state.pop(f"trial-{wanted.id}", None)
    st.query_params["rule"] = str(id)
    st.rerun()


def is_same_alarm(tried: Rule, wanted: Rule) -> bool:
    """Would both ring alike? Its name, and who is told and when, change no alarm."""
    return all(getattr(tried, field) == getattr(wanted, field) for field in rule_form.LABELS if field not in UNHEARD)


UNHEARD = frozenset(("name", "routes", "inhibited_by", "digest", "hours", "market", "quiet", "zone"))


def _is_refused(wanted: Rule) -> bool:
    """Say all that is wrong with it, by its fields."""
    exchanges = {wanted.market: exchange(wanted.market)} if wanted.market in EXCHANGES else {}
    faults = [escape(rule_form.told(one)) for one in faults_of(wanted, exchanges)]
    if faults:
        st.html(f'<div class="t-empty"><b>Not yet.</b> {".<br>".join(faults)}.</div>')
    return bool(faults)
