"""What stands in the way of alerts, told itself: silent feeds, workers and channels that take nothing, lost messages.

Each is told once, many in one message, and never through the channel that it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from monitor.alerts.backlog import Backlog
from monitor.alerts.bulletins import of_channels_away, of_given_up, of_moving_again, of_silent_feeds, of_stuck
from monitor.alerts.completeness import SilentFeed
from monitor.alerts.message import Message, Naming
from monitor.store import outbox, read_delivery
from monitor.store.alerts import Transaction
from monitor.store.given_up import GivenUp, given_up
from monitor.store.read_delivery import ChannelState
from monitor.store.workers import alive

SILENT, SILENT_TOLD = "silent feed: ", "silent feeds told"
APART = timedelta(minutes=30)
"""Feeds that fall silent with one network do so one by one: after the first, the others are told together. Workers
that fall over every quarter of an hour are told once in a while."""
STUCK, STUCK_TOLD = "workers take nothing", "told that workers take nothing"
LOST_AT_ONCE = 1000
AWAY, LOST_TOLD = "channel away: ", "given up told"
AWAY_AFTER = timedelta(minutes=10)
"""A channel that has not taken a message for so long is told to the others."""

log = structlog.get_logger()


def tell_silent_feeds(
    tx: Transaction, silent: Sequence[SilentFeed], channels: Sequence[str], naming: Naming, now: datetime
) -> None:
    """Feeds that are silent beyond their own normal, each once until it speaks again."""
    marks = outbox.marks_like(tx, SILENT)
    for name in marks.keys() - {SILENT + one.name for one in silent}:
        outbox.unmark(tx, name)
    new = [one for one in silent if SILENT + one.name not in marks]
    if not new or not _is_apart(outbox.marks_like(tx, SILENT_TOLD).get(SILENT_TOLD), now):
        return
    _post(tx, channels, f"silent:{now.isoformat()}", of_silent_feeds(new, naming), now)
    for one in new:
        outbox.mark(tx, SILENT + one.name, now)
    outbox.mark(tx, SILENT_TOLD, now)


def _is_apart(last: datetime | None, now: datetime) -> bool:
    # A time to come is a clock's that was set back since.
    return last is None or last > now or now - last >= APART


def tell_stuck(
    tx: Transaction, backlog: Backlog | None, channels: Sequence[str], naming: Naming, now: datetime
) -> None:
    """Messages that no worker takes, once until they are taken again, which is told, too."""
    if backlog is None:
        return
    marks = outbox.marks_like(tx, STUCK)
    stuck = backlog.stuck
    if stuck and not marks and _is_apart(outbox.marks_like(tx, STUCK_TOLD).get(STUCK_TOLD), now):
        log.error("no worker takes messages", partitions=sorted(stuck), messages_waiting=backlog.messages)
        _post(tx, channels, f"stuck:{now.isoformat()}", of_stuck(stuck, alive(tx, now), naming), now)
        outbox.mark(tx, STUCK, now)
        outbox.mark(tx, STUCK_TOLD, now)
    elif marks and backlog.moves:
        log.info("workers take messages again", messages_waiting=backlog.messages)
        _post(tx, channels, f"moving:{now.isoformat()}", of_moving_again(backlog.messages, naming), now)
        outbox.unmark(tx, STUCK)


def tell_lost(tx: Transaction, channels: Sequence[str], naming: Naming, now: datetime) -> None:
    """Channels that are away and messages that were given up, told to the channels that work."""
    states = read_delivery.channel_states(tx, now)
    gone = away(states, now)
    others = [name for name in channels if name not in gone]
    _tell_away(tx, gone, others, naming, now)
    last = outbox.marks_like(tx, LOST_TOLD).get(LOST_TOLD, now - read_delivery.REMEMBERED)
    _, lost = given_up(tx, limit=LOST_AT_ONCE, since=min(last, now))
    heard = hearers(lost, others, {one.channel: one.sent_at for one in states})
    if not lost or not heard:
        return
    log.error("given up", messages=len(lost), channels=sorted({one.channel for one in lost}), told=list(heard))
    for name, theirs in heard.items():
        words = [(one.channel, one.title, one.error) for one in theirs]
        _post(tx, [name], f"lost:{now.isoformat()}", of_given_up(words, naming), now)
    outbox.mark(tx, LOST_TOLD, max(one.at for one in lost))


def hearers(
    lost: Sequence[GivenUp], working: Sequence[str], sent_at: Mapping[str, datetime | None]
) -> dict[str, list[GivenUp]]:
    """Which working channel hears of which lost messages; nobody while one of these would be heard of by none.

    A channel hears of its own once it has taken another since: before, it would lose that, too.
    """
    found = {
        name: [one for one in lost if one.channel != name or ((sent := sent_at.get(name)) and sent > one.at)]
        for name in working
    }
    known = {one.id for theirs in found.values() for one in theirs}
    return {name: theirs for name, theirs in found.items() if theirs} if known == {one.id for one in lost} else {}


def away(states: Sequence[ChannelState], now: datetime) -> dict[str, ChannelState]:
    """Channels that have not taken a message for AWAY_AFTER, or have lost one since they last took any."""
    return {one.channel: one for one in states if one.away_since and now - one.away_since >= AWAY_AFTER}


def _tell_away(
    tx: Transaction,
    gone: Mapping[str, ChannelState],
    others: Sequence[str],
    naming: Naming,
    now: datetime,
) -> None:
    marks = outbox.marks_like(tx, AWAY)
    for name in marks.keys() - {AWAY + one for one in gone}:
        outbox.unmark(tx, name)
    new = [one for name, one in gone.items() if AWAY + name not in marks and one.waiting]
    if new:
        log.error("channels away", channels={one.channel: one.error for one in new}, told=list(others))
        _post(tx, others, f"away:{now.isoformat()}", of_channels_away(new, naming), now)
    for one in new:
        outbox.mark(tx, AWAY + one.channel, now)


def nobody_hears(tx: Transaction, channels: Collection[str], now: datetime) -> bool:
    """Are all channels away? Then only a watchman outside can tell."""
    return bool(channels) and set(channels) <= away(read_delivery.channel_states(tx, now), now).keys()


def _post(tx: Transaction, channels: Sequence[str], key: str, message: Message, now: datetime) -> None:
    if not channels:
        log.error("no channel to tell it", title=message.title, lines=list(message.lines))
    for channel in channels:
        outbox.post(tx, channel, f"notice:{key}:{channel}", message, now)
