"""Messages about no single episode: lists, silent feeds, idle workers, lost messages, backlogs, tests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from monitor.alerts.backlog import Waiting
from monitor.alerts.completeness import SilentFeed
from monitor.alerts.episodes import Evidence
from monitor.alerts.evaluate import ENDS
from monitor.alerts.message import (
    ListLine,
    Message,
    Naming,
    clock,
    episode_link,
    number,
    page_of,
    plural,
    ranked,
    scope_name,
    span,
    story_line,
)
from monitor.alerts.notices import Notice

LISTED = 25
EARLIEST = datetime.min.replace(tzinfo=UTC)


class WorkerAlive(Protocol):
    """What is told of a worker."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def problem(self) -> str | None: ...


class ChannelAway(Protocol):
    """What is told of a channel that takes nothing."""

    @property
    def channel(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def away_since(self) -> datetime | None: ...
    @property
    def error(self) -> str | None: ...


def listed(notices: Sequence[Notice]) -> list[Notice]:
    """Of many, those that a list has room for: the rarest, these first."""
    return sorted(notices, key=lambda one: -one.episode.peak)[:LISTED]


def of_list(notices: Sequence[Notice], why: str, naming: Naming, behind: Mapping[str, Sequence[Evidence]]) -> Message:
    """Many at once: a line each with its first headline, and where the rest is. `behind`: stories by episode."""
    what = "all-clear" if all(one.reason in ENDS for one in notices) else "alert"
    title = f"Digest: {plural(len(notices), what)}"
    if why != "digest":
        title = f"{plural(len(notices), f'more {what}')} at once"
    return Message(
        sort="list",
        title=title,
        lines=(f"The rarest first, times in {naming.zone}.",) if len(notices) > 1 else (),
        alerts=tuple(_list_line(one, naming, behind.get(one.episode.id, ())) for one in listed(notices)),
        more=max(0, len(notices) - LISTED),
        link=page_of(naming.dashboard_url, "alerts"),
        zone=naming.zone,
    )


def _list_line(notice: Notice, naming: Naming, behind: Sequence[Evidence]) -> ListLine:
    episode = notice.episode
    since = episode.since.astimezone(ZoneInfo(naming.zone))
    over = "no longer watched" if notice.reason == "unwatched" else "over"
    state = over if episode.phase == "closed" else "running"
    seen = plural(episode.seen, f"{episode.sentiment} story")
    name = scope_name(episode.scope, naming.companies)
    words = f"{name}: {seen} since {since.day} {since:%b %H:%M}, usual {number(episode.expected)}; {state}"
    if behind and notice.reason not in ENDS:
        top = story_line(ranked(behind)[0])
        words = f"{words}. {top.title} ({top.publishers})"
    return ListLine(words, episode_link(episode, naming.dashboard_url))


def of_silent_feeds(feeds: Sequence[SilentFeed], naming: Naming) -> Message:
    """One message for all that have fallen silent, the longest first."""
    ordered = sorted(feeds, key=lambda one: (one.since is None, one.since or EARLIEST))
    was_there = ordered[0].since is not None
    state = ("is silent" if len(ordered) == 1 else "are silent") if was_there else "never answered"
    title = f"Feed {ordered[0].name} {state}" if len(ordered) == 1 else f"{len(ordered)} feeds {state}"
    lines = [_silence(one, naming) for one in ordered[:LISTED]]
    if len(ordered) > LISTED:
        rest = [one.name for one in ordered[LISTED:]]
        lines.append(f"{len(rest)} more: {', '.join(rest)}.")
    kept_back = (
        "Alarms go on; all-clears and alarms on the share of bad news wait."
        if was_there
        else "Look with: tocsin sources check URL. Mend its address, or take it off the list."
    )
    link = page_of(naming.dashboard_url, "feeds")
    return Message(sort="notice", title=title, lines=tuple(lines), after=(kept_back,), link=link, zone=naming.zone)


def _silence(feed: SilentFeed, naming: Naming) -> str:
    if feed.since is None:
        return f"{feed.name}: never answered since it was added; it says: {feed.error or 'nothing'}."
    at = clock(feed.since.astimezone(ZoneInfo(naming.zone)))
    says = f"it says: {feed.error}" if feed.error else "it answers, but has nothing new"
    return f"{feed.name}: last article {at}, seldom silent for more than {span(feed.usual)}; {says}."


def of_stuck(stuck: Mapping[int, Waiting], workers: Sequence[WorkerAlive], naming: Naming) -> Message:
    """Messages that no worker takes, by partition, and what the workers that live say of themselves."""
    still = min(one.still for one in stuck.values()).astimezone(ZoneInfo(naming.zone))
    waiting = plural(sum(one.messages for one in stuck.values()), "message")
    where = ", ".join(str(number) for number in sorted(stuck))
    says = [
        f"{one.name} {f'judges with {one.version}' if one.version else f'takes none: {one.problem}'}."
        for one in workers
    ]
    return Message(
        sort="notice",
        title="No worker takes messages",
        lines=(
            f"None was taken since {clock(still)}; {waiting} wait (partition {where} of the log).",
            *(says[:LISTED] or ["No worker says that it runs."]),
        ),
        after=(
            "No alert can ring for what waits. Mend what the worker's log or `tocsin status` names; start it again.",
        ),
        link=page_of(naming.dashboard_url, "feeds"),
        zone=naming.zone,
    )


def of_moving_again(waiting: int, naming: Naming) -> Message:
    """The all-clear of that."""
    line = f"{plural(waiting, 'message')} still wait; alerts are late by what they take." if waiting else "None waits."
    link = page_of(naming.dashboard_url, "feeds")
    return Message(sort="notice", title="Workers take messages again", lines=(line,), link=link, zone=naming.zone)


def of_given_up(lost: Sequence[tuple[str, str, str]], naming: Naming) -> Message:
    """To the other channels: messages that one did not take. Each of `lost` is (channel, title, error)."""
    channels = sorted({channel for channel, _, _ in lost})
    lines = [f"{title} (through {channel}: {error})" for channel, title, error in lost[:LISTED]]
    named = channels[0] if len(channels) == 1 else "CHANNEL"
    if len(lost) > LISTED:
        lines.append(f"… and {len(lost) - LISTED:,} more.")
    return Message(
        sort="notice",
        title=f"{plural(len(lost), 'message')} did not reach {' and '.join(channels)}",
        lines=tuple(lines),
        after=(
            f"They are tried no more. Mend the channel in TOCSIN_NOTIFY; `tocsin notify test {named}` tries it, "
            "`tocsin notify retry` sends them again.",
        ),
        link=page_of(naming.dashboard_url, "alerts"),
        zone=naming.zone,
    )


def of_channels_away(away: Sequence[ChannelAway], naming: Naming) -> Message:
    """To the channels that work: which others take nothing, since when, and what they say."""
    lines = [
        f"{one.channel}: since {clock(one.away_since.astimezone(ZoneInfo(naming.zone)))}, "
        f"{plural(one.waiting, 'message')} waiting; it says: {one.error or 'nothing'}"
        for one in away
        if one.away_since
    ]
    names = " and ".join(one.channel for one in away)
    return Message(
        sort="notice",
        title=f"Alerts do not get through to {names}",
        lines=tuple(lines),
        after=("They are tried again for a day. Try it with: tocsin notify test CHANNEL.",),
        link=page_of(naming.dashboard_url, "alerts"),
        zone=naming.zone,
    )


def of_backlog(waited: Sequence[Message], naming: Naming) -> Message:
    """To a channel that was away: all that it missed, the newest first, instead of a message each."""
    newest = list(reversed(waited))
    return Message(
        sort="list",
        title=f"{plural(len(waited), 'message')} waited for this channel",
        lines=("It could not be reached for a while. The newest first; how things stand now is on the dashboard.",),
        alerts=tuple(ListLine(f"{one.title}. {' '.join(one.lines[:1])}", one.link) for one in newest[:LISTED]),
        more=max(0, len(newest) - LISTED),
        link=page_of(naming.dashboard_url, "alerts"),
        zone=naming.zone,
    )


def of_test(channel: str, naming: Naming) -> Message:
    line = f"This is how alerts reach you through the channel {channel}."
    return Message(sort="test", title="Tocsin can reach you", lines=(line,), link=naming.dashboard_url)
