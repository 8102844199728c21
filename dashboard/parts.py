"""What several pages show: frame, filters, the pulse chart, the stories behind a point. Draws; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from html import escape
from typing import Any, Literal, ParamSpec
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboard import charts, data, drawing, markup
from dashboard.filters import (
    ANY_KIND,
    DEFAULT_WINDOW,
    GRAINS,
    KIND_CHOICES,
    Chosen,
    View,
    chosen_of,
    moment,
    stamp,
    view_of,
)
from dashboard.markup import Kpi
from dashboard.theme import PALETTES, Palette
from dashboard.usual import Usual, days_to_go, usual
from monitor.errors import TocsinError
from monitor.store.read_stories import Headline
from monitor.store.reads import Service
from monitor.types import Sentiment

P = ParamSpec("P")
PAGE = 25
SENTIMENT_CHOICES: dict[str, Sentiment | None] = {
    "Any": None,
    "Negative": "negative",
    "Neutral": "neutral",
    "Positive": "positive",
}


def palette() -> Palette:
    return PALETTES["dark" if st.context.theme.type == "dark" else "light"]


def zone_name() -> str:
    """The reader's time zone, as the browser says; UTC where it doesn't."""
    name = st.context.timezone or "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def zone() -> ZoneInfo:
    return ZoneInfo(zone_name())


def filters(title: str, picker: Callable[[], None] | None = None) -> View:
    """Title, picker and filters on one line; both filters live in the URL and follow from page to page."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(f"<h1>{escape(title)}</h1>", width="content")
        if picker:
            picker()
        st.space("stretch")
        window = st.segmented_control(
            "Window",
            list(GRAINS),
            default=DEFAULT_WINDOW,
            required=True,
            key="window",
            bind="query-params",
            label_visibility="collapsed",
        )
        kind = st.segmented_control(
            "Kind",
            list(KIND_CHOICES),
            default=ANY_KIND,
            required=True,
            key="kind",
            bind="query-params",
            label_visibility="collapsed",
        )
    view = view_of(window, kind, zone_name(), data.now(), moment(st.query_params.get("until")))
    if not view.is_live:
        _say_fixed(view)
    return view


def current(view: View) -> View:
    """The same filters, ending now: a part that runs again by itself moves on with the clock."""
    return view_of(view.window, view.kind, view.zone_name, data.now()) if view.is_live else view


