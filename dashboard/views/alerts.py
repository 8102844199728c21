"""Alerts: what rings and what rang, by period, rule, scope and state; one of them with all its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape

import streamlit as st

from dashboard import alert_data, data, episode, markup, parts, silencing, telling, undelivered
from monitor.alerts.detector import LEARNING_S
from monitor.store.read_episodes import SeenEpisode, State, Wanted
from monitor.types import Scope

LEARNING = timedelta(seconds=LEARNING_S)
STATES: dict[State | None, str] = {
    None: "Every state",
    "open": "Open",
    "over": "Over",
    "unmarked": "Unmarked",
    "useful": "Useful",
    "noise": "Noise",
}
PERIODS = {"": "Any time", "1d": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days"}
DAYS = {"1d": 1, "7d": 7, "30d": 30, "90d": 90}
PAGE, MOST = 25, 1000
FILTERS = ("state", "period", "rule", "about")
SHOWN = "shown-alert"


def page() -> None:
    st.html("<h1>Alerts</h1>")
    st.session_state.pop(SHOWN, None)
    body()


@parts.by_itself(every="15s")
def body() -> None:
    """All of the page: what opens or grows appears by itself."""
    _learning()
    undelivered.warning()
    scopes = alert_data.scopes_with_episodes()
    if not scopes:
        st.html(markup.empty("No alert has ever rung.", "It will say here what rose, how rare that is, and why."))
        silencing.section()
        return
    wanted = _filters(scopes)
    limit = _limit()
    running = alert_data.wanted_episodes(wanted, over=False, limit=limit)
    past = alert_data.wanted_episodes(wanted, over=True, limit=limit)
    picked = _picked(running[1], past[1])
    with parts.side_by_side(shown_first="episode" in st.query_params) as (listed, shown):
        with listed:
            if wanted.state != "over":
                _list("Open", running, picked, "Nothing rings right now." if wanted == Wanted() else "None of these.")
            silencing.section()
            if wanted.state != "open":
                _list("Over", past, picked, "No alert is over yet." if wanted == Wanted() else "None of these.")
            _more(max(running[0], past[0]), limit)
        with shown:
            if picked is not None:
                episode.show(picked)
            elif "episode" in st.query_params:
                st.html(markup.empty("This alert is not here.", "It may have been removed, or the link is damaged."))
            else:
                st.html(markup.empty("No alert matches.", "Widen the period, or choose another rule, scope or state."))


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


def _filters(scopes: list[str]) -> Wanted:
    """What the list shows; the URL holds it."""
    names = data.company_names()
    rules = {str(one.rule.id): one.rule.name for one in alert_data.rules()}
    abouts = {key: markup.scope_name(key, names) for key in with_wider(scopes)}
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters"):
        state = parts.url_choice("State", "state", {key or "": words for key, words in STATES.items()})
        period = parts.url_choice("Period", "period", PERIODS)
        rule = parts.url_choice("Rule", "rule", {"": "Every rule", **rules})
        about = parts.url_choice("Scope", "about", {"": "Every scope", **_sorted(abouts)})
        if any(one in st.query_params for one in FILTERS) and st.button("Clear", type="tertiary", key="clear"):
            parts.forget_choices(*FILTERS)
            st.rerun()
    return Wanted(
        state=next((key for key in STATES if key == state), None),
        since=parts.minute(data.now() - timedelta(days=DAYS[period])) if period else None,
        rule=int(rule) if rule else None,
        scope=about or None,
    )


def with_wider(scopes: Sequence[str]) -> set[str]:
    """The scopes, and the companies and topics that hold them."""
    rang = [Scope.of(key) for key in scopes]
    return {*scopes, *(Scope(one.company).key for one in rang), *(Scope(None, one.topic).key for one in rang)}


def _sorted(words: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(words.items(), key=lambda pair: pair[1].casefold()))


def _limit() -> int:
    asked = st.query_params.get("show", "")
    return min(MOST, max(PAGE, int(asked))) if asked.isdecimal() else PAGE


def _more(count: int, limit: int) -> None:
    if count > limit and limit < MOST and st.button("Show more", type="tertiary", key="more"):
        st.query_params["show"] = str(limit + PAGE)
        st.rerun()


def _picked(running: list[SeenEpisode], past: list[SeenEpisode]) -> SeenEpisode | None:
    """The one that the URL names, else the rarest open one, else the newest; an open one stays under its reader's eyes
    when a rarer one opens."""
    asked = st.query_params.get("episode")
    if asked is not None:
        return alert_data.episode(asked)
    read = [one for one in running if one.episode.id == st.session_state.get(SHOWN)]
    picked = next(iter((*read, *running, *past)), None)
    st.session_state[SHOWN] = picked and picked.episode.id
    return picked


def _list(words: str, found: tuple[int, list[SeenEpisode]], picked: SeenEpisode | None, none: str) -> None:
    count, rows = found
    kind = "newest" if words == "Over" else "rarest"
    note = str(count or "") if count <= len(rows) else f"the {len(rows)} {kind} of {count}"
    st.html(markup.heading(words, note))
    if not rows:
        st.html(f'<div class="t-quiet">{escape(none)}</div>')
        return
    names, now, zone = data.company_names(), data.now(), parts.zone()
    kept = {name: value for name, value in st.query_params.to_dict().items() if name in (*FILTERS, "show")}
    items = []
    for row in rows:
        one = row.episode
        here = picked is not None and picked.episode.id == one.id
        href = markup.page_link("alerts", {**kept, "episode": one.id})
        mark = row.verdict or ("seen" if row.acknowledged_by else "" if one.phase == "closed" else "new")
        items.append(
            f'<a class="t-pick{" here" if here else ""}{"" if one.phase == "closed" else " live"}" target="_self" '
            f'href="{escape(href, quote=True)}"><b>{escape(markup.scope_name(one.scope, names))}</b>'
            f'<span class="side">{markup.clock(one.since, zone, now)}</span>'
            f'<span class="sub">{escape(telling.counted(one))}, {telling.rarity(one.peak)}</span>'
            f'<span class="side">{mark}</span></a>'
        )
    st.html("".join(items))
