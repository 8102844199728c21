"""Rules: what is watched and how strictly; a rule is tried on the past before it is saved. Writes only through acts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Any, cast, get_args

import streamlit as st

from dashboard import acts, charts, data, drawing, markup, parts, telling
from dashboard.filters import ANY_KIND, WindowName, stamp, view_of
from monitor.alerts.message import ranked
from monitor.alerts.past import Trial
from monitor.alerts.rule_spec import rule_of, spec_of
from monitor.alerts.rules import SHAPES, Digest, Rule, StoredRule
from monitor.backtest_command import summary
from monitor.errors import TocsinError
from monitor.types import KINDS

NEW = "new"
PASTS: dict[str, tuple[int, WindowName]] = {"30 days": (30, "30d"), "90 days": (90, "90d")}
SHOWN = 40


def page() -> None:
    st.html("<h1>Rules</h1>")
    stored = data.rules()
    asked = st.query_params.get("rule") or (str(stored[0].rule.id) if stored else NEW)
    listed, shown = st.columns([1, 2.1], gap="large")
    with listed:
        _list(stored, asked)
    picked = next((one for one in stored if str(one.rule.id) == asked), None)
    with shown:
        _edit(picked)


def _list(stored: list[StoredRule], asked: str) -> None:
    st.html(markup.heading("In force", "each with its own false-alarm budget"))
    items = []
    for one in stored:
        useful, noise, unmarked = data.precision(one.rule.id)
        rate = f"{one.rate:.2g} false a week, measured" if one.rate is not None else "not measured yet"
        judged = f"{useful} useful, {noise} noise, {unmarked} unmarked" if useful + noise + unmarked else "never rang"
        here = " here" if str(one.rule.id) == asked else ""
        href = escape(markup.page_link("rules", {"rule": str(one.rule.id)}), quote=True)
        items.append(
            f'<a class="t-pick{here}" target="_self" href="{href}"><b>{escape(one.rule.name)}</b>'
            f'<span class="side">{"" if one.enabled else "off"}</span>'
            f'<span class="sub">{escape(asks(one.rule))}; {rate}</span><span class="side"></span>'
            f'<span class="sub">{judged}; changed by {escape(one.who)}</span></a>'
        )
    st.html("".join(items) or '<div class="t-quiet">No rule yet: nothing rings.</div>')
    st.html(f'<div class="t-note">{markup.link("A new rule", markup.page_link("rules", {"rule": NEW}))}</div>')


def asks(rule: Rule) -> str:
    """What a rule asks, in few words."""
    if rule.at_least is not None:
        return f"{rule.at_least} stories within an hour"
    return f"at most {rule.budget:g} false alarms a week"


def _edit(picked: StoredRule | None) -> None:
    rule = picked.rule if picked else Rule(name="")
    st.html(markup.heading(rule.name or "A new rule", "tried on the past before it is saved"))
    if picked:
        _switch(picked)
    with st.form(f"rule-{rule.id}", border=False):
        spec, name = _fields(rule)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            past = st.selectbox("Past", list(PASTS), width=140, key=f"past-{rule.id}")
            tries = st.form_submit_button("Try on the past", type="primary")
            saves = st.form_submit_button("Save")
    if not (tries or saves):
        _trial(rule.id)
        return
    try:
        wanted = rule_of(spec, id=rule.id, name=name.strip())
        if tries:
            with st.spinner("Replaying the past through the detector"):
                st.session_state[f"trial-{rule.id}"] = (wanted, acts.try_rule(wanted, PASTS[past][0]), past)
        else:
            _save(picked, wanted)
    except TocsinError as error:
        st.html(markup.empty("Not yet.", str(error)))
    _trial(rule.id)


def _save(picked: StoredRule | None, wanted: Rule) -> None:
    tried = st.session_state.get(f"trial-{wanted.id}")
    if tried is None or tried[0] != wanted:
        st.html(markup.empty("Not saved.", "Try it on the past first, as it stands now: then its rate is known."))
        return
    id = acts.save_rule(wanted, tried[1], enabled=picked.enabled if picked else True)
    st.session_state.pop(f"trial-{wanted.id}", None)
    st.query_params["rule"] = str(id)
    st.rerun()


def _switch(picked: StoredRule) -> None:
    with st.container(horizontal=True):
        words = "Switch off" if picked.enabled else "Switch on"
        if st.button(words, key="switch"):
            acts.enable_rule(picked.rule.id, not picked.enabled)
            st.rerun()


def _fields(rule: Rule) -> tuple[dict[str, Any], str]:
    """The form; (spec, name) as it is filled in."""
    key = f"{rule.id}"
    spec = spec_of(rule)
    words = "Name (another name makes another rule)" if rule.name else "Name"
    name = st.text_input(words, rule.name, key=f"name-{key}", max_chars=80)
    first, second = st.columns(2)
    names = data.company_names()
    with first:
        spec["sentiment"] = st.segmented_control(
            "Rings for", ("negative", "positive"), default=rule.sentiment, required=True, key=f"sentiment-{key}"
        )
        spec["kinds"] = st.pills("Kinds", KINDS, selection_mode="multi", default=rule.kinds, key=f"kinds-{key}")
        spec["shapes"] = st.pills("Looks at", SHAPES, selection_mode="multi", default=rule.shapes, key=f"shapes-{key}")
        spec["topics"] = st.multiselect("Only topics", _with(data.topics(), rule.topics), rule.topics, key=f"t-{key}")
        spec["companies"] = st.multiselect(
            "Only companies",
            _with(names, rule.companies),
            rule.companies,
            format_func=lambda one: names.get(one, one),
            key=f"companies-{key}",
        )
        spec["text"] = st.text_input("Only headlines with the words", rule.text, key=f"text-{key}")
        spec["publishers"] = _several("Only told by (publisher families, by comma)", rule.publishers, f"told-{key}")
    with second:
        _strictness(spec, rule, key)
        spec["routes"] = _several("Sent to (channels, by comma; all if empty)", rule.routes, f"routes-{key}")
    return spec, name


def _strictness(spec: dict[str, Any], rule: Rule, key: str) -> None:
    how = st.segmented_control(
        "How strict",
        ("False alarms a week", "Stories in an hour"),
        default="False alarms a week" if rule.at_least is None else "Stories in an hour",
        required=True,
        key=f"how-{key}",
    )
    amount = st.number_input(
        "At most (false alarms), or at least (stories)",
        min_value=0.01,
        value=float(rule.budget or rule.at_least or 1),
        key=f"amount-{key}",
    )
    by_budget = how == "False alarms a week"
    spec["budget"], spec["at_least"] = (amount, None) if by_budget else (None, max(1, round(amount)))
    least, told = st.columns(2)
    spec["min_stories"] = least.number_input("Least stories", min_value=1, value=rule.min_stories, key=f"least-{key}")
    spec["min_publishers"] = told.number_input(
        "Least publishers", min_value=1, value=rule.min_publishers, key=f"publishers-{key}"
    )
    spec["volume_only"] = st.toggle("Also when only the volume rises", rule.volume_only, key=f"volume-{key}")
    spec["quiet"] = _hours(st.text_input("Quiet hours", _span(rule.quiet), placeholder="22:00-07:00", key=f"q-{key}"))
    spec["hours"] = _hours(st.text_input("Told within", _span(rule.hours), placeholder="09:00-17:30", key=f"h-{key}"))
    spec["zone"] = st.text_input("In the time zone", rule.zone, key=f"zone-{key}")
    digests = get_args(Digest)
    spec["digest"] = st.selectbox(
        "Told", digests, digests.index(rule.digest), format_func=lambda one: one or "at once", key=f"digest-{key}"
    )


def _several(words: str, now: tuple[str, ...], key: str) -> list[str]:
    """Names separated by commas."""
    return [one.strip() for one in st.text_input(words, ", ".join(now), key=key).split(",") if one.strip()]


def _with(known: Mapping[str, str] | list[str], chosen: tuple[str, ...]) -> list[str]:
    """The known ones, and those chosen before that nobody knows any more."""
    return list(dict.fromkeys([*known, *chosen]))


def _span(hours: tuple[str, str] | None) -> str:
    return "-".join(hours) if hours else ""


def _hours(words: str) -> list[str] | None:
    """`22:00-07:00` as two times; what is no span goes to the rule's own check, which names the mend."""
    return [one.strip() for one in words.split("-")] if words.strip() else None


