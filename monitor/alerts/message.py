"""An episode -> what a reader is told, in words that need no dashboard. Pure; sends nothing, signs nothing.

A Message is plain data: it waits in the outbox and is rendered per channel when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerts.chart import Chart
from monitor.alerts.episodes import CALM, Episode, Evidence, witnesses
from monitor.alerts.evaluate import ENDS
from monitor.alerts.notices import Notice
from monitor.types import Scope

Sort = Literal["first", "worse", "reminder", "closed", "list", "notice", "test"]
STORIES_SHOWN = 5
RAREST_YEARS = 10
"""A history of weeks cannot vouch for more."""
HEADLINE_CHARS = 140
LATELY, LONG = timedelta(hours=1), timedelta(hours=2)
"""Of an event that goes on for long, a reader wants to know what is new."""


class StoryLine(msgspec.Struct, frozen=True):
    """A story as a message shows it."""

    title: str
    publishers: str
    at: datetime
    url: str | None = None


class ListLine(msgspec.Struct, frozen=True):
    """One of many alerts in a list."""

    words: str
    url: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader is told."""

    sort: Sort
    title: str
    lines: tuple[str, ...]
    """What comes first: what, how much, since when, how rare."""
    stories: tuple[StoryLine, ...] = ()
    alerts: tuple[ListLine, ...] = ()
    more: int = 0
    """Stories, or alerts of a list, that are not shown."""
    chart: Chart | None = None
    after: tuple[str, ...] = ()
    """What comes last: what else rises, how complete the data are."""
    link: str = ""
    episode: str | None = None
    """Whose acknowledge and noise links the sender signs."""
    zone: str = "UTC"


class Naming(msgspec.Struct, frozen=True):
    """How things are called, and where the dashboard is."""

    companies: Mapping[str, str]
    dashboard_url: str
    zone: str = "UTC"


def of_episode(notice: Notice, evidence: Sequence[Evidence], chart: Chart | None, naming: Naming) -> Message:
    """The message for one episode: what, how much, how rare, through what, how sure."""
    episode = notice.episode
    if episode.phase in CALM:  # what came later is no part of it
        evidence = sorted(evidence, key=lambda one: one.at)[: episode.seen]
    name = scope_name(episode.scope, naming.companies)
    stories = ranked(evidence)
    if notice.reason in ("worse", "reminder"):
        stories.sort(key=lambda one: one.at < notice.at - LATELY)
    return Message(
        sort="closed" if notice.reason == "unwatched" else notice.reason,
        title=_title(notice, name),
        lines=tuple(_lines(notice, evidence, naming)),
        after=tuple(_after(notice, naming)),
        stories=tuple(map(story_line, stories[:STORIES_SHOWN])) if notice.reason not in ENDS else (),
        more=max(0, len(stories) - STORIES_SHOWN) if notice.reason not in ENDS else 0,
        chart=chart,
        link=episode_link(episode, naming.dashboard_url),
        episode=episode.id,
        zone=naming.zone,
    )


def _title(notice: Notice, name: str) -> str:
    episode = notice.episode
    mood = episode.sentiment
    match notice.reason:
        case "worse" if episode.reopened:
            return f"{name}: {mood} news is back"
        case "worse":
            return f"{name}: {mood} news still rising"
        case "reminder":
            return f"{name}: {mood} news still above normal"
        case "closed":
            return f"{name}: back to normal"
        case "unwatched":
            return f"{name}: no longer watched"
    return f"{name}: surge of {mood} news"


def _lines(notice: Notice, evidence: Sequence[Evidence], naming: Naming) -> list[str]:
    episode, zone = notice.episode, ZoneInfo(naming.zone)
    since = episode.since.astimezone(zone)
    told_by = max(episode.publishers, len(witnesses(evidence)))
    stories = max(episode.seen, len(evidence))
    seen = f"{plural(stories, f'{episode.sentiment} story')} from {plural(told_by, 'publisher')}"
    if notice.reason in ENDS:
        ended = (episode.ended or notice.at).astimezone(zone)
        why = "No longer above normal."
        if notice.reason == "unwatched":
            why = f"Closed because {ENDS['unwatched']}, whether or not it goes on."
        return [f"{why} It ran from {clock(since)} to {clock(ended, since)}: {seen}."]
    length = f"({span(notice.at - episode.since)}){_lately(notice, evidence)}"
    out = [
        f"{seen} since {clock(since)} {length}; {usual(episode)}.",
        f"{rarity(episode.peak)} {_reason(episode)}".strip(),
    ]
    if episode.phase == "closed":
        out.append(f"It is over since {clock((episode.ended or notice.at).astimezone(zone))}.")
    return out


