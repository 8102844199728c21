"""An episode in words: what, how rare, since when, how complete the data were. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from html import escape

from dashboard.markup import clock, page_link, scope_name
from monitor.alerts.episodes import Episode
from monitor.store.read_episodes import SeenEpisode

PHASES = {"open": "open", "growing": "growing", "easing": "easing", "closed": "over"}
WEEKS_PER_YEAR = 52.18


def headline(episode: Episode, names: Mapping[str, str]) -> str:
    """`Norvane Motors: 26 negative stories, 0.3 expected`"""
    return f"{scope_name(episode.scope, names)}: {counted(episode)}"


def counted(episode: Episode) -> str:
    return f"{episode.seen} {episode.sentiment} stories, {_expected(episode.expected)} expected"


def _expected(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def rarity(severity: float) -> str:
    """How rare a false alarm as severe as this is on this very series: 10 ** severity weeks apart."""
    weeks: float = 10.0 ** min(severity, 12.0)
    if weeks < 1:
        times = 1 / weeks
        return f"{times:.0f} times a week" if times >= 1.5 else "once a week"
    if weeks < 1.5:
        return "once a week"
    if weeks < 9:
        return f"once in {weeks:.0f} weeks"
    if weeks < 2 * WEEKS_PER_YEAR:
        return f"once in {weeks * 12 / WEEKS_PER_YEAR:.0f} months"
    years = weeks / WEEKS_PER_YEAR
    return f"once in {years:.0f} years" if years < 100 else "less than once in 100 years"


def why(episode: Episode) -> str:
    """What rose."""
    if episode.volume_only:
        return "More stories than usual; their negative share is as usual."
    if episode.reason == "share":
        return f"No more stories than usual, but far more of them {episode.sentiment}."
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
        f"<b>{escape(scope_name(one.scope, names))}</b> {escape(counted(one))}, {rarity(one.peak)} here, "
        f"{one.publishers} publishers</span>"
        f'<span class="side">{state}, since {clock(one.since, zone, now)}</span></a>'
    )
