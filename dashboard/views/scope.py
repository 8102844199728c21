"""The Topic and the Company page: one scope's trend, what is inside it, its stories. Shows; corrects labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import chosen, data, markup, parts
from dashboard.filters import SUMS_LENGTH, Chosen, View, params
from monitor.store.reads import Family, Service, Span
from monitor.types import Scope

INSIDE = 12
INDEX = 100
TOP = 6


def topic() -> None:
    name = st.query_params.get("topic")
    choices = {name: name for name in data.topics()}
    view = parts.filters(name or "Topics", lambda: _pick("topic", choices))
    service = parts.model_in_service()
    if name is None:
        _index(service, view, "topics", "Topics")
    else:
        _scope_page(view, Scope(topic=name), "companies of", name, "Companies in it")


def company() -> None:
    key = st.query_params.get("company")
    names = data.company_names()
    view = parts.filters(names.get(key, key) if key else "Companies", lambda: _pick("company", names))
    service = parts.model_in_service()
    if key is None:
        _index(service, view, "companies", "Companies")
    else:
        _scope_page(view, Scope(company=key), "topics of", key, "Topics about it")


def _pick(what: str, choices: Mapping[str, str]) -> None:
    """The way to another one: choosing changes the URL, which is what the page shows."""
    widget = f"pick-{what}"

    def choose() -> None:
        chosen.forget("from", "to", "scope", "page")
        st.query_params[what] = st.session_state[widget]
        st.session_state[widget] = None

    st.selectbox(
        what.title(),
        list(choices),
        format_func=lambda key: choices.get(key, key) + (f"  ({key})" if choices.get(key, key) != key else ""),
        index=None,
        placeholder=f"Go to a {what}",
        key=widget,
        on_change=choose,
        label_visibility="collapsed",
        width=240,
    )


def _index(service: Service, view: View, family: Family, words: str) -> None:
    """All of them, busiest first: what the page shows before one is chosen."""
    rows = data.spans(service.model, family, view)
    if not rows:
        parts.no_news(service, view)
        return
    ranked = sorted(rows, key=lambda span: (-span.total, span.scope))[:INDEX]
    st.html(markup.heading(words, _ranking(rows, ranked, view)))
    st.html(_split_table(ranked, view, by_company=family == "companies", width=320), width=900)


def _scope_page(view: View, scope: Scope, family: Family, of: str, inside: str) -> None:
    main, side = st.columns([2.15, 1], gap="large")
    with main:
        trend(view, scope)
    with side:
        around(view, scope, family, of, inside)


@parts.by_itself(every="30s")
def trend(view: View, scope: Scope) -> None:
    """Figures, trend, and the stories: of the chosen moment, else of the window."""
    service, view = parts.model_in_service(), parts.current(view)
    kpis = st.empty()
    shown = parts.pulse(service, scope.key, view, "scope")
    if shown is None:
        return
    kpis.html(markup.kpi_line(parts.figures(service, view, shown, scope.key)))
    if chosen.chosen():
        chosen.behind(service, view)
    else:
        _stories(service, view, scope)


@parts.by_itself(every="60s")
def around(view: View, scope: Scope, family: Family, of: str, inside: str) -> None:
    """The most told stories, and what is inside the scope."""
    service, view = parts.model_in_service(), parts.current(view)
    _top(service, view, scope)
    _inside(service, view, family, of, inside)


def _stories(service: Service, view: View, scope: Scope) -> None:
    st.html(markup.heading("Stories", "newest first"))
    chosen.story_list(service, Chosen(scope.key, view.since, view.until), view, None)


def _top(service: Service, view: View, scope: Scope) -> None:
    st.html(markup.heading("Most told", "stories by number of articles"))
    rows = data.stories(service.model, scope.key, view.kinds, view.since, view.until, None, "most told", TOP)
    if rows:
        st.html(markup.news_list(rows, view.zone, data.now(), params(view)))
    else:
        st.html(markup.empty("No stories in this window."))


def _inside(service: Service, view: View, family: Family, of: str, words: str) -> None:
    rows = data.spans(service.model, family, view, of)
    ranked = sorted(rows, key=lambda span: (-span.total, span.scope))[:INSIDE]
    st.html(markup.heading(words, _ranking(rows, ranked, view)))
    if ranked:
        st.html(_split_table(ranked, view, by_company=family == "companies of"))
    else:
        st.html(markup.empty("None in this window."))


def _ranking(rows: Sequence[Span], shown: Sequence[Span], view: View) -> str:
    """What the list is sorted by, and how much of it is shown where that is not all."""
    words = f"by number of stories in {_stretch(view)}"
    return words if len(shown) == len(rows) else f"the {len(shown)} busiest of {len(rows):,}, {words}"


def _stretch(view: View) -> str:
    """The words for the window that lists sum over."""
    return view.grain.words if view.grain.length <= SUMS_LENGTH else f"the last {SUMS_LENGTH.days} days"


def _split_table(ranked: Sequence[Span], view: View, *, by_company: bool, width: int = 96) -> str:
    names, links = data.company_names(), params(view)
    most = max(span.total for span in ranked)
    rows = []
    for span in ranked:
        one = Scope.of(span.scope)
        inner = Scope(company=one.company) if by_company else Scope(topic=one.topic)
        name = markup.link(markup.scope_name(inner.key, names), markup.scope_link(inner.key, links))
        net = span.score_sum / max(1, span.total)
        neutral = span.total - span.negative - span.positive
        bar = markup.split_bar(span.negative, neutral, span.positive, most, width)
        rows.append((name, str(span.total), markup.signed(net), bar))
    return markup.table([("", "wide"), ("stories", "n"), ("net", "n mut"), ("", "")], rows)
