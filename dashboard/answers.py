"""What a person can say of one article, as widgets: topic, sentiment, sentiment toward each company. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import markup
from monitor.store.labels import Task
from monitor.store.read_stories import Headline
from monitor.types import SENTIMENTS

Said = tuple[Task, str, str | None]
"""Task, value, company."""


def ask(row: Headline, topics: Sequence[str], key: str, *, shown: bool) -> list[Said]:
    """The answers as they stand. With `shown` each begins with what is shown of the article, and only what differs
    from that is said; else all are blank, since an answer that stands there is copied."""
    before = _shown(row) if shown else {}
    sentiment = _sentiment("Sentiment", before.get(("sentiment", None)), f"{key}-sentiment")
    said: list[tuple[Task, str | None, str | None]] = [("sentiment", sentiment, None)]
    for one in row.companies:
        words = f"Sentiment toward {markup.plain(one.name)}"
        toward = _sentiment(words, before.get(("company", one.company)), f"{key}-{one.company}")
        said.append(("company", toward, one.company))
    said.append(("topic", _topic(topics, before.get(("topic", None)), f"{key}-topic"), None))
    return [
        (task, value, company)
        for task, value, company in said
        if value is not None and value != before.get((task, company))
    ]


def otherwise(row: Headline, said: Sequence[Said]) -> list[str]:
    """What is shown of the article where the answers differ from it, in words."""
    shown, names = _shown(row), {one.company: one.name for one in row.companies}
    return [
        f"{shown.get((task, company)) or 'nothing'}{f' toward {names[company]}' if company else ''}"
        for task, value, company in said
        if value != shown.get((task, company))
    ]


def _shown(row: Headline) -> Mapping[tuple[Task, str | None], str | None]:
    return {
        ("topic", None): row.topic,
        ("sentiment", None): row.sentiment,
        **{("company", one.company): one.sentiment for one in row.companies},
    }


def _sentiment(words: str, now: str | None, key: str) -> str | None:
    return st.segmented_control(words, SENTIMENTS, default=now, key=key)


def _topic(topics: Sequence[str], now: str | None, key: str) -> str | None:
    choices = list(dict.fromkeys([*([now] if now else []), *topics]))
    return st.selectbox("Topic", choices, index=0 if now else None, key=key, placeholder="Choose a topic")
