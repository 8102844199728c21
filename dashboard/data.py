"""The dashboard's one door to the database: one engine, cached and bounded reads. Draws nothing, writes nothing."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Literal

import streamlit as st

from dashboard.filters import MOVERS_COMPARED, View, movers_window, sums_window, weeks_before
from dashboard.usual import WEEKS
from monitor import embedded
from monitor.alerts.rules import StoredRule
from monitor.settings import Settings, read_settings
from monitor.store import engine, models, read_alerts, read_episodes, read_health, read_stories, reads
from monitor.store import given_up as given_up_messages
from monitor.store import rules as stored_rules
from monitor.store import watchlists as stored_lists
from monitor.store.given_up import GivenUp
from monitor.store.read_episodes import SeenEpisode, Silence, Told, Verdict, Wanted
from monitor.store.read_health import Agreement, DeadLetter, FeedHealth, Partition, TableSize
from monitor.store.read_stories import Headline
from monitor.store.reads import Cell, Family, Point, Service, Span
from monitor.store.watchlists import WatchList
from monitor.types import Kind, Sentiment

CHART_TTL_S = 10
LIVE_TTL_S = 2
SLOW_TTL_S = 60
"""For what changes rarely: names, the model in service, sizes."""
SILENCES_KEPT = timedelta(days=7)


def now() -> datetime:
    return datetime.now(UTC)


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return read_settings()


@st.cache_resource(show_spinner=False, on_release=lambda engine: engine.dispose())
def database() -> reads.Database:
    """The read-only engine of this process."""
    return reads.open_for_reading(url())


@st.cache_resource(show_spinner=False)
def url() -> str:
    """The database that the settings name, else the private one: joined, or started for this process's life."""
    named = settings().database_url
    return named.get_secret_value() if named else _private().enter_context(embedded.server(settings().data_dir))


