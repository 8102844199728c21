"""The router: frame, pages, and one place where what goes wrong becomes a sentence. Reads nothing itself."""

from __future__ import annotations

import streamlit as st

from dashboard import correct, parts, theme
from dashboard.views import act, alerts, feeds, label, model, overview, rules, scope
from monitor.errors import TocsinError


def main() -> None:
    st.set_page_config(page_title="Tocsin", page_icon=str(theme.ICON), layout="wide", initial_sidebar_state="collapsed")
    st.html(theme.style_sheet(parts.palette()))
    st.logo(str(theme.ICON), size="small")
    pages = [
        st.Page(overview.page, title="Overview", url_path="overview", default=True),
        st.Page(scope.topic, title="Topics", url_path="topic"),
        st.Page(scope.company, title="Companies", url_path="company"),
        st.Page(alerts.page, title="Alerts", url_path="alerts"),
        st.Page(rules.page, title="Rules", url_path="rules"),
        st.Page(feeds.page, title="Feeds and health", url_path="feeds"),
        st.Page(label.page, title="Label", url_path="label"),
        st.Page(model.page, title="Model", url_path="model"),
        st.Page(act.page, title="An alert asks", url_path="act", visibility="hidden"),
    ]
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{page.title} · Tocsin")
    try:
        page.run()
        correct.offer()
    except TocsinError as error:
        parts.trouble(error)


if __name__ == "__main__":
    main()
