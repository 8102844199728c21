"""Messages that no channel took: which, through what, why; sent again or dismissed here. Writes only through acts."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard import acts, alert_data, data, markup, parts

SHOWN = 5


def warning() -> None:
    """Nothing where everything was delivered."""
    count, newest = alert_data.given_up()
    if not count:
        return
    zone, now = parts.zone(), data.now()
    many = "One message was" if count == 1 else f"{count} messages were"
    lines = "".join(
        f"<span>{escape(one.channel)}</span><span>{_title(one.title, one.episode)} "
        f'<span class="mut">{markup.clock(one.at, zone, now)}: {escape(one.error or "no reason given")}</span></span>'
        for one in newest[:SHOWN]
    )
    more = f'<span></span><span class="mut">and {count - SHOWN} more</span>' if count > SHOWN else ""
    st.html(f'<div class="t-lost"><b>{many} not delivered; no further try is made.</b>{lines}{more}</div>')
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Send again" if count == 1 else "Send all again", key="send-again"):
            parts.act(acts.send_again)
        if st.button("Dismiss" if count == 1 else "Dismiss all", key="dismiss", type="tertiary"):
            parts.act(acts.dismiss)
        st.html(markup.note("Mend the channel before you send again; that is tried for a day."), width="content")


def _title(title: str, episode: str | None) -> str:
    return markup.link(title, markup.page_link("alerts", {"episode": episode})) if episode else escape(title)
