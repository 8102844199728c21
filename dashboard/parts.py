"""What several pages show: frame, filters, the pulse chart and its figures. Draws; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from html import escape
from typing import ParamSpec
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import charts, chosen, data, markup
from dashboard.filters import (
    ANY_KIND,
    DEFAULT_WINDOW,
    KIND_CHOICES,
    WINDOWS,
    View,
    moment,
    stamp,
    view_of,
    weeks_before,
)
from dashboard.markup import Kpi
from dashboard.theme import PALETTES, Palette
from dashboard.usual import Usual, days_to_go, usual
from monitor.errors import TocsinError
from monitor.store.reads import Service

P = ParamSpec("P")


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


@contextmanager
def side_by_side(*, shown_first: bool) -> Iterator[tuple[DeltaGenerator, DeltaGenerator]]:
    """A list and what is picked of it; on a narrow screen one above the other, the picked one first where asked."""
    with st.container(key="picked-first" if shown_first else "list-first"):
        left, right = st.columns([1, 2.1], gap="large")
        yield left, right


def filters(title: str, picker: Callable[[], None] | None = None) -> View:
    """Title, picker and filters on one line; both filters live in the URL and follow from page to page."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(f"<h1>{escape(title)}</h1>", width="content")
        if picker:
            picker()
        st.space("stretch")
        window = st.segmented_control(
            "Window",
            WINDOWS,
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


def url_choice(label: str, name: str, options: Mapping[str, str]) -> str:
    """One of the options (what the URL holds -> words), kept in the URL under `name`; the first stands for nothing."""
    keys = list(options)
    asked = st.query_params.get(name, "")
    if asked not in options:
        chosen.forget(name)
        asked = keys[0]
    picked = st.selectbox(
        label,
        keys,
        keys.index(asked),
        format_func=lambda key: options.get(key, key),
        key=f"choice-{name}",
        label_visibility="collapsed",
    )
    if picked != asked:
        chosen.forget("show", "episode")
        if picked == keys[0]:
            chosen.forget(name)
        else:
            st.query_params[name] = picked
    return picked


def forget_choices(*names: str) -> None:
    chosen.forget(*names, "show", "episode")
    for name in names:
        st.session_state.pop(f"choice-{name}", None)


def minute(at: datetime) -> datetime:
    """The whole minute before: caches answer what is asked again within it."""
    return at.replace(second=0, microsecond=0)


def act(does: Callable[[], object]) -> None:
    """Do it, show it; what is refused becomes a sentence."""
    try:
        does()
    except TocsinError as error:
        st.html(markup.empty("That was not saved.", str(error)))
        return
    st.rerun()


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
            chosen.forget("until", "from", "to", "scope")
            st.rerun()


def model_in_service() -> Service:
    """The model whose counts are shown; stops the page with a word where there is none yet.

    A part that runs again by itself asks anew: a promotion changes the model under an open page.
    """
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
    figure = charts.pulse(table, normal, view, palette(), scope, chosen.chosen())
    note = "click a moment for its stories"
    if normal is None:
        days = days_to_go(begins, view.since)
        note = f"learning what is usual, {days} {'day' if days == 1 else 'days'} of history to go"
    st.html(markup.heading("Net sentiment and stories", note) + markup.legend(usual=normal is not None))
    chosen.selectable(figure, key, alt=f"Net sentiment and number of stories over {view.grain.words}")
    sums = table.sum()
    return Pulse(int(sums.total), int(sums.negative), int(sums.positive), float(sums.score_sum), normal)


def figures(service: Service, view: View, shown: Pulse, scope: str) -> list[Kpi]:
    """The line of figures above a pulse chart, each beside what is usual."""
    before = data.before(service.model, scope, view)
    weeks = len(weeks_before(view, data.begins(service.model)))  # `before` leaves out those without a story
    usual_total = sum(span.total for span in before) / weeks if weeks else None
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
