"""Feeds and health: which sources speak, how far the rows have come, what was refused, how channels do. Shows only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape

import streamlit as st

from dashboard import alert_data, data, health, markup, parts
from dashboard.health import Judged
from dashboard.markup import Kpi
from monitor.store.read_delivery import ChannelState
from monitor.store.read_health import DeadLetter, Partition, TableSize
from monitor.store.reads import Service

LAG_WORTH_A_WARNING = timedelta(minutes=10)
_CHIPS = {"failing": "t-chip bad", "late": "t-chip late", "new": "t-chip", "ok": "t-chip"}


def page() -> None:
    st.html("<h1>Feeds and health</h1>")
    body()


@parts.by_itself(every="15s")
def body() -> None:
    """All of the page, as it is now."""
    now, zone = data.now(), parts.zone()
    feeds = health.judge(data.feeds(), data.silent(), now)
    waiting, letters = data.dead_letters()
    partitions = data.partitions()
    total, tables = data.sizes()
    st.html(markup.kpi_line(_figures(feeds, partitions, waiting, total, data.service(), now)))
    left, right = st.columns([2.15, 1], gap="large")
    with left:
        _feeds(feeds, now, zone)
    with right:
        _partitions(partitions, now)
        _letters(letters, zone, now)
        _channels(alert_data.channel_states(), now)
        _sizes(tables)


def _figures(
    feeds: Sequence[Judged],
    partitions: Sequence[Partition],
    waiting: int,
    total: int,
    service: Service | None,
    now: datetime,
) -> list[Kpi]:
    good = sum(one.state == "ok" for one in feeds)
    bad = sum(one.state == "failing" for one in feeds)
    late = sum(one.state == "late" for one in feeds)
    saved = max((one.saved_at for one in partitions), default=None)
    return [
        Kpi("Feeds", f"{good} of {len(feeds)}", f"{bad} failing, {late} late", "warn" if bad or late else ""),
        Kpi("Last article stored", markup.ago(saved, now), f"{len(partitions)} partitions"),
        Kpi("Dead letters", markup.number(waiting), "waiting for a look", "warn" if waiting else ""),
        Kpi(
            "Model in service",
            service.version if service else "none",
            f"since {service.since:%-d %b %Y}" if service else "",
        ),
        Kpi("Database", _size(total)),
    ]


def _feeds(feeds: Sequence[Judged], now: datetime, zone: tzinfo) -> None:
    st.html(markup.heading("Feeds", "worst first"))
    if not feeds:
        st.html(markup.empty("No feed has been asked yet.", "`tocsin ingest` asks them; `tocsin sources` lists them."))
        return
    rows = [
        (
            f'<span class="{_CHIPS[one.state]}">{one.state}</span>',
            escape(one.feed.publisher) + f' <span class="mut">{escape(one.feed.kind)}</span>',
            escape(one.why),
            markup.clock(one.feed.article_at, zone, now) if one.feed.article_at else "never",
            markup.number(one.feed.articles),
            markup.duration(one.feed.cadence),
        )
        for one in feeds
    ]
    head = [("", ""), ("publisher", ""), ("how it is", "wide mut"), ("last article", "n"), ("articles", "n")]
    st.html(markup.table([*head, ("asked every", "n mut")], rows))


def _partitions(partitions: Sequence[Partition], now: datetime) -> None:
    st.html(markup.heading("Workers", "how far the rows have come"))
    if not partitions:
        st.html(markup.empty("Nothing stored yet.", "A worker writes here what it has saved."))
        return
    rows = [
        (
            f"{escape(one.topic)} / {one.partition}",
            markup.number(one.offset),
            _behind(now - one.counted_at),
            markup.ago(one.saved_at, now),
        )
        for one in partitions
    ]
    st.html(markup.table([("partition", ""), ("offset", "n"), ("news of", "n"), ("saved", "n mut")], rows))


def _behind(length: timedelta) -> str:
    words = markup.duration(length) + " ago"
    return f'<span class="t-warn">{words}</span>' if length > LAG_WORTH_A_WARNING else words


def _letters(letters: Sequence[DeadLetter], zone: tzinfo, now: datetime) -> None:
    st.html(markup.heading("Dead letters", "messages that can't become articles"))
    if not letters:
        st.html(markup.empty("None.", "Every message became an article."))
        return
    rows = [
        (
            markup.clock(one.at, zone, now),
            escape(one.reason),
            f"{one.partition}:{one.offset}" + (" retried" if one.retried_at else ""),
        )
        for one in letters[:10]
    ]
    st.html(markup.table([("", "mut"), ("reason", "wide"), ("where", "n mut")], rows))
    st.html('<div class="t-note">Look and retry: tocsin dead-letters list | show | retry</div>')


def _channels(channels: Sequence[ChannelState], now: datetime) -> None:
    if not channels:
        return
    st.html(markup.heading("Channels", "how alerts go out, last seven days"))
    rows = [
        (
            escape(one.channel),
            _how(one, now),
            markup.number(one.waiting),
            markup.ago(one.sent_at, now),
        )
        for one in channels
    ]
    st.html(markup.table([("channel", ""), ("how it is", "wide mut"), ("waiting", "n"), ("last sent", "n mut")], rows))


def _how(channel: ChannelState, now: datetime) -> str:
    lost = f"{channel.given_up} given up" if channel.given_up else ""
    if channel.away_since is None:
        return escape(lost or "works")
    words = f"away for {markup.duration(now - channel.away_since)}: {channel.error or 'no answer'}"
    return f'<span class="t-warn">{escape("; ".join(filter(None, (words, lost))))}</span>'


def _sizes(tables: Sequence[TableSize]) -> None:
    st.html(markup.heading("Database", "largest tables, rows estimated"))
    rows = [(escape(one.name), markup.number(one.rows), _size(one.bytes)) for one in tables[:8]]
    st.html(markup.table([("table", ""), ("rows", "n"), ("size", "n")], rows))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
