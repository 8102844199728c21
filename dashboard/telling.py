"""An episode in words: what, how rare, since when, how complete the data were. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from html import escape

from dashboard.markup import clock, page_link, scope_name
from monitor.alerts import message
from monitor.alerts.episodes import Episode
from monitor.store.read_episodes import SeenEpisode

PHASES = {"open": "open", "growing": "growing", "easing": "easing", "closed": "over"}


def headline(episode: Episode, names: Mapping[str, str]) -> str:
    """`Norvane Motors: 26 negative stories, 0.3 expected`"""
    return f"{scope_name(episode.scope, names)}: {counted(episode)}"


def counted(episode: Episode) -> str:
    return f"{episode.seen} {episode.sentiment} stories, {_expected(episode.expected)} expected"


def _expected(value: float) -> str:
    if value < 0.1:
        return "fewer than 0.1"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def rarity(severity: float) -> str:
    """How rare this is by chance on this very series, in the messages' own words: `about once in 8 years`."""
    return message.rarity(severity).removeprefix("By chance, ").removesuffix(" here.")


def why(episode: Episode) -> str:
    """What rose."""
    if episode.volume_only:
        return "More stories than usual; their negative share is as usual."
    if episode.reason == "share":
        return f"A larger part of the stories than usual is {episode.sentiment}."
    return f"More {episode.sentiment} stories than usual."


def completeness(episode: Episode) -> str:
    return "; ".join(episode.missing) if episode.missing else "complete: every feed spoke, no worker lagged"


def alert_line(seen: SeenEpisode, names: Mapping[str, str], zone: tzinfo, now: datetime) -> str:
    """One open alert as a strip that leads to it."""
    one = seen.episode
    href = escape(page_link("alerts", {"episode": one.id}), quote=True)
    state = PHASES[one.phase] + (f", seen by {escape(seen.acknowledged_by)}" if seen.acknowledged_by else "")
    return (
        f'<a class="t-alert" href="{href}" target="_self"><span class="edge"></span><span class="body">'
        f"<b>{escape(scope_name(one.scope, names))}</b> {escape(counted(one))}, {rarity(one.peak)} by chance, "
        f"{one.publishers} publishers</span>"
        f'<span class="side">{state}, since {clock(one.since, zone, now)}</span></a>'
    )
