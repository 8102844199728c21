"""The Overview: how the news stands, what moved against its own normal, what rings, what comes in. Shows only."""

from __future__ import annotations

import streamlit as st

from dashboard import alert_data, chosen, data, health, markup, parts, telling
from dashboard.filters import View, movers_window, params
from dashboard.heat import heat
from dashboard.markup import Kpi
from dashboard.usual import LEAST_WEEKS, WEEKS, movers
from monitor.store.read_episodes import SeenEpisode, Wanted
from monitor.store.reads import WEEK, Service

MOVERS = 9
STRIP = 14
STRIP_ALERTS = 4


def page() -> None:
    view = parts.filters("Overview")
    parts.model_in_service()
    alert_strip()
    main, side = st.columns([2.15, 1], gap="large")
    with main:
        trends(view)
    with side:
        movers_now(view)
        st.html(markup.heading("Coming in", "every 5 s"))
        live(view)


@parts.by_itself(every="30s")
def trends(view: View) -> None:
    """Figures, trend, the chosen stories, topics over time."""
    service, view = parts.model_in_service(), parts.current(view)
    kpis = st.empty()
    shown = parts.pulse(service, "all", view, "overview")
    if shown is not None:
        kpis.html(markup.kpi_line([*parts.figures(service, view, shown, "all"), *_state()]))
        chosen.behind(service, view)
        _heat(service, view)


@parts.by_itself(every="5s")
def alert_strip() -> None:
    """What rings now, one line each; this part runs again by itself."""
    count, rarest = _open_alerts()
    if not rarest:
        return
    names, zone, now = data.company_names(), parts.zone(), data.now()
    st.html("".join(telling.alert_line(seen, names, zone, now) for seen in rarest))
    if count > len(rarest):
        st.html(f'<div class="t-note">{markup.link("More alerts are open", "alerts")}</div>')


def _open_alerts() -> tuple[int, list[SeenEpisode]]:
    """How many, and the rarest of them."""
    return alert_data.wanted_episodes(Wanted(), over=False, limit=STRIP_ALERTS)


def _state() -> list[Kpi]:
    """What rings, and whether the sources speak: a silent feed is told, not hidden."""
    feeds = health.judge(data.feeds(), data.silent(), data.now())
    good = sum(one.state == "ok" for one in feeds)
    running, _ = _open_alerts()
    bad = [f"{count} {state}" for state in ("failing", "late") if (count := sum(one.state == state for one in feeds))]
    return [
        Kpi("Open alerts", str(running), "none rings" if not running else "ringing now", href="alerts"),
        Kpi("Feeds", f"{good} of {len(feeds)}", ", ".join(bad) or "speaking", "warn" if bad else "", "feeds"),
    ]


def _heat(service: Service, view: View) -> None:
    cells = data.topic_cells(service.model, view)
    st.html(markup.heading("Topics over time", "colour: net sentiment, faint where there are few stories"))
    figure = heat(cells, view, parts.palette(), chosen.chosen())
    chosen.selectable(figure, "heat", alt="Net sentiment of each topic over time")


@parts.by_itself(every="60s")
def movers_now(view: View) -> None:
    """What differs most from its own usual."""
    service = parts.model_in_service()
    window = movers_window(parts.current(view))
    stretch = f", last {window.length.days} days" if window.length < view.grain.length else ""
    st.html(markup.heading("Biggest movers", f"negative stories against their own usual{stretch}"))
    begins = data.begins(service.model)
    weeks = tuple(ago for ago in WEEKS if begins is not None and window.since - ago * WEEK >= begins)
    if len(weeks) < LEAST_WEEKS:
        st.html(markup.empty("Still learning.", "Two weeks of history are needed before this window."))
        return
    spans = data.moving(service.model, parts.current(view), weeks)
    if not spans:
        st.html(markup.empty("No news in this window."))
        return
    moved = movers(spans, len(weeks))[:MOVERS]
    if not moved:
        st.html(markup.empty("Nothing moved.", "Every topic and company is within its usual."))
        return
    names, links = data.company_names(), params(view)
    most = max(row.now.total for row in moved)
    st.html(
        markup.table(
            [("", "wide"), ("neg.", "n"), ("usual", "n mut"), ("stories", "")],
            [
                (
                    markup.link(markup.scope_name(row.now.scope, names), markup.scope_link(row.now.scope, links)),
                    f'<span class="{"t-neg" if row.surprise > 0 else "t-pos"}">{row.now.negative}</span>',
                    f"{row.expected:.1f}",
                    markup.split_bar(
                        row.now.negative,
                        row.now.total - row.now.negative - row.now.positive,
                        row.now.positive,
                        most,
                        width=84,
                    ),
                )
                for row in moved
            ],
        )
    )


@parts.by_itself(every="5s")
def live(view: View) -> None:
    """The newest labelled articles; this part alone runs again by itself."""
    rows = data.latest(parts.model_in_service().model, view.kinds, STRIP)
    if not rows:
        st.html(markup.empty("Nothing yet.", "The first labelled article appears here."))
        return
    st.html(markup.news_list(rows, view.zone, data.now(), params(view)))
