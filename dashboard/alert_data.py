"""What is read of alerts, rules and delivery: cached and bounded, through data's door. Draws and writes nothing."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboard.data import CHART_TTL_S, LIVE_TTL_S, database, now, settings
from monitor.alerts.rules import StoredRule
from monitor.store import engine, read_alerts, read_delivery, read_episodes
from monitor.store import given_up as given_up_messages
from monitor.store import rules as stored_rules
from monitor.store import watchlists as stored_lists
from monitor.store.given_up import GivenUp
from monitor.store.read_delivery import ChannelState, Held
from monitor.store.read_episodes import SeenEpisode, Silence, Told, Verdict, Wanted
from monitor.store.watchlists import WatchList

SILENCES_KEPT = timedelta(days=7)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def wanted_episodes(wanted: Wanted, *, over: bool, limit: int) -> tuple[int, list[SeenEpisode]]:
    return read_episodes.wanted_episodes(database(), wanted, over=over, limit=limit)


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def scopes_with_episodes() -> list[str]:
    return read_episodes.scopes_with_episodes(database())


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def episode(id: str) -> SeenEpisode | None:
    return read_episodes.episode(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def evidence(id: str, limit: int) -> tuple[int, list[str]]:
    return read_episodes.evidence(database(), id, limit)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def publishers(id: str) -> list[tuple[str, int]]:
    return read_episodes.publishers(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def verdicts(id: str) -> list[Verdict]:
    return read_episodes.verdicts(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def told(id: str) -> list[Told]:
    return read_episodes.told(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def waiting(id: str) -> list[Held]:
    """What is still to be told of an episode: to whom, why not yet, until when."""
    return list(read_delivery.held(database(), id))


@st.cache_data(ttl=LIVE_TTL_S, max_entries=4, show_spinner=False)
def silences() -> list[Silence]:
    """Those that hold, and those that ended within SILENCES_KEPT."""
    return read_episodes.silences(database(), now() - SILENCES_KEPT)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=4, show_spinner=False)
def given_up() -> tuple[int, list[GivenUp]]:
    """Messages that no channel took: how many, and the newest."""
    with engine.transaction(database()) as tx:
        return given_up_messages.given_up(tx)


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def channel_states() -> list[ChannelState]:
    """How each channel does that something was lately sent to."""
    return read_delivery.channels(database(), now())


def forget_alerts() -> None:
    """After a write: the next read asks the database."""
    for cached in (wanted_episodes, episode, verdicts, silences, given_up, told, waiting):
        cached.clear()


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def rules() -> list[StoredRule]:
    with engine.transaction(database()) as tx:
        return stored_rules.rules(tx)


@st.cache_data(ttl=CHART_TTL_S, max_entries=50, show_spinner=False)
def precision(rule: int) -> tuple[int, int, int]:
    """(useful, noise, unmarked) episodes of a rule so far."""
    with engine.transaction(database()) as tx:
        return read_alerts.precision(tx, rule)


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def watchlists() -> list[WatchList]:
    with engine.transaction(database()) as tx:
        return stored_lists.watchlists(tx)


def forget_rules() -> None:
    """After a write: the next read asks the database."""
    for cached in (rules, watchlists, precision):
        cached.clear()


@st.cache_resource(show_spinner=False)
def channels() -> dict[str, str]:
    """Channels that this program's settings name -> their addresses, masked."""
    from monitor.alerts.notify import channels_of  # brings apprise: a second that only rules shall pay

    return {name: one.masked for name, one in channels_of(settings().notify_urls).items()}
