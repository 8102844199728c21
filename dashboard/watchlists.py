"""Watch-lists on the Rules page: named companies that rules watch together. Draws; writes only through acts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from dashboard import acts, data, markup, parts
from monitor.store.watchlists import WatchList

NEW = "new"
SHOWN = 4


def menu(lists: Sequence[WatchList], asked: str | None) -> None:
    st.html(markup.heading("Watch-lists", "companies that rules watch together"))
    names = data.company_names()
    items = []
    for one in lists:
        here = " here" if one.name == asked else ""
        href = escape(markup.page_link("rules", {"list": one.name}), quote=True)
        more = f" and {len(one.companies) - SHOWN} more" if len(one.companies) > SHOWN else ""
        some = ", ".join(names.get(key, key) for key in one.companies[:SHOWN])
        items.append(
            f'<a class="t-pick{here}" target="_self" href="{href}"><b>{escape(one.name)}</b>'
            f'<span class="side">{len(one.companies)}</span><span class="sub">{escape(some)}{more}</span></a>'
        )
    st.html("".join(items) or '<div class="t-quiet">None yet.</div>')
    st.html(markup.note_link("A new watch-list", markup.page_link("rules", {"list": NEW})))


def editor(lists: Sequence[WatchList], asked: str) -> None:
    """One list: its name and companies, and the rules that follow a change of it."""
    picked = next((one for one in lists if one.name == asked), None)
    if picked is None and asked != NEW:
        st.html(markup.empty("This watch-list is not here.", "It may have been renamed or removed."))
        return
    names = data.company_names()
    st.html(f"<h2 class='t-title'>{escape(picked.name) if picked else 'A new watch-list'}</h2>")
    with st.form("watch-list", border=False):
        name = st.text_input("Name", picked.name if picked else "", max_chars=80, key=f"list-name-{asked}")
        keys = list(dict.fromkeys([*names, *(picked.companies if picked else ())]))
        companies = st.multiselect(
            "Companies",
            keys,
            picked.companies if picked else (),
            format_func=lambda key: f"{names[key]} ({key})" if names.get(key, key) != key else key,
            key=f"list-companies-{asked}",
            placeholder="Type a name or a ticker",
            accept_new_options=True,
        )
        if picked and picked.rules:
            st.html(markup.note(f"Watched by {', '.join(picked.rules)}: measured anew within the hour after a change."))
        saves = st.form_submit_button("Save the list", type="primary")
    if saves:
        parts.act(lambda: _save(name, companies, picked.name if picked else None))
    if picked and not picked.rules and st.button("Delete the list", type="tertiary"):
        parts.act(lambda: _delete(picked.name))


def _save(name: str, companies: Sequence[str], was: str | None) -> None:
    acts.save_watchlist(name, companies, was)
    st.query_params["list"] = name.strip()


def _delete(name: str) -> None:
    acts.delete_watchlist(name)
    st.query_params.clear()
