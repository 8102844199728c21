"""A rule tried on the past, as a reader sees it: one sentence, the chart, each alarm with its headlines. Draws only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import charts, data, drawing, markup, parts, telling
from dashboard.filters import ANY_KIND, WindowName, stamp, view_of
from monitor.alerts.episodes import Episode, Evidence
from monitor.alerts.hours import told_at
from monitor.alerts.message import ranked
from monitor.alerts.past import LEAST_PAST, Trial
from monitor.alerts.rules import Rule
from monitor.backtest_command import verdict
from monitor.markets import exchange
from monitor.types import Scope

SHOWN = 40
HEADLINES = 3


def show(rule: Rule, trial: Trial, window: WindowName) -> None:
    """All of it."""
    said = verdict(trial)
    st.html(f'<div class="t-verdict"><b>{escape(rule.name)}</b> {escape(said)}</div>{markup.note(rates(rule, trial))}')
    _chart(rule, trial, window)
    if not trial.episodes:
        st.html(markup.empty("It would have been silent.", "Lower the bar or widen what it looks at, or be content."))
        return
    groups = incidents(trial.episodes)
    st.html(markup.heading("What it would have told", f"{len(groups)}, newest first"))
    names, zone, now = data.company_names(), parts.zone(), data.now()
    st.html("".join(_alarm(rule, trial, one, names, zone, now) for one in groups[:SHOWN]))
    if len(groups) > SHOWN:
        st.html(markup.note(f"The {SHOWN} newest of {len(groups)}."))


def rates(rule: Rule, trial: Trial) -> str:
    """`0.2 false alarms a week on that past, where you allow 1.`"""
    rate = f"{trial.rate:.2g} false alarm{'' if trial.rate == 1 else 's'} a week on that past"
    if rule.budget is not None:
        rate += f", where you allow {rule.budget:g}"
    words = [f"{rate}.", "What was marked useful is not false."]
    if not trial.is_measured:
        days = round(LEAST_PAST / timedelta(days=1))
        words[1] = f"That is too little past to set the bar by: it is set once there are {days} days."
    if rule.inhibited_by:
        words.append(f"Times at which {' or '.join(rule.inhibited_by)} would have silenced it are counted, too.")
    return " ".join(words)


def incidents(episodes: Sequence[Episode]) -> list[list[Episode]]:
    """Episodes that are one event together, the rarest first; the newest event first."""
    groups: dict[str, list[Episode]] = {}
    for one in episodes:
        groups.setdefault(one.incident, []).append(one)
    for group in groups.values():
        group.sort(key=lambda one: -one.peak)
    return sorted(groups.values(), key=lambda group: group[0].detected, reverse=True)


def _chart(rule: Rule, trial: Trial, window: WindowName) -> None:
    service = data.service()
    if service is None:
        return
    view = view_of(window, ANY_KIND, parts.zone_name(), data.now())
    scope = charted(rule)
    table = charts.frame(data.points(service.model, scope, view, rule.kinds), view.since, view.until, view.grain.step)
    of = "All" if scope == "all" else f"{markup.scope_name(scope, data.company_names())}:"
    st.html(markup.heading(f"{of} {rule.sentiment} stories", "a mark where it would have rung"))
    figure = charts.rung(table, view, parts.palette(), trial, data.company_names(), rule.sentiment)
    start = max(view.since, view.until - timedelta(weeks=trial.weeks))
    figure.update_xaxes(range=drawing.local(drawing.utc([start, view.until]), view.zone))
    st.plotly_chart(figure, key=f"rung-{rule.id}", theme=None, config=drawing.CONFIG, alt="When it would have rung")


def charted(rule: Rule) -> str:
    """What the chart counts: the one company or topic that the rule is about; all news where it is about more."""
    companies, topics = {*rule.companies, *rule.listed}, rule.topics
    if len(companies) > 1 or (not companies and len(topics) > 1):
        return "all"
    return Scope(next(iter(companies), None), topics[0] if len(topics) == 1 else None).key


def _alarm(
    rule: Rule, trial: Trial, group: Sequence[Episode], names: Mapping[str, str], zone: ZoneInfo, now: datetime
) -> str:
    one = group[0]
    until = stamp((one.ended or one.detected) + timedelta(minutes=5))
    where = {"scope": one.scope, "from": stamp(one.since), "to": until, "until": until}
    facts = [telling.counted(one), f"{telling.rarity(one.peak)} by chance"]
    if one.ended:
        facts.append(f"lasted {markup.duration(one.ended - one.since)}")
    if len(group) > 1:
        facts.append("with it: " + ", ".join(markup.scope_name(each.scope, names) for each in group[1:4]))
    said = trial.marks.get(one.incident)
    mark = "" if said is None else f'<span class="t-chip">you marked it {"useful" if said else "noise"}</span>'
    stories = {story.story: story for each in group for story in trial.stories.get(each.id, ())}
    return (
        f'<div class="t-alarm"><div class="when">{markup.clock(one.detected, zone, now)}</div><div>'
        f"<b>{markup.link(markup.scope_name(one.scope, names), markup.scope_link(one.scope, where))}</b> {mark}"
        f'<div class="sub">{escape("; ".join(facts))}{_held(rule, one, zone, now)}</div>'
        f"{_headlines(ranked(tuple(stories.values())))}</div></div>"
    )


def _held(rule: Rule, one: Episode, zone: ZoneInfo, now: datetime) -> str:
    """When its readers would have heard of it, where that is later."""
    exchanges = {rule.market: exchange(rule.market)} if rule.market else {}
    at = told_at(rule, one.opened_at, exchanges)
    return "" if at is None or at <= one.opened_at else f"; told {markup.clock(at, zone, now)}"


def _headlines(stories: Sequence[Evidence]) -> str:
    lines = "".join(
        f'<div class="line">{markup.outward(one.title, one.url)} <span class="mut">{escape(one.publisher)}</span></div>'
        for one in stories[:HEADLINES]
    )
    more = len(stories) - HEADLINES
    return lines + (f'<div class="line mut">and {more} more</div>' if more > 0 else "")
