"""The form of a rule: all that a rule can be, as fields; filled in, a spec. Draws; saves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import time
from typing import Any, get_args
from zoneinfo import available_timezones

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import alert_data, data, markup, parts
from monitor.alerts.calendar import EXCHANGES
from monitor.alerts.rule_spec import Fault, spec_of
from monitor.alerts.rules import SHAPES, Digest, Rule
from monitor.types import KINDS

LABELS = {
    "name": "Name",
    "sentiment": "Rings for",
    "kinds": "Kinds",
    "shapes": "Looks at",
    "topics": "Only topics",
    "companies": "Only companies",
    "watchlists": "Only watch-lists",
    "publishers": "Only told by",
    "text": "Only with the words",
    "budget": "False alarms a week, at most",
    "at_least": "Stories within an hour, at least",
    "min_stories": "Stories, at least",
    "min_publishers": "Publishers, at least",
    "volume_only": "Also when only the volume rises",
    "routes": "Sent to",
    "inhibited_by": "Silent while these ring",
    "digest": "Told",
    "hours": "Office hours",
    "market": "Trading hours",
    "quiet": "Quiet hours",
    "zone": "Time zone",
}
"""Field -> what the form calls it."""
SHAPE_WORDS = {"all": "All news", "topic": "Topics", "company": "Companies", "company x topic": "Companies by topic"}
KIND_WORDS = {"news": "News", "report": "Reports", "comment": "Comments"}
DIGEST_WORDS: dict[Digest, str] = {
    "": "At once",
    "daily": "Daily digest, 7 in the morning",
    "weekly": "Weekly digest, Mondays at 7",
}
BUDGET, FIXED = "By how rare it is", "By a fixed number"
ALWAYS, OFFICE, TRADING = "At any hour", "In office hours", "While an exchange trades"


def new_rule() -> Rule:
    """What the form starts with; hours go by the reader's clock."""
    return Rule(name="", zone=parts.zone_name())


