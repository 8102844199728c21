"""The poller under a clock that is set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from monitor.types import FeedState
from tests.ingest.test_poller import Bench, rss, source


def test_a_host_rests_no_longer_for_a_clock_that_was_set_back(server: Any) -> None:
    bench = Bench()
    poller = bench.poller(source("a", server.serve("/a", rss("one"))))
    poller.host_spacing = timedelta(seconds=1)
    assert poller._next([])
    poller.states.save(FeedState(name="a", asked_at=bench.at, next_at=bench.at), poller.worker)
    bench.later(-9 * 60)
    assert poller._next([])