def by_itself(every: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A part of a page that runs again by itself; what fails there becomes a sentence there, and is tried again."""

    def decorate(show: Callable[P, None]) -> Callable[P, None]:
        @st.fragment(run_every=every)
        @wraps(show)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                show(*args, **kwargs)
            except TocsinError as error:
                st.html(markup.empty("This can't be shown right now.", str(error)))

        return guarded

    return decorate


def _say_fixed(view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f'<span class="t-chip late">Showing the {view.grain.words} to '
            f"{view.until.astimezone(view.zone):%-d %b %Y %H:%M}</span>",
            width="content",
        )
        if st.button("Back to now", type="tertiary"):
            forget("until", "from", "to", "scope")
            st.rerun()


def params(view: View) -> dict[str, str | None]:
    """The filters as URL parameters, for links to other pages; defaults are left out."""
    return {
        "window": view.window if view.window != DEFAULT_WINDOW else None,
        "kind": view.kind if view.kind != ANY_KIND else None,
        "until": None if view.is_live else stamp(view.until),
    }


def model_in_service() -> Service:
    """The model whose counts are shown; stops the page with a word where there is none yet."""
    found = data.service()
    if found is None:
        st.html(
            markup.empty(
                "No model is in service yet.",
                "Start a worker (`tocsin up`, or `tocsin worker`): it registers the shipped model, then charts fill.",
            )
        )
        st.stop()
    return found


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the pulse chart showed, for the figures beside it."""

    total: int
    negative: int
    positive: int
    score_sum: float
    usual: Usual | None


def pulse(service: Service, scope: str, view: View, key: str) -> Pulse | None:
    """The chart of one scope; None (and a word instead) where the window holds no news."""
    points = data.points(service.model, scope, view)
    if not points:
        no_news(service, view)
        return None
    table = charts.frame(points, view.since, view.until, view.grain.step)
    begins = data.begins(service.model)
    past = charts.frame(
        data.history(service.model, scope, view), view.since - timedelta(days=29), view.until, view.grain.step
    )
    normal = usual(past, charts.steps(table), view.grain.step, begins)
    figure = charts.pulse(table, normal, view, palette(), scope, chosen())
    note = "click a moment for its stories"
    if normal is None:
        days = days_to_go(begins, view.since)
        note = f"learning what is usual, {days} {'day' if days == 1 else 'days'} of history to go"
    st.html(markup.heading("Net sentiment and stories", note) + markup.legend(usual=normal is not None))
    selectable(figure, key, alt=f"Net sentiment and number of stories over {view.grain.words}")
    sums = table.sum()
    return Pulse(int(sums.total), int(sums.negative), int(sums.positive), float(sums.score_sum), normal)


def figures(service: Service, view: View, shown: Pulse, scope: str) -> list[Kpi]:
    """The line of figures above a pulse chart, each beside what is usual."""
    before = data.before(service.model, scope, view)
    usual_total = sum(span.total for span in before) / len(before) if before else None
    usual_share = sum(s.negative for s in before) / max(1, sum(s.total for s in before)) if before else None
    share = shown.negative / max(1, shown.total)
    net = shown.score_sum / max(1, shown.total)
    tone = "neg" if net < -0.05 else "pos" if net > 0.05 else ""
    return [
        Kpi("Stories", markup.number(shown.total), f"usually {markup.number(usual_total)}" if usual_total else ""),
        Kpi("Negative", f"{share:.0%}", f"usually {usual_share:.0%}" if usual_share is not None else ""),
        Kpi("Net sentiment", markup.signed(net), "from −1 to +1", tone),
    ]


def no_news(service: Service, view: View) -> None:
    st.html(markup.empty("No news in this window.", f"Nothing was counted in these {view.grain.words}."))
    newest = data.newest(service.model)
    if newest is not None and (newest < view.since or newest > view.until):
        local = newest.astimezone(view.zone)
        if st.button(f"Go to the newest news, {local:%-d %b %Y}"):
            st.query_params["until"] = stamp(newest + timedelta(hours=1))
            st.rerun()


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


def behind(service: Service, view: View) -> None:
    """The stories behind the chosen point, where one is chosen."""
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
        story_list(service, picked, view, sentiment, "newest")


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
    order: Literal["newest", "most told"],
    limit: int = PAGE,
) -> list[Headline]:
    """One page of stories, with a way to the next where there is more."""
    page = max(0, int(st.query_params.get("page", "0")) if st.query_params.get("page", "0").isdigit() else 0)
    rows = data.stories(
        service.model, picked.scope, view.kinds, picked.since, picked.until, sentiment, order, limit + 1, page * limit
    )
    if not rows:
        st.html(markup.empty("No such stories here.", "Choose another stretch, kind or sentiment."))
        return []
    here = st.query_params.to_dict()
    st.html(markup.news_list(rows[:limit], view.zone, data.now(), params(view), dated=True, here=here))
    if page or len(rows) > limit:
        _pager(page, len(rows) > limit)
    return rows[:limit]


def _pager(page: int, has_more: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if page and st.button("Newer", type="tertiary"):
            st.query_params["page"] = str(page - 1)
            st.rerun()
        if has_more and st.button("Older", type="tertiary"):
            st.query_params["page"] = str(page + 1)
            st.rerun()


def trouble(error: Exception) -> None:
    """A failure as a sentence, and another try in ten seconds."""
    st.html(markup.empty("This can't be shown right now.", str(error)))
    _again()


@st.fragment(run_every="10s")
def _again() -> None:
    if "troubled" in st.session_state:
        del st.session_state["troubled"]
        st.rerun()
    st.session_state["troubled"] = True
