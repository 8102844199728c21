"""The dashboard's pure parts: filters and URLs, what is usual, feeds' states, HTML, the address it listens on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard import charts, health, markup, serve, theme
from dashboard.filters import Chosen, chosen_of, moment, movers_window, view_of, weeks_before
from dashboard.heat import heat
from dashboard.usual import days_to_go, movers, usual
from monitor.alerts.completeness import SilentFeed
from monitor.errors import UsageError
from monitor.settings import Settings
from monitor.store.read_health import FeedHealth
from monitor.store.reads import Cell, Point, Span

NOW = datetime(2026, 3, 10, 9, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_nearby_moments_ask_the_same_question() -> None:
    first = view_of("24h", "All", "Europe/Berlin", NOW)
    assert first == view_of("24h", "All", "Europe/Berlin", NOW + timedelta(minutes=20))
    assert first.until == datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
    assert first.since == first.until - DAY


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "UTC"])
def test_days_of_a_long_window_begin_at_the_reader_s_midnight(zone: str) -> None:
    view = view_of("90d", "All", zone, NOW)
    assert view.until.astimezone(view.zone).hour == view.until.astimezone(view.zone).minute == 0


def test_a_point_survives_its_way_through_the_url() -> None:
    point = Chosen("company:NRVN|topic:Legal | Regulation", NOW - HOUR, NOW)
    assert chosen_of(point.to_params()) == point


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"from": "x", "to": "y"},
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"scope": "bad", "from": "2026-01-01", "to": "2026-01-02"},
    ],
)
def test_a_senseless_point_is_no_point(params: dict[str, str]) -> None:
    assert chosen_of(params) is None


def test_a_time_without_zone_is_utc() -> None:
    assert moment("2026-03-10T09:07") == NOW
    assert moment("soon") is None
    assert moment("0001-01-01") is moment("9999-12-31T23:59Z") is None


def test_movers_of_a_long_window_are_those_of_its_last_week() -> None:
    assert movers_window(view_of("90d", "All", "UTC", NOW)).length == timedelta(days=7)
    assert movers_window(view_of("24h", "All", "UTC", NOW)).length == DAY


def test_the_windows_that_tell_what_is_usual_never_overlap() -> None:
    begins = NOW - timedelta(days=400)
    assert weeks_before(view_of("24h", "All", "UTC", NOW), begins) == (1, 2, 3, 4)
    assert weeks_before(view_of("30d", "All", "UTC", NOW), begins) == (5, 10, 15, 20)
    assert weeks_before(view_of("30d", "All", "UTC", NOW), NOW - timedelta(days=30)) == ()


def test_a_midnight_within_an_hour_is_read_from_finer_buckets() -> None:
    india, utc = (view_of("7d", "All", zone, NOW) for zone in ("Asia/Kolkata", "UTC"))
    assert (india.stored, india.heat_stored, utc.stored, utc.heat_stored) == (5, 5, 60, 60)
    quarter = view_of("90d", "All", "Asia/Kolkata", NOW)
    assert (quarter.stored, quarter.heat_stored) == (5, 1440)


def _history(per_hour: int) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    past = pd.date_range(NOW - 40 * DAY, NOW, freq="1h", inclusive="left")
    table = pd.DataFrame({"total": 10.0, "negative": float(per_hour)}, index=past)
    return table, past[-24:]


def test_usual_is_what_the_same_hours_of_the_weeks_before_held() -> None:
    table, steps = _history(4)
    found = usual(table, steps, HOUR, NOW - 40 * DAY)
    assert found is not None
    assert found.negative.eq(4).all()
    assert found.upper.eq(4 + 2 * 4**0.5).all()


def test_nothing_is_usual_before_two_weeks_are_known() -> None:
    table, steps = _history(4)
    assert usual(table, steps, HOUR, NOW - 12 * DAY) is None
    assert days_to_go(NOW - 12 * DAY, NOW - DAY) == 3


def test_the_biggest_mover_is_the_most_surprising_not_the_largest() -> None:
    spans = [Span("company:BIG", ago, 200, 100 + ago, 0, 0.0) for ago in range(5)]
    spans += [Span("company:SMALL", 0, 12, 12, 0, 0.0), Span("company:SMALL", 2, 1, 1, 0, 0.0)]
    found = movers(spans, 4)
    assert [mover.now.scope for mover in found][:1] == ["company:SMALL"]
    assert found[0].expected == 0.25


def test_a_scope_that_fell_silent_moved_too() -> None:
    found = movers([Span("topic:T", ago, 40, 30, 0, 0.0) for ago in (1, 2, 3, 4)], 4)
    assert found[0].surprise < -1


def feed(**changes: object) -> FeedHealth:
    known: dict[str, object] = {
        "name": "a",
        "url": "https://a.example",
        "kind": "news",
        "publisher": "A",
        "cadence": timedelta(minutes=5),
        "failures": 0,
        "error": None,
        "articles": 3,
        "next_at": NOW + HOUR,
        "asked_at": NOW,
        "ok_at": NOW,
        "article_at": NOW - HOUR / 2,
        "gaps_s": (600, 900),
    }
    return FeedHealth(**(known | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "ok", "30 min ago"),
        ({"failures": 1, "error": "HTTP 503"}, "failing", "HTTP 503 (once)"),
        ({"article_at": NOW - 9 * HOUR, "name": "silent"}, "late", "silent for 9 h, usually at most 5 h"),
        ({"article_at": NOW - 9 * HOUR}, "ok", "9 h ago"),
        ({"asked_at": NOW - HOUR, "next_at": NOW - HOUR}, "late", "is ingest running?"),
        ({"asked_at": NOW - HOUR, "next_at": NOW + HOUR}, "ok", "30 min ago"),
        ({"asked_at": None}, "new", "not asked yet"),
        ({"article_at": None}, "new", "no article yet"),
    ],
)
def test_a_feed_s_state_says_why(changes: dict[str, object], state: str, words: str) -> None:
    silent = {"silent": SilentFeed("silent", NOW - 9 * HOUR, 5 * HOUR, None)}
    (judged,) = health.judge([feed(**changes)], silent, NOW)
    assert judged.state == state
    assert words in judged.why


def test_the_worst_feed_comes_first() -> None:
    judged = health.judge([feed(name="a"), feed(name="b", failures=2), feed(name="c", asked_at=None)], {}, NOW)
    assert [one.feed.name for one in judged] == ["b", "c", "a"]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//host/x", "https:///x", "", None, "http://["],
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert markup.safe_url(url) is None


def test_foreign_words_are_escaped_wherever_they_stand() -> None:
    bad = '"><script>'
    for html in (
        markup.kpi_line([markup.Kpi(bad, bad, bad, href=bad)]),
        markup.heading(bad, bad),
        markup.empty(bad, bad),
        markup.link(bad, bad),
        markup.mark(bad),
        markup.table([(bad, "n")], []),
        markup.facts([(bad, "x")]),
    ):
        assert "<script>" not in html


def test_foreign_words_in_a_label_are_no_markdown() -> None:
    assert markup.plain("![x](http://a.b) *c*\n# d") == r"\!\[x\]\(http\://a\.b\) \*c\* \# d"


def test_a_time_is_the_reader_s_with_utc_for_the_pointer() -> None:
    view = view_of("24h", "All", "Asia/Tokyo", NOW)
    said = markup.clock(NOW, view.zone, NOW)
    assert ">18:07<" in said
    assert "2026-03-10 09:07 UTC" in said


def test_every_step_of_a_window_is_in_the_frame() -> None:
    view = view_of("24h", "All", "Asia/Kathmandu", NOW)
    step = view.grain.step
    table = charts.frame([Point(view.since + 3 * step, 5, 2, 1, -0.5)], view.since, view.until, step)
    assert len(table) == 48
    assert table.total.sum() == 5
    assert table.index[3].to_pydatetime() == view.since + 3 * step


def test_every_mark_of_the_charts_leads_to_its_stories() -> None:
    view = view_of("24h", "All", "UTC", NOW)
    table = charts.frame([Point(view.since, 5, 2, 1, -0.5)], view.since, view.until, view.grain.step)
    pulse = charts.pulse(table, None, view, theme.PALETTES["light"], "all", None)
    columns = [trace for trace in pulse.data if trace.customdata is not None]
    assert len(columns) == 2
    assert all(len(trace.customdata) == 48 for trace in columns)
    cells = heat([Cell("topic:IPO", view.since, 2, 1, 0, -0.4)], view, theme.PALETTES["dark"], None)
    assert list(cells.data[1].customdata[0][:3]) == ["topic:IPO", "2026-03-09T09:30Z", "2026-03-09T10:30Z"]


def test_the_dashboard_refuses_an_open_door() -> None:
    with pytest.raises(UsageError, match="--insecure"):
        serve.command(Settings(dashboard_host="0.0.0.0"))
    assert "--server.address=0.0.0.0" in serve.command(Settings(dashboard_host="0.0.0.0"), insecure=True)
    for host in ("127.0.0.1", "::1", "localhost"):
        assert f"--server.address={host}" in serve.command(Settings(dashboard_host=host), 8601)


def test_the_dashboard_tells_nobody_that_it_runs() -> None:
    assert "--browser.gatherUsageStats=false" in serve.command(Settings())
