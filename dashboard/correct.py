"""The dialog in which a person corrects what the model said of an article. Writes only through acts."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard import acts, answers, chosen, data, parts
from monitor.store.read_stories import Headline

PARAM = "correct"


def offer() -> None:
    """Opens the dialog where the URL names an article."""
    article, service = st.query_params.get(PARAM), data.service()
    if article is None or service is None:
        return
    rows = data.named_articles(service.model, (article,))
    if rows:
        _dialog(rows[0], data.topics_of(service))


def _forget() -> None:
    chosen.forget(PARAM)


@st.dialog("What does it really say?", width="medium", on_dismiss=_forget)
def _dialog(row: Headline, topics: list[str]) -> None:
    st.html(f'<div class="t-h">{escape(row.title)}</div><div class="t-note">{escape(row.publisher)}</div>')
    said = answers.ask(row, topics, "correct", shown=True)
    st.html('<div class="t-note">Yours stands above the model\'s from now on, in every count. Both are kept.</div>')
    if st.button("Save", type="primary", key="correct-save"):
        parts.act(lambda: _save(said))


def _save(labels: list[answers.Said]) -> None:
    acts.label(st.query_params[PARAM], labels)
    _forget()