def fields(rule: Rule, others: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The form; (spec, name) as it is filled in. `others` are the names of the other rules."""
    spec = spec_of(replace(rule, listed=()))
    name = st.text_input(LABELS["name"], rule.name, key=f"name-{rule.id}", max_chars=80, placeholder="What you watch")
    watched, told = st.columns(2, gap="large")
    with watched:
        st.html(markup.heading("What it watches"))
        _watched(spec, rule)
    with told:
        st.html(markup.heading("When it rings"))
        _strictness(spec, rule)
        st.html(markup.heading("Who is told, and when"))
        _readers(spec, rule, others)
        _hours(spec, rule)
    return spec, name


def _watched(spec: dict[str, Any], rule: Rule) -> None:
    spec["sentiment"] = st.segmented_control(
        LABELS["sentiment"],
        ("negative", "positive"),
        default=rule.sentiment,
        required=True,
        key=f"sentiment-{rule.id}",
        format_func=lambda one: f"{one.capitalize()} news",
    )
    spec["kinds"] = _pills("kinds", KINDS, rule.kinds, KIND_WORDS, rule.id)
    spec["shapes"] = _pills("shapes", SHAPES, rule.shapes, SHAPE_WORDS, rule.id)
    spec["topics"] = _several("topics", data.topics(), rule.topics, rule.id, "Every topic")
    names, lists = data.company_names(), {one.name: len(one.companies) for one in alert_data.watchlists()}
    spec["companies"] = _several("companies", names, rule.companies, rule.id, "Every company", names)
    spec["watchlists"] = _several(
        "watchlists",
        lists,
        rule.watchlists,
        rule.id,
        "None chosen" if lists else "None yet: make one on the left",
        {name: f"{name} ({size})" for name, size in lists.items()},
    )
    spec["publishers"] = _several(
        "publishers", data.publisher_families(), rule.publishers, rule.id, "Every publisher", is_open=True
    )
    spec["text"] = st.text_input(
        LABELS["text"], rule.text, key=f"text-{rule.id}", placeholder="recall battery: headlines that hold both"
    )


def _strictness(spec: dict[str, Any], rule: Rule) -> None:
    how = st.segmented_control(
        "How strict",
        (BUDGET, FIXED),
        default=BUDGET if rule.at_least is None else FIXED,
        required=True,
        key=f"how-{rule.id}",
        label_visibility="collapsed",
    )
    spec["budget"] = spec["at_least"] = None
    if how == BUDGET:
        spec["budget"] = st.number_input(
            LABELS["budget"],
            min_value=0.01,
            value=float(rule.budget or 1.0),
            step=0.25,
            key=f"budget-{rule.id}",
            help="Over all that the rule looks at together. Alarms that somebody marks as useful do not count.",
        )
    else:
        spec["at_least"] = st.number_input(
            LABELS["at_least"],
            min_value=1,
            value=rule.at_least or max(10, rule.min_stories),
            key=f"fixed-{rule.id}",
            help="Rings at so many, however usual that is.",
        )
    stories, publishers = st.columns(2)
    with stories:
        spec["min_stories"] = _least("min_stories", rule.min_stories, rule.id, "Copies of a story count once.")
    with publishers:
        spec["min_publishers"] = _least("min_publishers", rule.min_publishers, rule.id, "Independent of each other.")
    spec["volume_only"] = st.toggle(
        LABELS["volume_only"],
        rule.volume_only,
        key=f"volume-{rule.id}",
        disabled=how == FIXED,
        help="More news altogether, in its usual mix of good and bad.",
    )


def _readers(spec: dict[str, Any], rule: Rule, others: Sequence[str]) -> None:
    known = alert_data.channels()
    spec["routes"] = _several("routes", known, rule.routes, rule.id, "Every channel", is_open=True)
    if not known:
        words = "This dashboard's settings name no channel (TOCSIN_NOTIFY). Type the names that `tocsin jobs` knows."
        st.html(f'<div class="t-note">{words.replace("`", "")}</div>')
    elif strange := [one for one in spec["routes"] if one not in known]:
        st.html(markup.note(f"Not set up here, so nothing reaches it: {', '.join(strange)}."))
    spec["inhibited_by"] = _several(
        "inhibited_by",
        others,
        rule.inhibited_by,
        rule.id,
        "No other rule",
        words="While one of them rings for the same, or for more that holds it: all news, or its company.",
    )


def _hours(spec: dict[str, Any], rule: Rule) -> None:
    told, when = st.columns(2)
    digests = get_args(Digest)
    spec["digest"] = told.selectbox(
        LABELS["digest"],
        digests,
        digests.index(rule.digest),
        format_func=DIGEST_WORDS.__getitem__,
        key=f"digest-{rule.id}",
    )
    now = TRADING if rule.market else OFFICE if rule.hours else ALWAYS
    modes = (ALWAYS, OFFICE, TRADING)
    mode = when.selectbox("When", modes, modes.index(now), key=f"mode-{rule.id}")
    spec["hours"], spec["market"] = None, ""
    if mode == OFFICE:
        spec["hours"] = _span("hours", rule.hours or ("09:00", "17:30"), rule.id, "on working days")
    elif mode == TRADING:
        codes = list(EXCHANGES)
        spec["market"] = st.selectbox(
            LABELS["market"],
            codes,
            codes.index(rule.market) if rule.market else 0,
            format_func=lambda code: f"{EXCHANGES[code]} ({code})",
            key=f"market-{rule.id}",
            help="Told while it trades, with its holidays and half days; what comes between waits for its opening.",
        )
    spec["quiet"] = _span("quiet", rule.quiet, rule.id, "nothing is sent")
    zones = sorted(available_timezones() | {rule.zone})
    spec["zone"] = st.selectbox(
        LABELS["zone"],
        zones,
        zones.index(rule.zone),
        key=f"zone-{rule.id}",
        help="Whose clock quiet hours, office hours and digests go by.",
    )


def _pills(field: str, options: Sequence[str], now: Sequence[str], words: dict[str, str], id: int) -> list[str]:
    return st.pills(
        LABELS[field],
        options,
        selection_mode="multi",
        default=now,
        format_func=words.__getitem__,
        key=f"{field}-{id}",
    )


def _several(
    field: str,
    known: Iterable[str],
    now: Sequence[str],
    id: int,
    none: str,
    called: dict[str, str] | None = None,
    *,
    is_open: bool = False,
    words: str | None = None,
) -> list[str]:
    """Some of the known ones; what was chosen before and nobody knows any more stays choosable."""
    names = called or {}
    return st.multiselect(
        LABELS[field],
        list(dict.fromkeys([*known, *now])),
        now,
        format_func=lambda one: names.get(one, one),
        key=f"{field}-{id}",
        help=words,
        placeholder=none,
        accept_new_options=is_open,
    )


def _least(field: str, now: int, id: int, words: str) -> int:
    return st.number_input(LABELS[field], min_value=1, value=now, key=f"{field}-{id}", help=words)


def _span(field: str, now: tuple[str, str] | None, id: int, words: str) -> list[str] | None:
    """Two times, or none of both; one alone goes to the rule's own check."""
    first, second = st.columns(2)
    begin, end = now or (None, None)
    since = _time(first, f"{LABELS[field]} from", begin, f"{field}-from-{id}", words)
    until = _time(second, "to", end, f"{field}-to-{id}", None)
    return [f"{one:%H:%M}" for one in (since, until) if one] or None


def _time(place: DeltaGenerator, label: str, now: str | None, key: str, words: str | None) -> time | None:
    """Without a default of the widget's own: only then can it be emptied."""
    st.session_state.setdefault(key, time.fromisoformat(now) if now else None)
    return place.time_input(label, None, key=key, help=words)


def told(fault: Fault) -> str:
    """A fault in the form's own words: `Quiet hours must be two different times`."""
    named = re.sub(r"\b(at_least|min_stories|min_publishers)\b", lambda one: f"“{LABELS[one[0]]}”", fault.mend)
    return f"{LABELS.get(fault.field, fault.field)} {named}"
