"""Where a signed link in a message leads: says what it asks for, and acts when its button is pressed, never before."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard import acts, alert_data, data, markup, parts, telling
from monitor.alerts import links
from monitor.errors import UsageError
from monitor.store.outbox import Verdict

ASKED: dict[links.Act, tuple[Verdict, str, str]] = {
    "acknowledge": ("acknowledged", "Acknowledge", "Says that somebody has seen it."),
    "noise": ("noise", "Mark as noise", "Counts as a false alarm when the rule is calibrated."),
    "useful": ("useful", "Mark as useful", "Counts as a true alarm when the rule is calibrated."),
}


def page() -> None:
    st.html("<h1>An alert asks</h1>")
    try:
        asked = links.verify(st.query_params.get("token", ""), _secret(), data.now())
    except UsageError as error:
        st.html(markup.empty("Nothing was done.", str(error)))
        return
    seen = alert_data.episode(asked.episode)
    if seen is None:
        st.html(markup.empty("This alert is not here.", "It may have been removed."))
        return
    verdict, words, meaning = ASKED[asked.act]
    names, zone, now = data.company_names(), parts.zone(), data.now()
    since = markup.clock(seen.episode.since, zone, now)
    st.html(f"<h2 class='t-title'>{escape(telling.headline(seen.episode, names))}</h2>")
    st.html(f'<div class="t-note">since {since}, {telling.PHASES[seen.episode.phase]}</div>')
    said = [one.verdict for one in alert_data.verdicts(asked.episode)]
    stands = verdict in said if verdict == "acknowledged" else seen.verdict == verdict
    if stands:
        st.html(markup.empty(f"Done: {verdict}.", "Thank you."))
    elif st.button(words, type="primary", key="confirm"):
        acts.judge(asked.episode, verdict)
        st.rerun()
    else:
        st.html(f'<div class="t-note">{escape(meaning)}</div>')
    href = markup.page_link("alerts", {"episode": asked.episode})
    st.html(f'<div class="t-note">{markup.link("Open the alert with its evidence", href)}</div>')


def _secret() -> str:
    named = data.settings().secret
    return links.secret_of(named.get_secret_value() if named else None, data.settings().data_dir)
