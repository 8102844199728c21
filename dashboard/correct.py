"""The dialog in which a person corrects what the model said of an article. Writes only through acts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from dashboard import acts, chosen, data, markup
from monitor.errors import TocsinError
from monitor.store.labels import Task
from monitor.store.read_stories import Headline
from monitor.types import SENTIMENTS

PARAM = "correct"
Said = tuple[Task, str, str | None]
"""Task, value, company."""


def offer() -> None:
    """Opens the dialog where the URL names an article."""
    article, service = st.query_params.get(PARAM), data.service()
    if article is None or service is None:
        return
    rows = data.named_articles(service.model, (article,))
    if rows:
        _dialog(rows[0], service.manifest.get("topics") or data.topics())


def _forget() -> None:
    chosen.forget(PARAM)


@st.dialog("What does it really say?", width="medium", on_dismiss=_forget)
def _dialog(row: Headline, topics: list[str]) -> None:
    st.html(f'<div class="t-h">{escape(row.title)}</div><div class="t-note">{escape(row.publisher)}</div>')
    choices = list(dict.fromkeys([*([row.topic] if row.topic else []), *topics]))
    topic = st.selectbox("Topic", choices, index=0 if row.topic else None, key="correct-topic")
    sentiment = _sentiment("Sentiment", row.sentiment, "correct-sentiment")
    toward = {
        one.company: _sentiment(f"Sentiment toward {markup.plain(one.name)}", one.sentiment, f"correct-{one.company}")
        for one in row.companies
    }
    st.html('<div class="t-note">Yours stands above the model\'s from now on, in every count. Both are kept.</div>')
    if st.button("Save", type="primary", key="correct-save"):
        _save(changed(row, topic, sentiment, toward))


def _sentiment(words: str, now: str | None, key: str) -> str | None:
    return st.segmented_control(words, SENTIMENTS, default=now, key=key)


def _save(labels: list[Said]) -> None:
    try:
        acts.correct(st.query_params[PARAM], labels)
    except TocsinError as error:
        st.html(markup.empty("That was not saved.", str(error)))
        return
    _forget()
    st.rerun()


def changed(row: Headline, topic: str | None, sentiment: str | None, toward: Mapping[str, str | None]) -> list[Said]:
    """Every answer that differs from what is shown."""
    found: list[Said] = []
    if topic and topic != row.topic:
        found.append(("topic", topic, None))
    if sentiment and sentiment != row.sentiment:
        found.append(("sentiment", sentiment, None))
    for one in row.companies:
        said = toward.get(one.company)
        if said and said != one.sentiment:
            found.append(("company", said, one.company))
    return found