def _lately(notice: Notice, evidence: Sequence[Evidence]) -> str:
    if notice.at - notice.episode.since < LONG:
        return ""
    new = sum(one.at > notice.at - LATELY for one in evidence)
    return f", {new or 'none'} in the last hour"


def _after(notice: Notice, naming: Naming) -> list[str]:
    episode, out = notice.episode, []
    if notice.reason not in ENDS:
        if episode.also:
            also = [scope_name(one, naming.companies) for one in episode.also[:4]]
            out.append(f"Rising through the same stories: {', '.join(also)}{' …' if len(episode.also) > 4 else ''}.")
        missing = "; ".join(episode.missing)
        complete = "Data were complete." if episode.phase == "closed" else "Data are complete."
        out.append(f"Data are incomplete, so it may be more: {missing}." if missing else complete)
    return [*out, notice.note] if notice.note else out


def usual(episode: Episode) -> str:
    among = "among as many stories" if episode.reason == "share" else "here in that time"
    return f"usual {among}: {number(episode.expected)}"


def number(expected: float) -> str:
    return "fewer than 0.1" if expected < 0.1 else f"{expected:.1f}" if expected < 10 else f"{expected:.0f}"


def _reason(episode: Episode) -> str:
    if episode.reason == "share":
        return f"A larger part of the stories than usual is {episode.sentiment}."
    return "More news altogether, in its usual mix." if episode.volume_only else ""


def rarity(severity: float) -> str:
    """How often chance alone brings this on this very series."""
    if severity == 0.0:  # a fixed level reached where that is nothing rare
        return "By chance, at any time here."
    weeks = 10.0 ** min(severity, 12.0)  # a bursty scope's severities reach hundreds
    if weeks >= RAREST_YEARS * 52:
        return f"By chance, less than once in {RAREST_YEARS} years here."
    if weeks >= 104:
        return f"By chance, about once in {weeks / 52:.0f} years here."
    if weeks >= 9:
        return f"By chance, about once in {weeks / 4.35:.0f} months here."
    if weeks >= 1.5:
        return f"By chance, about once in {weeks:.0f} weeks here."
    return "By chance, about once a week here." if weeks >= 0.7 else "By chance, several times a week here."


def scope_name(key: str, companies: Mapping[str, str]) -> str:
    """`Delmare Lines (DELM) · Legal | Regulation`."""
    scope = Scope.of(key)
    if scope.company is None:
        return scope.topic or "All news"
    name = companies.get(scope.company, scope.company)
    company = name if name == scope.company else f"{name} ({scope.company})"
    return f"{company} · {scope.topic}" if scope.topic else company


def ranked(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Most told first, then newest."""
    return sorted(evidence, key=lambda one: (-len(one.families), -one.at.timestamp(), one.story))


def story_line(one: Evidence) -> StoryLine:
    others = len(one.families) - 1
    told_by = f"{one.publisher} and {plural(others, 'other')}" if others > 0 else one.publisher
    title = one.title if len(one.title) <= HEADLINE_CHARS else f"{one.title[: HEADLINE_CHARS - 1].rstrip()}…"
    return StoryLine(title, told_by, one.at, one.url)


def episode_link(episode: Episode, dashboard_url: str) -> str:
    return f"{page_of(dashboard_url, 'alerts')}?{urlencode({'episode': episode.id})}"


def page_of(dashboard_url: str, name: str) -> str:
    """The address of one of the dashboard's pages."""
    return f"{dashboard_url.rstrip('/')}/{name}"


def plural(number: int, word: str) -> str:
    many = f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeo" else f"{word}s"
    return f"{number:,} {word if number == 1 else many}"


def span(length: timedelta) -> str:
    minutes = max(1, round(length.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.0f} hours" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"


def clock(at: datetime, beside: datetime | None = None) -> str:
    """`24 Nov 10:02 UTC`; beside a moment of the same day only `10:40 UTC`."""
    zone = at.tzname() or "UTC"
    return f"{at:%H:%M} {zone}" if beside and beside.date() == at.date() else f"{at.day} {at:%b %H:%M} {zone}"
