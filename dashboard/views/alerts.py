"""Alerts: what rings and what rang, with all its evidence; acknowledge, judge, silence. Writes only through acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from html import escape
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import acts, charts, chosen, data, markup, parts, telling
from dashboard.filters import ANY_KIND, View, WindowName, stamp, view_of
from dashboard.usual import usual
from monitor.alerts import message
from monitor.alerts.detector import LEARNING_S
from monitor.alerts.episodes import Episode
from monitor.errors import TocsinError
from monitor.store.read_episodes import SeenEpisode, Told
from monitor.types import Scope

STORIES = 40
LEARNING = timedelta(seconds=LEARNING_S)
SILENCES = {
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "1 week": timedelta(weeks=1),
}


def page() -> None:
    st.html("<h1>Alerts</h1>")
    body()


@parts.by_itself(every="15s")
def body() -> None:
    """All of the page: what opens or grows appears by itself."""
    _learning()
    running, past = data.running_episodes(), data.past_episodes()
    if not running and not past:
        st.html(markup.empty("No alert has ever rung.", "It will say here what rose, how rare that is, and why."))
        return
    listed, shown = st.columns([1, 2.1], gap="large")
    picked = _picked(running, past)
    with listed:
        _list("Open", running, picked, "Nothing rings right now.")
        _list("Past", past, picked, "No episode is over yet.")
        _silences()
    with shown:
        if picked is None:
            st.html(markup.empty("This alert is not here.", "It may have been removed, or the link is damaged."))
        else:
            _episode(picked)


def _learning() -> None:
    """Said while nothing can ring yet, so that nobody takes an empty page for calm."""
    service = data.service()
    begins = data.begins(service.model) if service else None
    left = begins + LEARNING - data.now() if begins else LEARNING
    if left > timedelta(0):
        days = -(-left // timedelta(days=1))
        words = (
            f"{days} day{'s' if days > 1 else ''} of news to go before an alert can ring; fixed levels ring already."
        )
        st.html(markup.empty("Learning what is usual.", words))


def _picked(running: Sequence[SeenEpisode], past: Sequence[SeenEpisode]) -> SeenEpisode | None:
    """The one that the URL names, else the rarest open one, else the newest."""
    asked = st.query_params.get("episode")
    if asked is None:
        return (*running, *past)[0]
    return data.episode(asked)


def _list(words: str, rows: Sequence[SeenEpisode], picked: SeenEpisode | None, none: str) -> None:
    st.html(markup.heading(words, str(len(rows)) if rows else ""))
    if not rows:
        st.html(f'<div class="t-quiet">{escape(none)}</div>')
        return
    names, now, zone = data.company_names(), data.now(), parts.zone()
    items = []
    for row in rows:
        one = row.episode
        here = picked is not None and picked.episode.id == one.id
        href = markup.page_link("alerts", {"episode": one.id})
        mark = {"useful": "useful", "noise": "noise"}.get(row.verdict or "", "seen" if row.acknowledged_by else "new")
        items.append(
            f'<a class="t-pick{" here" if here else ""}{"" if one.phase == "closed" else " live"}" target="_self" '
            f'href="{escape(href, quote=True)}"><b>{escape(markup.scope_name(one.scope, names))}</b>'
            f'<span class="side">{markup.clock(one.since, zone, now)}</span>'
            f'<span class="sub">{escape(telling.counted(one))}, {telling.rarity(one.peak)}</span>'
            f'<span class="side">{mark if mark != "new" or one.phase != "closed" else ""}</span></a>'
        )
    st.html("".join(items))


def _episode(seen: SeenEpisode) -> None:
    one = seen.episode
    names = data.company_names()
    chip = f'<span class="t-chip{"" if one.phase == "closed" else " bad"}">{telling.PHASES[one.phase]}</span>'
    st.html(f"<h2 class='t-title'>{escape(telling.headline(one, names))} {chip}</h2>")
    _buttons(seen)
    _chart(one)
    service = data.service()
    if service is not None and chosen.chosen():
        chosen.behind(service, _view(one))
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
    rows += [("Told", _told(told, zone, now)) for told in data.told(one.id)]
    for said in data.verdicts(one.id):
        note = f": {escape(said.note)}" if said.note else ""
        rows.append((said.verdict.title(), f"{escape(said.who)}, {markup.clock(said.at, zone, now)}{note}"))
    return rows


def _told(told: Told, zone: ZoneInfo, now: datetime) -> str:
    fate = ""
    if told.error and not told.sent_at:
        fate = f' <span class="t-warn">not yet received: {escape(told.error)}</span>'
    return f"{escape(told.channel or 'nobody')}, {escape(told.reason)}, {markup.clock(told.at, zone, now)}{fate}"


def _view(one: Episode) -> View:
    """A stretch several times as long as the episode, which ends with it."""
    now = data.now()
    end = min(now, one.ended + timedelta(hours=3)) if one.ended else now
    length = end - one.since
    window: WindowName = "6h" if length < timedelta(hours=3) else "24h" if length < timedelta(hours=20) else "7d"
    return view_of(window, ANY_KIND, parts.zone().key, now, end)


def _chart(one: Episode) -> None:
    view = _view(one)
    table = charts.frame(data.points(one.model, one.scope, view, one.kinds), view.since, view.until, view.grain.step)
    start = view.since - timedelta(days=29)
    past = charts.frame(data.history(one.model, one.scope, view, one.kinds), start, view.until, view.grain.step)
    normal = usual(past, charts.steps(table), view.grain.step, data.begins(one.model))
    st.html(markup.heading(f"{one.sentiment.title()} stories", "shaded: the episode; dotted: usual at that hour"))
    figure = charts.surge(table, normal, view, parts.palette(), one, chosen.chosen())
    chosen.selectable(figure, "surge", alt=f"{one.sentiment} stories, seen and expected")


def _stories(one: Episode) -> None:
    articles = data.evidence(one.id)
    st.html(markup.heading("Stories behind it", f"{len(articles)}, newest first"))
    rows = data.named_articles(one.model, tuple(articles[:STORIES]))
    if not rows:
        st.html(markup.empty("No story was kept."))
        return
    here = st.query_params.to_dict()
    st.html(markup.news_list(rows, parts.zone(), data.now(), {}, here=here))
    if len(articles) > STORIES:
        since, until = stamp(one.since), stamp(one.ended or data.now())
        href = markup.scope_link(one.scope, {"scope": one.scope, "from": since, "to": until})
        st.html(f'<div class="t-note">{len(articles) - STORIES} more, {markup.link("here they are", href)}</div>')


def _publishers(one: Episode) -> None:
    told = data.publishers(one.id)
    if not told:
        return
    st.html(markup.heading("Who tells it", "stories each"))
    most = told[0][1]
    rows = [(escape(name), markup.split_bar(count, 0, 0, most, 70), str(count)) for name, count in told[:12]]
    st.html(markup.table([("", "wide"), ("", ""), ("", "n")], rows))


def _buttons(seen: SeenEpisode) -> None:
    one = seen.episode
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if seen.acknowledged_by is None and st.button("Acknowledge", type="primary", key="acknowledge"):
            _do(lambda: acts.judge(one.id, "acknowledged"))
        if st.button("Useful", key="useful", disabled=seen.verdict == "useful"):
            _do(lambda: acts.judge(one.id, "useful"))
        if st.button("Noise", key="noise", disabled=seen.verdict == "noise"):
            _do(lambda: acts.judge(one.id, "noise"))
        with st.popover("Silence"):
            _silence_form(one)
        st.space("stretch")
        href = markup.scope_link(one.scope, {"window": "7d"})
        st.html(f'<span class="t-note">{markup.link("Open the trend", href)}</span>', width="content")


def _silence_form(one: Episode) -> None:
    """Silences this scope for a while: it still opens and closes, nobody is told."""
    scopes = {one.scope: markup.scope_name(one.scope, data.company_names())}
    company = Scope.of(one.scope).company
    if company and Scope.of(one.scope).topic:
        scopes[Scope(company=company).key] = markup.scope_name(Scope(company=company).key, data.company_names())
    with st.form("silence", border=False):
        scope = st.selectbox("What", list(scopes), format_func=scopes.__getitem__)
        length = st.selectbox("How long", list(SILENCES), index=1)
        comment = st.text_input("Why", max_chars=200)
        if st.form_submit_button("Silence") and scope and length:
            _do(lambda: acts.silence(scope, SILENCES[length], comment))


def _silences() -> None:
    rows = data.silences()
    if not rows:
        return
    st.html(markup.heading("Silenced", "alerts are kept, nobody is told"))
    names, zone, now = data.company_names(), parts.zone(), data.now()
    for row in rows:
        with st.container(horizontal=True, vertical_alignment="center"):
            why = f": {escape(row.comment)}" if row.comment else ""
            st.html(
                f'<span class="t-note"><b>{escape(markup.scope_name(row.scope, names))}</b> until '
                f"{markup.clock(row.ends, zone, now)} by {escape(row.who)}{why}</span>",
                width="content",
            )
            if st.button("End", key=f"end-{row.id}", type="tertiary"):
                _do(partial(acts.end_silence, row.id))


def _do(act: Callable[[], None]) -> None:
    """Do it, show it."""
    try:
        act()
    except TocsinError as error:
        st.html(markup.empty("That was not saved.", str(error)))
        return
    st.rerun()