@st.cache_resource(show_spinner=False)
def _private() -> ExitStack:
    return ExitStack()


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def service() -> Service | None:
    return reads.service(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def company_names() -> dict[str, str]:
    return reads.company_names(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def topics() -> list[str]:
    return reads.topics(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=8, show_spinner=False)
def begins(model: int) -> datetime | None:
    """When this model's history begins."""
    return reads.oldest_count(database(), model)


@st.cache_data(ttl=CHART_TTL_S, max_entries=8, show_spinner=False)
def newest(model: int) -> datetime | None:
    return reads.newest_count(database(), model)


@st.cache_data(ttl=CHART_TTL_S, max_entries=200, show_spinner=False)
def points(model: int, scope: str, view: View, kinds: tuple[Kind, ...] | None = None) -> list[Point]:
    """The window's points."""
    grain, asked = view.grain, kinds or view.kinds
    return reads.series(database(), model, scope, asked, view.since, view.until, grain.stored, grain.step, view.origin)


@st.cache_data(ttl=20 * SLOW_TTL_S, max_entries=200, show_spinner=False)
def history(model: int, scope: str, view: View, kinds: tuple[Kind, ...] | None = None) -> list[Point]:
    """The weeks before the window, in the same steps, for what is usual. Cached longer: the past stands."""
    grain, asked = view.grain, kinds or view.kinds
    since = view.since - WEEKS[-1] * reads.WEEK - grain.step
    until = view.until - reads.WEEK + grain.step
    return reads.series(database(), model, scope, asked, since, until, grain.stored, grain.step, view.origin)


@st.cache_data(ttl=CHART_TTL_S, max_entries=50, show_spinner=False)
def topic_cells(model: int, view: View) -> list[Cell]:
    grain = view.grain
    origin = view.origin if grain.heat_stored < 1440 else datetime(2001, 1, 1, tzinfo=UTC)
    return reads.topic_cells(
        database(), model, view.kinds, view.since, view.until, grain.heat_stored, grain.heat_step, origin
    )


@st.cache_data(ttl=CHART_TTL_S, max_entries=200, show_spinner=False)
def spans(model: int, family: Family, view: View, of: str | None = None) -> list[Span]:
    """The window's sums of every scope of a family."""
    window = sums_window(view)
    return reads.spans(database(), model, family, view.kinds, window.since, window.until, window.stored, of=of)


@st.cache_data(ttl=CHART_TTL_S, max_entries=50, show_spinner=False)
def moving(model: int, view: View, weeks: tuple[int, ...]) -> list[Span]:
    """Topics and companies in the movers' window, and the most negative of them in the weeks before."""
    window = movers_window(view)
    among = (view.kinds, window.since, window.until, window.stored)
    now = [*reads.spans(database(), model, "topics", *among), *reads.spans(database(), model, "companies", *among)]
    busiest = sorted(now, key=lambda span: -span.negative)[:MOVERS_COMPARED]
    these = [span.scope for span in busiest]
    return [*busiest, *reads.spans(database(), model, "these", *among, weeks, these=these)]


@st.cache_data(ttl=CHART_TTL_S, max_entries=200, show_spinner=False)
def before(model: int, scope: str, view: View) -> list[Span]:
    """The same window, up to four times before; what is older than the history is absent."""
    weeks = weeks_before(view, begins(model))
    stored = view.grain.stored
    return reads.spans(database(), model, "these", view.kinds, view.since, view.until, stored, weeks, these=[scope])


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def feeds() -> list[FeedHealth]:
    return read_health.feeds(database())


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def partitions() -> list[Partition]:
    return read_health.partitions(database())


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def dead_letters() -> tuple[int, list[DeadLetter]]:
    return read_health.dead_letters(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def sizes() -> tuple[int, list[TableSize]]:
    return read_health.sizes(database())


@st.cache_data(ttl=CHART_TTL_S, max_entries=100, show_spinner=False)
def stories(
    model: int,
    scope: str,
    kinds: tuple[Kind, ...],
    since: datetime,
    until: datetime,
    sentiment: Sentiment | None,
    order: Literal["newest", "most told"],
    limit: int,
    skip: int = 0,
) -> list[Headline]:
    return read_stories.stories(
        database(), model, scope, kinds, since, until, sentiment=sentiment, order=order, limit=limit, skip=skip
    )


@st.cache_data(ttl=LIVE_TTL_S, max_entries=20, show_spinner=False)
def latest(model: int, kinds: tuple[Kind, ...], limit: int) -> list[Headline]:
    return read_stories.latest(database(), model, kinds, limit)


@st.cache_data(ttl=CHART_TTL_S, max_entries=100, show_spinner=False)
def articles_of_story(model: int, story: str) -> list[Headline]:
    return read_stories.articles_of_story(database(), model, story)


@st.cache_data(ttl=CHART_TTL_S, max_entries=100, show_spinner=False)
def named_articles(model: int, articles: tuple[str, ...]) -> list[Headline]:
    return read_stories.named_articles(database(), model, articles)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=4, show_spinner=False)
def running_episodes(limit: int = 50) -> list[SeenEpisode]:
    return read_episodes.running_episodes(database(), limit)


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
def evidence(id: str) -> list[str]:
    return read_episodes.evidence(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def publishers(id: str) -> list[tuple[str, int]]:
    return read_episodes.publishers(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def verdicts(id: str) -> list[Verdict]:
    return read_episodes.verdicts(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=50, show_spinner=False)
def told(id: str) -> list[Told]:
    return read_episodes.told(database(), id)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=4, show_spinner=False)
def silences() -> list[Silence]:
    """Those that hold, and those that ended within SILENCES_KEPT."""
    return read_episodes.silences(database(), now() - SILENCES_KEPT)


@st.cache_data(ttl=LIVE_TTL_S, max_entries=4, show_spinner=False)
def given_up() -> tuple[int, list[GivenUp]]:
    """Messages that no channel took: how many, and the newest."""
    with engine.transaction(database()) as tx:
        return given_up_messages.given_up(tx)


def forget_alerts() -> None:
    """After a write: the next read asks the database."""
    for cached in (running_episodes, wanted_episodes, episode, verdicts, silences, given_up, told):
        cached.clear()


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def service_history() -> list[models.Service]:
    """Every version that was in service, newest first."""
    return models.service_history(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def agreement() -> list[Agreement]:
    found = service()
    return read_health.agreement(database(), found.model) if found else []


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


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def publisher_families() -> list[str]:
    return read_stories.publisher_families(database())


@st.cache_resource(show_spinner=False)
def channels() -> dict[str, str]:
    """Channels that this program's settings name -> their addresses, masked."""
    from monitor.alerts.notify import channels_of  # brings apprise: a second that only rules shall pay

    return {
        name: one.masked for name, one in channels_of([one.get_secret_value() for one in settings().notify]).items()
    }
