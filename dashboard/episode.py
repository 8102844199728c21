"""One alert with all its evidence: chart, stories, why it rang, who was told; and what to do with it.

Writes only through acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import acts, alert_data, charts, chosen, data, markup, parts, silencing, telling
from dashboard.filters import ANY_KIND, GRAINS, View, WindowName, stamp, view_of
from dashboard.usual import usual
from monitor.alerts import message
from monitor.alerts.episodes import Episode
from monitor.alerts.rules import Rule, narrows_stories
from monitor.store.read_delivery import Held
from monitor.store.read_episodes import SeenEpisode, Told
from monitor.types import Scope

STORIES = 40
WINDOWS: tuple[tuple[timedelta, WindowName], ...] = (
    (timedelta(hours=12), "3d"),
    (timedelta(days=3), "7d"),
    (timedelta(days=14), "30d"),
)
"""An alert that lasted at most so long -> the window of its chart: most of it shows the days before."""
LONGEST: WindowName = "90d"


def show(seen: SeenEpisode) -> None:
    one = seen.episode
    names = data.company_names()
    chip = f'<span class="t-chip{"" if one.phase == "closed" else " bad"}">{telling.PHASES[one.phase]}</span>'
    st.html(f"<h2 class='t-title'>{escape(telling.headline(one, names))} {chip}</h2>")
    _buttons(seen)
    rule = _counted_by(one)
    _chart(one, rule)
    service = data.service()
    if service is not None and chosen.chosen():
        chosen.behind(service._replace(model=one.model), _view(one), one.kinds, rule)  # what the bars count
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        _stories(one)
    with right:
        st.html(markup.heading("Why it rang"))
        st.html(markup.facts(_facts(seen, names)))
        _publishers(one)


def _facts(seen: SeenEpisode, names: Mapping[str, str]) -> list[tuple[str, str]]:
    one, zone, now = seen.episode, parts.zone(), data.now()
    rows = [
        ("What rose", escape(telling.why(one))),
        ("How rare", escape(message.rarity(one.peak))),
        ("Since", markup.clock(one.since, zone, now)),
        ("Noticed", f"{markup.clock(one.opened_at, zone, now)}, {markup.duration(one.opened_at - one.since)} later"),
    ]
    if one.ended:
        rows.append(("Over", markup.clock(one.ended, zone, now)))
    rows.append(("Publishers", f"{one.publishers} independent"))
    rows.append(("Data", f'<span class="{"t-warn" if one.missing else ""}">{escape(telling.completeness(one))}</span>'))
    if one.also:
        also = [markup.link(markup.scope_name(key, names), markup.scope_link(key, {})) for key in one.also]
        rows.append(("Also rising", ", ".join(also)))
    rows.append(("Rule", escape(seen.rule or "removed since")))
    rows += [("Told", _told(told, zone, now)) for told in alert_data.told(one.id)]
    rows += [("Waits", _waits(held, zone, now)) for held in alert_data.waiting(one.id)]
    for said in alert_data.verdicts(one.id):
        note = f": {escape(said.note)}" if said.note else ""
        rows.append((said.verdict.title(), f"{escape(said.who)}, {markup.clock(said.at, zone, now)}{note}"))
    return rows


def _told(told: Told, zone: ZoneInfo, now: datetime) -> str:
    fate = ""
    if told.gave_up_at and not told.sent_at:
        fate = f' <span class="t-warn">given up: {escape(told.error or "not received")}</span>'
    elif told.error and not told.sent_at:
        fate = f' <span class="t-warn">not yet received: {escape(told.error)}</span>'
    return f"{escape(told.channel or 'nobody')}, {escape(told.reason)}, {markup.clock(told.at, zone, now)}{fate}"


def _waits(held: Held, zone: ZoneInfo, now: datetime) -> str:
    until = f"until {markup.clock(held.until, zone, now)}" if held.until > now else "about to be told"
    return f"{escape(held.channel or 'its readers')}, {escape(held.reason)}: {escape(held.why)}, {until}"


def view_around(one: Episode, now: datetime, zone_name: str) -> View:
    """The stretch that shows an episode, some of what followed, and days of what came before."""
    length = (one.ended or now) - one.since
    window = next((window for most, window in WINDOWS if length <= most), LONGEST)
    end = min(now, one.ended + GRAINS[window].length / 10) if one.ended else now
    return view_of(window, ANY_KIND, zone_name, now, end)


def _view(one: Episode) -> View:
    return view_around(one, data.now(), parts.zone().key)


def _counted_by(one: Episode) -> Rule | None:
    """The rule by which an alert's stories are looked at one by one; None where the scope's counts must do.

    These hold what the rule does not ask for, and twice what two kinds tell; but a wide scope's stories are too many.
    """
    stored = next((each.rule for each in alert_data.rules() if each.rule.id == one.rule), Rule())
    is_quick = narrows_stories(stored) or Scope.of(one.scope).company is not None
    return replace(stored, kinds=one.kinds) if is_quick else None


def _chart(one: Episode, rule: Rule | None) -> None:
    view, asked = _view(one), (one.kinds, rule)
    step = view.grain.step
    table = charts.frame(data.points(one.model, one.scope, view, *asked), view.since, view.until, step)
    start = view.since - timedelta(days=29)
    past = charts.frame(data.history(one.model, one.scope, view, *asked), start, view.until, step)
    normal = usual(past, charts.steps(table), step, data.begins(one.model))
    note = "shaded: this alert" + (
        "; dotted: usual at that hour" if normal else "; what is usual is still being learned"
    )
    st.html(markup.heading(f"{one.sentiment.title()} stories per {_words(step)}", note))
    figure = charts.surge(table, normal, view, parts.palette(), one, chosen.chosen())
    chosen.selectable(figure, "surge", alt=f"{one.sentiment} stories, seen and expected")


def _words(step: timedelta) -> str:
    return {timedelta(minutes=30): "half hour", timedelta(days=1): "day"}.get(
        step, f"{step // timedelta(hours=1)} hours"
    )


def _stories(one: Episode) -> None:
    count, articles = alert_data.evidence(one.id, STORIES)
    st.html(markup.heading("Stories behind it", f"{markup.number(count)}, newest first"))
    rows = data.named_articles(one.model, tuple(articles))
    if not rows:
        st.html(markup.empty("No story was kept."))
        return
    here = st.query_params.to_dict()
    st.html(markup.news_list(rows, parts.zone(), data.now(), {}, here=here))
    if count > STORIES:
        until = stamp(one.ended or data.now())
        chosen_stretch = {"scope": one.scope, "from": stamp(one.since), "to": until}
        href = markup.scope_link(one.scope, {**chosen_stretch, "until": until if one.ended else None})
        more = markup.number(count - STORIES)
        st.html(f'<div class="t-note">{more} more, {markup.link("here they are", href)}</div>')


def _publishers(one: Episode) -> None:
    told = alert_data.publishers(one.id)
    if not told:
        return
    st.html(markup.heading("Who tells it", "stories each"))
    most = told[0][1]
    rows = [(escape(name), markup.split_bar(count, 0, 0, most, 70), str(count)) for name, count in told[:12]]
    st.html(markup.table([("", "wide"), ("", ""), ("", "n")], rows))


def _buttons(seen: SeenEpisode) -> None:
    """Each is this alert's own by its key: a click never lands on another that is shown by the time it arrives."""
    one = seen.episode
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if seen.acknowledged_by is None and st.button("Acknowledge", type="primary", key=f"acknowledge-{one.id}"):
            parts.act(lambda: acts.judge(one.id, "acknowledged"))
        if st.button("Useful", key=f"useful-{one.id}", disabled=seen.verdict == "useful"):
            parts.act(lambda: acts.judge(one.id, "useful"))
        if st.button("Noise", key=f"noise-{one.id}", disabled=seen.verdict == "noise"):
            parts.act(lambda: acts.judge(one.id, "noise"))
        with st.popover("Silence"):
            silencing.form_for(one)
        st.space("stretch")
        until = stamp(_view(one).until) if one.ended else None
        href = markup.scope_link(one.scope, {"window": "7d", "until": until})
        st.html(f'<span class="t-note">{markup.link("Open the trend", href)}</span>', width="content")
