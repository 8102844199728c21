"""The simulated world running: nothing twice, nothing lost, and feeds that look alive."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from ingest.simulation import SimulatedNews, simulated_feeds
from ingest.simulator.crisis import crisis_company
from ingest.sources.simulate import Simulation, crisis
from ingest.states import MemoryStates
from monitor.types import RawArticle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def test_history_then_live_then_crisis_are_each_published_once_and_the_feeds_are_healthy() -> None:
    articles: list[RawArticle] = []
    states = MemoryStates()
    news = SimulatedNews(Simulation(NOW), articles.extend, states)
    filled = news.fill(NOW - MONTH, NOW)
    assert filled == len(articles) > 2700
    healthy = states.states.values()
    assert len(healthy) == len(simulated_feeds()) == 20
    assert sum(state.articles for state in healthy) == filled
    assert all(state.ok_at == NOW and state.gaps_s and state.article_at and state.article_at < NOW for state in healthy)

    at = NOW
    for _ in range(5):
        at = news.tick(at, at + timedelta(seconds=20))
    begins = news.start_crisis(crisis_company(0), at)
    assert begins == at + timedelta(seconds=1), "the present tick has gone by"
    at = news.tick(at, begins)
    assert sum(article.seen == begins for article in articles[filled:]) >= 12
    while at < NOW + timedelta(minutes=10):
        at = news.tick(at, at + timedelta(seconds=5))
    live = articles[filled:]
    assert len({article.url for article in articles}) == len(articles)
    assert {article.url for _, article in crisis(crisis_company(0), begins)} <= {article.url for article in live}
    assert sum(state.articles for state in states.states.values()) >= len(articles) - 3


def test_it_stops_when_told() -> None:
    stop = threading.Event()
    ticks: list[datetime] = []

    def clock() -> datetime:
        ticks.append(NOW + timedelta(seconds=len(ticks)))
        if len(ticks) == 3:
            stop.set()
        return ticks[-1]

    SimulatedNews(Simulation(NOW), lambda _articles: None, MemoryStates()).run(NOW, stop, clock)
    assert len(ticks) == 3
