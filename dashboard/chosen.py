"""From a point of a chart to its stories: the click, the URL that keeps it, the list. Draws; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import data, drawing, markup
from dashboard.filters import Chosen, View, chosen_of, params
from monitor.alerts.rules import Rule
from monitor.store.reads import Service
from monitor.types import Kind, Sentiment

PAGE = 25
LONGEST_PAGE = 4
"""Digits of a page's number."""
SENTIMENT_CHOICES: dict[str, Sentiment | None] = {
    "Any": None,
    "Negative": "negative",
    "Neutral": "neutral",
    "Positive": "positive",
}


def selectable(figure: Any, key: str, alt: str) -> None:
    """A chart whose clicks and drags put the chosen stretch into the URL."""
    turn = st.session_state.get("turn", 0)
    name = f"{key}-{turn}"

    def choose() -> None:
        picked = chosen_points(st.session_state[name].selection.points)
        if picked is None:
            forget("from", "to", "scope", "page", "sentiment")
        else:
            forget("page")
            st.query_params.update(picked.to_params())

    st.plotly_chart(
        figure, key=name, on_select=choose, selection_mode="points", theme=None, config=drawing.CONFIG, alt=alt
    )


def chosen_points(points: Sequence[Mapping[str, Any]]) -> Chosen | None:
    """The stretch that the selected marks cover; None where nothing is selected."""
    marks = [point["customdata"] for point in points if point.get("customdata")]
    if not marks:
        return None
    return chosen_of({"scope": marks[0][0], "from": min(m[1] for m in marks), "to": max(m[2] for m in marks)})


def chosen() -> Chosen | None:
    return chosen_of(st.query_params.to_dict())


def forget(*names: str) -> None:
    for name in names:
        if name in st.query_params:
            del st.query_params[name]


def behind(service: Service, view: View, kinds: tuple[Kind, ...] | None = None, rule: Rule | None = None) -> None:
    """The stories behind the chosen point, where one is chosen; of the view's kinds, or of those that were charted."""
    picked = chosen()
    if picked is None:
        return
    names = data.company_names()
    start, end = picked.since.astimezone(view.zone), picked.until.astimezone(view.zone)
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%-d %b %H:%M}"
    with st.container(key="behind"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(
                markup.heading(
                    f"{markup.scope_name(picked.scope, names)}, {start:%-d %b %H:%M} to {last}", view.zone_name
                ),
                width="content",
            )
            st.space("stretch")
            sentiment = _sentiment_choice()
            if st.button("Close", type="tertiary", key="close-behind"):
                forget("from", "to", "scope", "page")
                st.session_state["turn"] = st.session_state.get("turn", 0) + 1
                st.rerun()
        story_list(service, picked, view, sentiment, kinds, rule)


def _sentiment_choice() -> Sentiment | None:
    choice = st.segmented_control(
        "Sentiment",
        list(SENTIMENT_CHOICES),
        default="Any",
        required=True,
        key="sentiment",
        bind="query-params",
        label_visibility="collapsed",
    )
    return SENTIMENT_CHOICES[choice]


def story_list(
    service: Service,
    picked: Chosen,
    view: View,
    sentiment: Sentiment | None,
    kinds: tuple[Kind, ...] | None = None,
    rule: Rule | None = None,
) -> None:
    """One page of stories, the newest first, with a way to the next where there is more."""
    asked = st.query_params.get("page", "0")
    page = int(asked) if asked.isdecimal() and len(asked) <= LONGEST_PAGE else 0
    rows = data.stories(
        service.model,
        picked.scope,
        kinds or view.kinds,
        picked.since,
        picked.until,
        sentiment,
        "newest",
        PAGE + 1,
        page * PAGE,
        rule,
    )
    if not rows and page:  # another filter has fewer
        forget("page")
        st.rerun()
    if not rows:
        st.html(markup.empty("No such stories here.", "Choose another stretch, kind or sentiment."))
        return
    here = st.query_params.to_dict()
    st.html(markup.news_list(rows[:PAGE], view.zone, data.now(), params(view), here=here))
    if page or len(rows) > PAGE:
        _pager(page, len(rows) > PAGE)


def _pager(page: int, has_more: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if page and st.button("Newer", type="tertiary"):
            st.query_params["page"] = str(page - 1)
            st.rerun()
        if has_more and st.button("Older", type="tertiary"):
            st.query_params["page"] = str(page + 1)
            st.rerun()
