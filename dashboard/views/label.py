"""Label: one story after the other that is worth a person's word. Writes only through acts.

Nothing tells an audit from the others, nor what the model says before the answer is given: both would sway it.
"""

from __future__ import annotations

import zlib
from html import escape

import streamlit as st

from dashboard import acts, answers, data, markup, parts
from monitor.labelling import FEWEST_AUDITS, Asked
from monitor.store.read_stories import Headline
from monitor.store.reads import Service

SIZE, DAYS = 30, 14
"""A queue has so many stories, of the news of so many days."""
LONGEST = 1_500
"""Characters of a body that are shown."""
QUEUE, LAST = "label-queue", "label-last"
"""In the session: what waits, and what is said of the answer before."""


def page() -> None:
    service = parts.model_in_service()
    st.html("<h1>Label</h1>")
    main, side = st.columns([2.15, 1], gap="large")
    with main:
        _next(service)
    with side:
        _standing()


def _next(service: Service) -> None:
    found = _waiting(service)
    if found is None:
        st.html(
            markup.empty(
                "Nothing waits for a label.",
                f"Every story of the last {DAYS} days has one, or the model has judged none of them yet.",
            )
        )
        return
    asked, row = found
    _story(row)
    with st.form(f"label-{row.article}", border=False):
        said = answers.ask(row, data.topics_of(service), f"label-{row.article}", shown=False)
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save and go on", type="primary", key="label-save")
            skipped = st.form_submit_button("Skip", key="label-skip")
    if skipped:
        parts.act(lambda: _go_on(""))
    if saved and said:
        parts.act(lambda: _save(asked, row, said))
    elif saved:
        st.html(markup.note("Say one thing at least; what is left open counts as not said."))
    st.html(markup.note(st.session_state.get(LAST, "")))


def _waiting(service: Service) -> tuple[Asked, Headline] | None:
    """The first of the queue that is still there; of a new queue where the old one is through."""
    found = _first(service)
    if found is None:
        st.session_state[QUEUE] = data.to_label(SIZE, DAYS, seed=zlib.crc32(acts.who().encode()))
        found = _first(service)
    return found


def _first(service: Service) -> tuple[Asked, Headline] | None:
    queue: list[Asked] = st.session_state.setdefault(QUEUE, [])
    while queue:
        if rows := data.named_articles(service.model, (queue[0].article,)):
            return queue[0], rows[0]
        queue.pop(0)
    return None


def _story(row: Headline) -> None:
    zone, now = parts.zone(), data.now()
    st.html(f'<div class="t-verdict">{markup.outward(row.title, row.url)}</div>')
    st.html(f'<div class="t-note">{escape(row.publisher)} · {markup.clock(row.counted_at, zone, now)}</div>')
    body = data.body(row.article).strip()
    if body and body != row.title:
        cut = f"{body[:LONGEST].rstrip()} …" if len(body) > LONGEST else body
        st.html(f'<div class="t-body">{escape(cut)}</div>')


def _save(asked: Asked, row: Headline, said: list[answers.Said]) -> None:
    acts.label(row.article, said, "audit" if asked.is_audit else "correction")
    _go_on(_told(asked, row, said))


def _told(asked: Asked, row: Headline, said: list[answers.Said]) -> str:
    why = "It was drawn at random." if asked.is_audit else f"It was asked because {asked.why}."
    if row.topic_by_person or row.sentiment_by_person:
        return f"Saved. {why}"
    other = answers.otherwise(row, said)
    return f"Saved. The model says {', '.join(other) or 'the same'}. {why}"


def _go_on(words: str) -> None:
    st.session_state[QUEUE].pop(0)
    st.session_state[LAST] = words


def _standing() -> None:
    audits = sum(row.labels for row in data.agreement() if row.origin == "audit")
    st.html(markup.heading("What this is for"))
    enough = "enough to judge" if audits >= FEWEST_AUDITS else f"{FEWEST_AUDITS} are needed to judge"
    st.html(
        markup.note(
            "Your word stands above the model's at once, in every count and chart. The next training learns from it."
        )
    )
    st.html(
        markup.note(
            "A third of these stories is drawn at random, and you are not told which: they measure the model, so "
            "answer the dull and the hard ones, too. The others are those that teach it most."
        )
    )
    st.html(markup.facts([("Labels of random stories", f"{markup.number(audits)}; {enough} a new model")]))
    left = len(st.session_state.get(QUEUE, ()))
    st.html(markup.facts([("Left in this round", markup.number(left))]))