def _trial(id: int) -> None:
    """What the rule would have rung, drawn and listed."""
    tried = st.session_state.get(f"trial-{id}")
    if tried is None:
        return
    rule, trial, past = cast(tuple[Rule, Trial, str], tried)
    st.html(markup.heading(summary(rule, trial)))
    service = data.service()
    if service is None:
        return
    view = view_of(PASTS[past][1], ANY_KIND, parts.zone_name(), data.now())
    table = charts.frame(data.points(service.model, "all", view, rule.kinds), view.since, view.until, view.grain.step)
    figure = charts.rung(table, view, parts.palette(), trial.episodes, data.company_names(), rule.sentiment)
    st.plotly_chart(figure, key=f"rung-{id}", theme=None, config=drawing.CONFIG, alt="Episodes over the past")
    if not trial.episodes:
        st.html(markup.empty("It would have been silent.", "Lower the bar or widen what it looks at, or be content."))
        return
    st.html(_episodes(trial))


def _episodes(trial: Trial) -> str:
    names, zone, now = data.company_names(), parts.zone(), data.now()
    rows = []
    for one in sorted(trial.episodes, key=lambda one: one.detected, reverse=True)[:SHOWN]:
        until = stamp((one.ended or one.detected) + timedelta(minutes=5))
        where = {"scope": one.scope, "from": stamp(one.since), "to": until, "until": until}
        told = "<br>".join(escape(story.title) for story in ranked(trial.stories.get(one.id, ()))[:2])
        rows.append(
            (
                markup.clock(one.detected, zone, now),
                markup.link(markup.scope_name(one.scope, names), markup.scope_link(one.scope, where)),
                f'{escape(telling.counted(one))}<br><span class="mut">{escape(telling.rarity(one.peak))}</span>',
                told,
            )
        )
    return markup.table([("detected", "mut"), ("what", ""), ("", ""), ("headlines", "wide mut")], rows)
