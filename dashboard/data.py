"""The dashboard's one door to the database: one engine, cached and bounded reads. Draws nothing, writes nothing."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Literal

import streamlit as st

from dashboard.filters import MOVERS_COMPARED, View, movers_window, sums_window, weeks_before
from dashboard.usual import WEEKS
from monitor import embedded
from monitor.alerts.calendar import Market
from monitor.alerts.completeness import Rhythm, SilentFeed, silent_feeds
from monitor.alerts.rules import Rule
from monitor.labelling import MOST_STORIES, Asked, queue
from monitor.markets import load_markets
from monitor.settings import Settings, read_settings
from monitor.store import engine, models, read_alerts, read_health, read_stories, reads
from monitor.store.read_health import Agreement, DeadLetter, FeedHealth, Partition, TableSize
from monitor.store.read_stories import Headline
from monitor.store.read_unlabelled import judged_stories, stored_articles
from monitor.store.reads import Cell, Family, Point, Service, Span
from monitor.types import Kind, Sentiment

CHART_TTL_S = 10
LIVE_TTL_S = 2
SLOW_TTL_S = 60
"""For what changes rarely: names, the model in service, sizes."""
RHYTHMS_TTL_S = 3600
"""For what reads a month of articles; the alerts learn it as often."""


def now() -> datetime:
    return datetime.now(UTC)


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return read_settings()


def market() -> Market:
    """Whose hours feeds keep that belong to no exchange."""
    return load_markets(settings().market).default


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


def topics_of(service: Service) -> list[str]:
    """What the version in service can say, in its own order; else what the news was labelled with."""
    return service.manifest.get("topics") or topics()


@st.cache_data(ttl=SLOW_TTL_S, max_entries=8, show_spinner=False)
def begins(model: int) -> datetime | None:
    """When this model's history begins."""
    return reads.oldest_count(database(), model)


@st.cache_data(ttl=CHART_TTL_S, max_entries=8, show_spinner=False)
def newest(model: int) -> datetime | None:
    return reads.newest_count(database(), model)


@st.cache_data(ttl=CHART_TTL_S, max_entries=200, show_spinner=False)
def points(
    model: int, scope: str, view: View, kinds: tuple[Kind, ...] | None = None, rule: Rule | None = None
) -> list[Point]:
    """The window's points; of the stories that a rule counts, where one is given."""
    grain, asked = view.grain, kinds or view.kinds
    if rule is not None:
        return read_stories.series(database(), model, rule, scope, view.since, view.until, grain.step, view.origin)
    return reads.series(database(), model, scope, asked, view.since, view.until, view.stored, grain.step, view.origin)


@st.cache_data(ttl=20 * SLOW_TTL_S, max_entries=200, show_spinner=False)
def history(
    model: int, scope: str, view: View, kinds: tuple[Kind, ...] | None = None, rule: Rule | None = None
) -> list[Point]:
    """The weeks before the window, in the same steps, for what is usual. Cached longer: the past stands."""
    grain, asked = view.grain, kinds or view.kinds
    since = view.since - WEEKS[-1] * reads.WEEK - grain.step
    until = view.until - reads.WEEK + grain.step
    if rule is not None:
        return read_stories.series(database(), model, rule, scope, since, until, grain.step, view.origin)
    return reads.series(database(), model, scope, asked, since, until, view.stored, grain.step, view.origin)


@st.cache_data(ttl=CHART_TTL_S, max_entries=50, show_spinner=False)
def topic_cells(model: int, view: View) -> list[Cell]:
    grain = view.grain
    origin = view.origin if grain.heat_stored < 1440 else datetime(2001, 1, 1, tzinfo=UTC)
    return reads.topic_cells(
        database(), model, view.kinds, view.since, view.until, view.heat_stored, grain.heat_step, origin
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
    stored = view.stored
    return reads.spans(database(), model, "these", view.kinds, view.since, view.until, stored, weeks, these=[scope])


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def feeds() -> list[FeedHealth]:
    return read_health.feeds(database())


@st.cache_data(ttl=RHYTHMS_TTL_S, max_entries=4, show_spinner=False)
def _rhythms() -> dict[str, Rhythm]:
    """When each feed speaks, as the alerts learn it."""
    with engine.transaction(database()) as tx:
        return read_alerts.rhythms(tx, now(), market())


@st.cache_data(ttl=CHART_TTL_S, max_entries=4, show_spinner=False)
def silent() -> dict[str, SilentFeed]:
    """By name the feeds that the alerts hold for silent."""
    with engine.transaction(database()) as tx:
        facts = read_alerts.feed_facts(tx, _rhythms())
    return {one.name: one for one in silent_feeds(facts, now(), market())}


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
    rule: Rule | None = None,
) -> list[Headline]:
    return read_stories.stories(
        database(),
        model,
        scope,
        kinds,
        since,
        until,
        sentiment=sentiment,
        order=order,
        limit=limit,
        skip=skip,
        rule=rule,
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


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def service_history() -> list[models.Service]:
    """Every version that was in service, newest first."""
    return models.service_history(database())


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def agreement() -> list[Agreement]:
    found = service()
    return read_health.agreement(database(), found.model) if found else []


def to_label(size: int, days: int, seed: int) -> list[Asked]:
    """What is worth a person's word. Not cached: what was labelled a moment ago is asked no more."""
    return queue(judged_stories(database(), now() - timedelta(days=days), MOST_STORIES), size, seed)


@st.cache_data(ttl=CHART_TTL_S, max_entries=100, show_spinner=False)
def body(article: str) -> str:
    found = stored_articles(database(), [article])
    return found[article].article.body if article in found else ""


@st.cache_data(ttl=SLOW_TTL_S, max_entries=4, show_spinner=False)
def publisher_families() -> list[str]:
    return read_stories.publisher_families(database())
