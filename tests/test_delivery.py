"""No message is lost unseen: retries, a day's end, channels that are away, what they missed, and who is told of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from monitor import troubles
from monitor.alerts.channels import Channel, NotifyFailed
from monitor.alerts.completeness import SilentFeed
from monitor.alerts.message import Message, Naming
from monitor.alerts.notices import Notice
from monitor.alerts.notify import Sender, channels_of
from monitor.alerts.render import Links
from monitor.delivery import BACKLOG, GIVE_UP_AFTER, LEAST_ATTEMPTS, Postman, is_over, letters
from monitor.store import outbox, read_delivery
from monitor.store.engine import open_database, transaction
from monitor.store.given_up import given_up
from monitor.store.outbox import Waiting
from tests.test_alerts_stages import EPISODE

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
NAMING = Naming({}, "http://127.0.0.1:8501")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def message(number: int = 1) -> Message:
    return Message(sort="first", title=f"Company {number}: surge of negative news", lines=("12 negative stories.",))


@dataclass(frozen=True, kw_only=True)
class Desk(Sender):
    """Channels that may be away."""

    away: dict[str, NotifyFailed] = field(default_factory=dict)
    got: list[tuple[str, str, str]] = field(default_factory=list)
    """(channel, title, key) of what got through."""

    def send(self, channel: Channel, message: Message, key: str, links: Links, now: datetime) -> None:
        if channel.name in self.away:
            raise self.away[channel.name]
        super().send(channel, message, key, links, now)
        self.got.append((channel.name, message.title, key))


class World:
    def __init__(self, url: str, *names: str) -> None:
        self.url, self.database = url, open_database(url)
        self.names = names
        self.sender = Desk(console=io.StringIO())
        self.away, self.got = self.sender.away, self.sender.got
        self.postman = self.started(*names)
        self.at = NOW

    def started(self, *names: str) -> Postman:
        return Postman(channels_of([f"{one}=console://" for one in names]), self.sender, "s", "http://127.0.0.1:8501")

    def post(self, channel: str, numbers: range = range(1, 2)) -> None:
        with transaction(self.database) as tx:
            for number in numbers:
                outbox.post(tx, channel, f"k{number}:{channel}", message(number), self.at)

    def run(self, length: timedelta, step: timedelta = MINUTE) -> None:
        end = self.at + length
        while self.at <= end:
            self.postman.deliver(self.database, self.at)
            with transaction(self.database) as tx:
                troubles.tell_lost(tx, self.names, NAMING, self.at)
            self.at += step

    def titles(self, channel: str) -> list[str]:
        return [title for name, title, _ in self.got if name == channel]

    def nobody_hears(self) -> bool:
        with transaction(self.database) as tx:
            return troubles.nobody_hears(tx, self.names, self.at)

    def value(self, query: str) -> Any:
        with transaction(self.database) as tx:
            return tx.execute(text(query)).scalar()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    one = World(database_url, "desk", "mail")
    yield one
    one.postman.close()
    one.database.dispose()


def test_a_channel_that_takes_nothing_is_told_to_the_others_once_and_its_message_comes_when_it_is_back(
    world: World,
) -> None:
    world.away["desk"] = NotifyFailed("Slack did not take it")
    world.post("desk")
    world.run(9 * MINUTE)
    assert world.got == []
    world.run(60 * MINUTE)
    assert world.titles("mail") == ["Alerts do not get through to desk"]
    assert not world.nobody_hears()
    world.away.clear()
    world.run(60 * MINUTE)
    assert world.titles("desk") == ["Company 1: surge of negative news"]
    world.away["desk"] = NotifyFailed("Slack did not take it")
    world.post("desk", range(2, 3))
    world.run(30 * MINUTE)
    assert len(world.titles("mail")) == 2, "a second outage is told again"


def test_a_message_is_given_up_after_a_day_kept_to_be_seen_and_told_to_the_others(world: World) -> None:
    world.away["desk"] = NotifyFailed("Slack did not take it")
    world.post("desk")
    world.run(DAY - timedelta(hours=1), step=20 * MINUTE)
    assert world.value("SELECT count(*) FROM outbox WHERE gave_up_at IS NOT NULL") == 0
    world.run(timedelta(hours=3), step=20 * MINUTE)
    assert world.titles("mail")[-1] == "1 message did not reach desk"
    assert world.titles("mail").count("1 message did not reach desk") == 1
    with transaction(world.database) as tx:
        number, (lost,) = given_up(tx, since=NOW)
        assert number == 1
        assert given_up(tx, since=world.at) == (0, [])
    assert (lost.channel, lost.title, lost.error) == ("desk", message().title, "Slack did not take it")


def test_where_every_channel_is_away_the_heartbeat_is_the_one_that_tells(world: World) -> None:
    for name in ("desk", "mail"):
        world.away[name] = NotifyFailed("no network")
        world.post(name)
    assert not world.nobody_hears()
    world.run(12 * MINUTE)
    assert world.nobody_hears()
    world.away.clear()
    world.run(20 * MINUTE)
    assert not world.nobody_hears()


def test_what_can_never_be_delivered_is_told_within_minutes(world: World) -> None:
    world.away["desk"] = NotifyFailed("webhook answered 404", may_retry=False)
    world.post("desk")
    world.run(2 * MINUTE)
    assert world.titles("mail") == ["1 message did not reach desk"]


def test_the_only_channel_hears_of_what_it_lost_once_it_works_again(world: World) -> None:
    world.names = ("desk",)
    world.away["desk"] = NotifyFailed("webhook answered 404", may_retry=False)
    world.post("desk")
    world.run(90 * MINUTE, step=5 * MINUTE)
    assert world.value("SELECT count(*) FROM outbox") == 1
    world.away.clear()
    world.post("desk", range(2, 3))
    world.run(10 * MINUTE)
    assert world.titles("desk") == ["Company 2: surge of negative news", "1 message did not reach desk"]


def test_messages_for_a_channel_that_is_no_longer_set_up_are_told_to_the_others(world: World) -> None:
    world.post("pager")
    world.run(2 * MINUTE)  # at once: no further try can help
    assert world.titles("desk") == world.titles("mail") == ["1 message did not reach pager"]


def test_a_notice_that_is_lost_itself_starts_no_echo(world: World) -> None:
    for name in ("desk", "mail"):
        world.away[name] = NotifyFailed("webhook answered 404", may_retry=False)
    world.post("desk")
    world.run(30 * MINUTE)
    world.run(timedelta(hours=5), step=10 * MINUTE)
    assert world.value("SELECT count(*) FROM outbox") == 2


def test_a_channel_that_was_away_gets_one_list_of_what_it_missed(world: World) -> None:
    world.away["desk"] = NotifyFailed("no network")
    world.post("desk", range(40))
    world.run(15 * MINUTE)
    world.away.clear()
    world.run(20 * MINUTE)
    assert world.titles("desk") == ["40 messages waited for this channel"]
    assert world.value("SELECT count(*) FROM outbox WHERE channel = 'desk' AND sent_at IS NULL") == 0


def test_a_restart_between_sending_and_saying_so_sends_again_under_the_same_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.post("desk")
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "mark_sent", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.postman.deliver(world.database, world.at)
    world.postman = world.started(*world.names)
    world.run(MINUTE)
    assert [key for _, _, key in world.got] == ["k1:desk", "k1:desk"]


def test_a_clock_that_was_set_back_delays_nothing_by_more_than_an_hour(world: World) -> None:
    world.at = NOW + 300 * DAY
    world.away["desk"] = NotifyFailed("no network")
    world.post("desk")
    world.postman.deliver(world.database, world.at)
    world.away.clear()
    world.at = NOW
    world.run(MINUTE)
    assert world.titles("desk") == [message().title]


def test_a_channel_that_hangs_without_a_word_is_away_too(world: World) -> None:
    world.post("desk")
    with transaction(world.database) as tx:
        hour = NOW + timedelta(minutes=61)
        assert list(troubles.away(read_delivery.channel_states(tx, hour), hour)) == ["desk"]
        assert not troubles.away(read_delivery.channel_states(tx, NOW), NOW)


def test_what_was_given_up_was_not_told_and_may_be_told_again(world: World) -> None:
    told = Notice(EPISODE, "first", NOW, "desk")
    once = msgspec.structs.replace(message(), episode=EPISODE.id)
    with transaction(world.database) as tx:
        outbox.post(tx, "desk", "key", once, NOW)
        outbox.log_told(tx, [told], NOW)
        assert len(outbox.told_before(tx, [EPISODE.incident])) == 1
        assert not outbox.post(tx, "desk", "key", once, NOW)
    world.away["desk"] = NotifyFailed("webhook answered 404", may_retry=False)
    world.postman.deliver(world.database, NOW)
    world.away.clear()
    with transaction(world.database) as tx:
        assert outbox.told_before(tx, [EPISODE.incident]) == []
        assert outbox.post(tx, "desk", "key", once, NOW + MINUTE)
    world.postman.deliver(world.database, NOW + MINUTE)
    assert world.titles("desk") == [once.title]


def test_a_message_that_another_version_wrote_is_told_as_far_as_it_can_be_read(world: World) -> None:
    world.post("desk")
    with transaction(world.database) as tx:
        tx.execute(text("""UPDATE outbox SET message = '{"title": "Delmare: surge", "lines": {"new": 1}}'"""))
    world.run(MINUTE)
    assert world.titles("desk") == ["Delmare: surge"]


def waiting(number: int, age: timedelta, attempts: int = 0) -> Waiting:
    return Waiting(number, f"k{number}", "desk", message(number), attempts, NOW - age)


@pytest.mark.parametrize(
    ("age", "attempts", "expected"),
    [
        (timedelta(hours=1), 20, False),
        (GIVE_UP_AFTER, 20, True),
        (3 * GIVE_UP_AFTER, 0, False),  # jobs did not run for days: a first failure says little
        (GIVE_UP_AFTER, LEAST_ATTEMPTS - 1, True),
    ],
)
def test_a_message_is_given_up_by_age_and_attempts(age: timedelta, attempts: int, *, expected: bool) -> None:
    assert is_over(waiting(1, age, attempts), NOW) is expected


def test_only_many_old_messages_are_a_backlog() -> None:
    fresh = [waiting(number, MINUTE) for number in range(20)]
    assert len(letters(fresh, NAMING, NOW)) == 20
    few = [waiting(number, DAY) for number in range(BACKLOG)]
    assert len(letters(few, NAMING, NOW)) == BACKLOG
    (letter,) = letters([*few, waiting(9, MINUTE)], NAMING, NOW)
    assert [one.id for one in letter.holds] == [0, 1, 2, 9]
    assert letter.message.alerts[0].words.startswith("Company 9"), "the newest first"


def feed(name: str, hours: int = 5) -> SilentFeed:
    return SilentFeed(name, NOW - timedelta(hours=hours), timedelta(hours=1), None)


def test_feeds_that_fall_silent_together_are_one_message_and_none_is_left_out(world: World) -> None:
    def tick(names: str, at: datetime) -> list[str]:
        with transaction(world.database) as tx:
            troubles.tell_silent_feeds(tx, [feed(name) for name in names], ("desk",), NAMING, at)
        world.postman.deliver(world.database, at)
        return world.titles("desk")

    assert tick("a", NOW) == ["Feed a is silent"]
    for minute in range(1, 29):
        tick("abcdefgh"[: 1 + minute // 3], NOW + minute * MINUTE)
    assert len(world.got) == 1, "the others gather"
    assert tick("abcdefgh", NOW + 30 * MINUTE)[-1] == "7 feeds are silent"
    assert len(tick("abcdefgh", NOW + 90 * MINUTE)) == 2, "each is told once"
    tick("", NOW + 100 * MINUTE)
    assert tick("a", NOW + 200 * MINUTE)[-1] == "Feed a is silent", "and again after it spoke"


def test_a_list_of_many_silent_feeds_names_them_all(world: World) -> None:
    with transaction(world.database) as tx:
        names = [f"feed-{number:03}" for number in range(60)]
        troubles.tell_silent_feeds(tx, [feed(name) for name in names], ("desk",), NAMING, NOW)
        (told,) = outbox.due(tx, NOW)
    assert all(name in " ".join(told.message.lines) for name in names)
