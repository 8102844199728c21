"""Values -> HTML, every foreign character escaped. Pure; the only place where the dashboard writes HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from html import escape
from urllib.parse import urlencode, urlsplit

from monitor.store.read_stories import Headline
from monitor.types import Scope

_MARKS = {"negative": ("t-neg", "▼"), "neutral": ("t-neu", "●"), "positive": ("t-pos", "▲")}
MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~$:")


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure of the line on top of a page. `tone` colours the value: neg, pos, warn or nothing."""

    name: str
    value: str
    detail: str = ""
    tone: str = ""
    href: str | None = None


def kpi_line(kpis: Iterable[Kpi]) -> str:
    cells = []
    for kpi in kpis:
        value = f'<span class="t-{kpi.tone}">{escape(kpi.value)}</span>' if kpi.tone else escape(kpi.value)
        if kpi.href:
            value = f'<a href="{escape(kpi.href, quote=True)}" target="_self">{value}</a>'
        cells.append(
            f'<div class="t-kpi"><div class="k">{escape(kpi.name)}</div><div class="v">{value}</div>'
            f'<div class="d">{escape(kpi.detail)}</div></div>'
        )
    return f'<div class="t-kpis">{"".join(cells)}</div>'


def heading(words: str, note: str = "") -> str:
    return f'<div class="t-h">{escape(words)}<small>{escape(note)}</small></div>'


def legend(*, usual: bool) -> str:
    """What the colours of a pulse chart mean."""
    marks = "".join(
        f'<span class="t-bar {css}" style="width:.6rem"></span> {name} '
        for css, name in (("neg", "negative"), ("neu", "neutral"), ("pos", "positive"))
    )
    lines = '<i class="dot"></i> usual negative <i></i> rarely above' if usual else ""
    return f'<div class="t-legend">{marks}{lines}</div>'


def signed(value: float) -> str:
    """+0.12 or −0.12, with a true minus."""
    return f"{value:+.2f}".replace("-", "−")


def empty(words: str, detail: str = "") -> str:
    return f'<div class="t-empty"><b>{escape(words)}</b> {escape(detail)}</div>'


def note(words: str) -> str:
    return f'<div class="t-note">{escape(words)}</div>'


def note_link(words: str, href: str) -> str:
    return f'<div class="t-note">{link(words, href)}</div>'


def mark(sentiment: str | None) -> str:
    """A sign for a sentiment: shape and colour both say it, and a screen reader hears it."""
    tone, sign = _MARKS.get(sentiment or "", ("t-neu", "·"))
    name = escape(sentiment or "not scored")
    return f'<span class="t-mark {tone}" role="img" aria-label="{name}" title="{name}">{sign}</span>'


def clock(at: datetime, zone: tzinfo, now: datetime) -> str:
    """A time in the reader's zone, with UTC for the pointer: 10:05 today, else 24 Nov 10:05."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    shape = "%H:%M" if local.date() == today.date() else "%-d %b %H:%M"
    if local.year != today.year:
        shape = "%-d %b %Y"
    return f'<time datetime="{at.isoformat()}" title="{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC">{local:{shape}}</time>'


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: 40 s, 5 min, 3 h, 2 days."""
    return "never" if at is None else duration(now - at) + " ago"


def duration(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 129_600 else f"{round(seconds / 86_400)} days"


def number(value: float) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def safe_url(url: str | None) -> str | None:
    """The URL where it is http or https with a host, else None: no script, no file, no data."""
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def plain(words: str) -> str:
    """Foreign words for a widget's label, which Streamlit reads as Markdown."""
    return "".join(f"\\{sign}" if sign in MARKDOWN else sign for sign in " ".join(words.split()))


def page_link(page: str, params: Mapping[str, str | None]) -> str:
    kept = {name: value for name, value in params.items() if value}
    return f"{page}?{urlencode(kept)}" if kept else page


def scope_link(scope: str, params: Mapping[str, str | None]) -> str:
    """The page of a scope: its company's where it has one, else its topic's, else the overview."""
    one = Scope.of(scope)
    if one.company:
        return page_link("company", {**params, "company": one.company})
    return page_link("topic", {**params, "topic": one.topic}) if one.topic else page_link("./", params)


def scope_name(scope: str, names: Mapping[str, str]) -> str:
    """How a person calls a scope: `Norvane Motors · Legal | Regulation`."""
    one = Scope.of(scope)
    parts = [names.get(one.company, one.company)] if one.company else []
    return " · ".join([*parts, *([one.topic] if one.topic else [])]) or "All news"


def news_list(
    rows: Sequence[Headline],
    zone: tzinfo,
    now: datetime,
    params: Mapping[str, str | None],
    *,
    here: Mapping[str, str] | None = None,
) -> str:
    """Headlines with time, sentiment, publisher, topic and companies; with `here`, the page's own parameters,
    each has a link that opens the dialog to correct its labels."""
    items = "".join(_news_item(row, zone, now, params, here) for row in rows)
    today = now.astimezone(zone).date()
    dated = any(row.counted_at.astimezone(zone).date() != today for row in rows)
    return f'<ul class="t-list{" t-dated" if dated else ""}">{items}</ul>'


def _news_item(
    row: Headline, zone: tzinfo, now: datetime, params: Mapping[str, str | None], here: Mapping[str, str] | None
) -> str:
    title = outward(row.title, row.url)
    meta = [escape(row.publisher)]
    if row.publishers > 1:
        meta[0] += f" + {row.publishers - 1} more"
    if row.topic:
        meta.append(link(row.topic, page_link("topic", {**params, "topic": row.topic})))
    meta += [
        f"{link(one.name, page_link('company', {**params, 'company': one.company}))}{mark(one.sentiment)}"
        for one in row.companies
    ]
    if row.topic_by_person or row.sentiment_by_person:
        meta.append("corrected")
    fix = ""
    if here is not None:
        href = escape(page_link("", {**here, "correct": row.article}), quote=True)
        fix = f' <a class="t-fix" href="{href}" target="_self">correct</a>'
    return (
        f"<li>{clock(row.counted_at, zone, now)}{mark(row.sentiment)}"
        f'<div>{title} <span class="meta"> {" · ".join(meta)}{fix}</span></div></li>'
    )


def outward(words: str, url: str | None) -> str:
    """A headline that leads to its publisher's page, in a tab of its own; without a safe URL the words alone."""
    safe = safe_url(url)
    if safe is None:
        return f'<span class="head">{escape(words)}</span>'
    href = escape(safe, quote=True)
    return f'<a class="head" href="{href}" target="_blank" rel="noopener noreferrer">{escape(words)}</a>'


def link(words: str, href: str) -> str:
    return f'<a href="{escape(href, quote=True)}" target="_self">{escape(words)}</a>'


def table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; `head` is (title, class) for each column."""
    titles = "".join(f'<th class="{css}">{escape(title)}</th>' for title, css in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="{css}">{cell}</td>' for cell, (_, css) in zip(row, head, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<table class="t-table"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def split_bar(negative: int, neutral: int, positive: int, most: int, width: int = 110) -> str:
    """Negative, neutral and positive stories as one small bar, `width` pixels at `most`."""
    parts = (("neg", negative), ("neu", neutral), ("pos", positive))
    scale = width / max(most, 1)
    bars = "".join(f'<span class="t-bar {css}" style="width:{count * scale:.1f}px"></span>' for css, count in parts)
    words = f"{negative} negative, {neutral} neutral, {positive} positive"
    return f'<span role="img" aria-label="{words}" title="{words}">{bars}</span>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of name and value; values are HTML already."""
    return '<dl class="t-facts">' + "".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in pairs) + "</dl>"
