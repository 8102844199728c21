"""The poller: fair, stubborn, and nothing remembered that wasn't appended."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from ingest.feeds import Source
from ingest.fetch import Fetcher, Limits
from ingest.log import patient
from ingest.poller import Poller
from ingest.states import MemoryStates
from monitor.errors import Unavailable
from monitor.types import Feed, RawArticle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CADENCE = timedelta(minutes=5)


def source(name: str, url: str) -> Source:
    return Source(Feed(name=name, url=url, kind="news", publisher=name, family=name, cadence=CADENCE))


def rss(*titles: str) -> str:
    items = "".join(
        f"<item><title>{title}</title><link>/{title}</link><pubDate>Mon, 23 Nov 2026 10:00:00 GMT</pubDate></item>"
        for title in titles
    )
    return f"<rss version='2.0'><channel><title>T</title>{items}</channel></rss>"


@dataclass
class Log:
    """An append-only log that can be away."""

    articles: list[RawArticle] = field(default_factory=list)
    refusals: int = 0

    def publish(self, articles: Sequence[RawArticle], /) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("the log is away")
        self.articles += articles


@dataclass
class Bench:
    """A poller with a clock that tests move."""

    log: Log = field(default_factory=Log)
    states: MemoryStates = field(default_factory=MemoryStates)
    at: datetime = NOW

    def poller(self, *sources: Source, worker: str = "w1") -> Poller:
        fetcher = Fetcher(allow_private=True, limits=Limits(read_s=0.6, total_s=1.5))
        self.states.register([one.feed for one in sources])
        return Poller(
            sources, self.log.publish, self.states, fetcher, worker, lambda: self.at, host_spacing=timedelta(0)
        )

    def round(self, poller: Poller) -> None:
        """Visit once what is due now, one after the other."""
        names = [one.feed.name for one in poller.sources]
        for state in self.states.take(names, 99, poller.worker, self.at, timedelta(minutes=5)):
            poller.visit(next(one for one in poller.sources if one.feed.name == state.name), state)

    def later(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def until(condition: Callable[[], bool], seconds: float = 8) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)


def test_first_fetch_is_a_catch_up_then_news_is_live_and_a_long_gap_is_a_catch_up_again(
    server: Any, bench: Bench
) -> None:
    poller = bench.poller(source("a", server.serve("/a", rss("one"))))
    bench.round(poller)
    server.serve("/a", rss("one", "two"))
    bench.later(6)
    bench.round(poller)
    server.serve("/a", rss("two", "three"))
    bench.later(60)
    bench.round(poller)
    published = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert [(one.title, one.is_backfill, one.counted_at) for one in bench.log.articles] == [
        ("one", True, published),
        ("two", False, NOW + timedelta(minutes=6)),
        ("three", True, published),
    ]


def test_nothing_is_asked_before_it_is_due(server: Any, bench: Bench) -> None:
    poller = bench.poller(source("a", server.serve("/a", rss("one"))))
    bench.round(poller)
    bench.later(4.9)
    bench.round(poller)
    assert len(server.requests) == 1


def test_etag_is_remembered_only_once_the_feed_was_read_and_appended(server: Any, bench: Bench) -> None:
    feed = source("a", server.serve("/a", "<html>maintenance</html>", ETag='"bad"'))
    poller = bench.poller(feed)
    bench.round(poller)
    assert bench.states.states["a"].etag is None
    assert "web page" in (bench.states.states["a"].error or "")

    server.serve("/a", rss("one"), ETag='"good"', Last_Modified="Mon, 23 Nov 2026 10:00:00 GMT")
    bench.log.refusals = 1
    bench.later(6)
    with pytest.raises(Unavailable):
        bench.round(poller)
    assert bench.states.states["a"].etag is None, "appending failed, so a 304 must not hide the articles"

    bench.later(6)
    bench.round(poller)
    assert [one.title for one in bench.log.articles] == ["one"]
    bench.later(6)
    bench.round(poller)
    assert server.requests[-1][1]["if-none-match"] == '"good"'
    assert server.requests[-1][1]["if-modified-since"] == "Mon, 23 Nov 2026 10:00:00 GMT"


def test_a_304_is_a_success_that_keeps_the_etag(server: Any, bench: Bench) -> None:
    poller = bench.poller(source("a", server.serve("/a", rss("one"), ETag='"v1"')))
    bench.round(poller)
    server.serve("/a", "", 304)
    bench.later(6)
    bench.round(poller)
    state = bench.states.states["a"]
    assert (state.etag, state.failures, state.ok_at, state.articles) == ('"v1"', 0, bench.at, 1)


def test_failures_back_off_and_the_servers_wish_counts(server: Any, bench: Bench) -> None:
    poller = bench.poller(source("a", server.serve("/a", "", 503, Retry_After="7200")))
    bench.round(poller)
    state = bench.states.states["a"]
    assert state.failures == 1
    assert "503" in (state.error or "")
    assert state.next_at is not None
    assert timedelta(hours=2) <= state.next_at - NOW < timedelta(hours=2.3)


def test_one_bad_source_of_each_sort_stops_no_other(server: Any, bench: Bench) -> None:
    def hang(_request: BaseHTTPRequestHandler) -> None:
        time.sleep(1.2)

    def drop(request: BaseHTTPRequestHandler) -> None:
        request.connection.shutdown(socket.SHUT_RDWR)

    sources = [
        source("hangs", server.on("/hangs", hang)),
        source("drops", server.on("/drops", drop)),
        source("page", server.serve("/page", "<html>")),
        source("bomb", server.serve("/bomb", "<!DOCTYPE x [<!ENTITY a 'b'>]><rss/>")),
        source("gone", server.serve("/gone", "", 410)),
        source("loop", server.serve("/loop", "", 302, Location="/loop")),
        source("nowhere", "http://127.0.0.1:9/"),
        source("odd", "http://[::1/"),
        source("good", server.serve("/good", rss("one"))),
    ]
    poller = bench.poller(*sources)
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    until(lambda: all(state.asked_at for state in bench.states.states.values()))
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert [one.title for one in bench.log.articles] == ["one"]
    errors = {name: state.error for name, state in bench.states.states.items()}
    assert errors.pop("good") is None
    assert all(errors.values())
    assert len(set(errors.values())) >= 7, "each says its own reason"


def test_a_hanging_host_with_many_feeds_leaves_room_for_others(server: Any, bench: Bench) -> None:
    hanging = threading.Event()
    at_once: list[int] = []
    lock, under_way = threading.Lock(), [0]

    def hang(_request: BaseHTTPRequestHandler) -> None:
        with lock:
            under_way[0] += 1
            at_once.append(under_way[0])
        hanging.wait(0.4)
        with lock:
            under_way[0] -= 1

    many = [source(f"h{number}", server.on(f"/h{number}", hang)) for number in range(20)]
    other = source("other", server.url("/other", host="127.0.0.2"))
    server.serve("/other", rss("one"))
    poller = bench.poller(*many, other)
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    until(lambda: bool(bench.log.articles), 3)
    stop.set()
    hanging.set()
    thread.join(10)
    assert max(at_once) <= 2


def test_a_host_is_asked_one_thing_at_a_time_and_left_alone_when_it_asks_for_that(server: Any, bench: Bench) -> None:
    polite = source("polite", server.serve("/polite", rss("one")))
    busy = source("busy", server.serve("/busy", "", 429, Retry_After="3600"))
    elsewhere = source("elsewhere", server.url("/elsewhere", host="127.0.0.2"))
    poller = bench.poller(busy, polite, elsewhere)
    poller.host_spacing = timedelta(seconds=1)

    def asked() -> list[str]:
        found = []
        while next_one := poller._next([]):
            found.append(next_one[0].feed.name)
            poller.visit(*next_one)
        return sorted(found)

    server.serve("/elsewhere", rss("two"))
    assert asked() == ["busy", "elsewhere"]
    bench.later(30)
    assert asked() == ["elsewhere"], "the other feed of the host that asked for an hour has to wait as well"
    bench.later(31)
    assert asked() == ["elsewhere", "polite"]


def test_two_pollers_share_the_sources_and_a_dead_ones_come_back(server: Any, bench: Bench) -> None:
    sources = [source(f"s{number}", server.serve(f"/s{number}", rss(f"n{number}"))) for number in range(6)]
    first, second = bench.poller(*sources), bench.poller(*sources, worker="w2")
    names = [one.feed.name for one in sources]
    lost = bench.states.take(names, 3, first.worker, bench.at, timedelta(minutes=5))  # taken, then killed
    bench.round(second)
    assert len(bench.log.articles) == 3
    bench.later(5.1)
    bench.round(second)
    assert {one.title for one in bench.log.articles} == {f"n{number}" for number in range(6)}
    bench.states.save(lost[0], first.worker)
    assert bench.states.states[lost[0].name].ok_at is not None, "who lost a source can't overwrite what came after"


def test_a_log_that_is_away_is_waited_for(server: Any, bench: Bench) -> None:
    waits: list[float] = []
    poller = bench.poller(source("a", server.serve("/a", rss("one"))))
    poller.publish = patient(bench.log.publish, sleep=waits.append)
    bench.log.refusals = 3
    bench.round(poller)
    assert [one.title for one in bench.log.articles] == ["one"]
    assert len(waits) == 3
    assert waits[2] > waits[0]


def test_a_fault_of_ours_ends_the_program_instead_of_being_swallowed(server: Any, bench: Bench) -> None:
    poller = bench.poller(source("a", server.serve("/a", rss("one"))))

    def broken(_articles: Sequence[RawArticle], /) -> None:
        raise ZeroDivisionError

    poller.publish = broken
    with pytest.raises(ZeroDivisionError):
        poller.run(threading.Event())


def test_told_to_stop_it_stops_while_a_source_hangs(server: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.poller.LAST_WORDS_S", 0.3)
    begun = threading.Event()

    def hang(_request: BaseHTTPRequestHandler) -> None:
        begun.set()
        time.sleep(1.0)

    poller = bench.poller(source("a", server.on("/a", hang)))
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    assert begun.wait(5)
    started = time.monotonic()
    stop.set()
    thread.join(5)
    assert time.monotonic() - started < 1.5
