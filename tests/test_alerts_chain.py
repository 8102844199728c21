"""A crisis from its rows to the reader: one episode, one message, an all-clear; through restarts and bad days."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from sqlalchemy import text

from monitor.alerts.calendar import ANYWHERE
from monitor.alerts.episodes import EVIDENCE_LIMIT
from monitor.alerts.message import Naming
from monitor.alerts.notify import Sender, channels_of
from monitor.alerts.rules import Rule
from monitor.backtest_command import backtest_stored, measure
from monitor.delivery import Postman
from monitor.evaluation import Evaluator
from monitor.store import outbox, rules
from monitor.store.engine import Database, open_database, transaction
from monitor.store.models import ensure_service
from monitor.store.save import save
from monitor.types import Article, Classified, Judgement, Mention, Probabilities, TaggedArticle

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
BAD, FLAT = Probabilities(0.9, 0.08, 0.02), Probabilities(0.05, 0.9, 0.05)
TOPICS = ("Legal | Regulation", "Earnings", "Macro")
HOUSES = ("Harbour", "Meridian", "Concord", "Ledger", "Quay", "Tape")
MODEL = "test-1"


W = TypeVar("W", bound="World")


class World:
    """A database with rows, and an alerting program that can be killed and started again."""

    def __init__(self, url: str, at: datetime = NOW) -> None:
        self.database: Database = open_database(url)
        self.at = at
        self.out = io.StringIO()
        self.lag: dict[int, int] = {}
        self.number = 0
        ensure_service(self.database, MODEL, {}, at)
        with transaction(self.database) as tx:
            rules.seed_default_rule(tx, at)
        self.restart()

    def restart(self) -> None:
        """As after a kill: nothing is left but the database."""
        channels = channels_of(["console://"])
        self.evaluator = Evaluator(tuple(channels), Naming({}, "http://127.0.0.1:8501"))
        self.postman = Postman(channels, Sender(console=self.out), "secret", "http://127.0.0.1:8501")

    def article(self, company: str | None, at: datetime, house: str, mood: Probabilities, **more: object) -> Classified:
        self.number += 1
        name = str(more.get("headline") or self.headline()) + str(more.get("ending", ""))
        mentions = (Mention(company, f"{company} Corp", company, company),) if company else ()
        article = Article(
            id=f"a{self.number:07d}",
            source=house,
            kind="news",
            publisher=f"{house} Daily",
            family=house,
            title=f"{company or 'Markets'} {name}",
            body="",
            url=f"https://{house}.example/{self.number}",
            author=None,
            published=at,
            seen=at,
            counted_at=at,
            is_backfill=bool(more.get("is_backfill")),
        )
        judgement = Judgement(str(more.get("topic", TOPICS[0])), 0.9, mood, (mood,) * len(mentions))
        return Classified(TaggedArticle(article, mentions), judgement, MODEL)

    def headline(self) -> str:
        """Unlike any other: ten words drawn by its number."""
        chance = random.Random(self.number)
        return " ".join("".join(chance.choices("bdfgklmnprst", k=3)) + chance.choice("aeiou") for _ in range(10))

    def save(self, rows: Sequence[Classified]) -> None:
        for begin in range(0, len(rows), 500):
            save(self.database, rows[begin : begin + 500], [], [], self.at)

    def history(self, days: int = 5) -> None:
        """Every hour two flat stories about six companies, and one bad story in turn."""
        rows = []
        for hour in range(days * 24):
            at = self.at - timedelta(days=days) + timedelta(hours=hour, minutes=7)
            for place in range(3):
                company, house = f"C{(hour + place) % 6}", HOUSES[(hour * 7 + place) % 6]
                mood = BAD if place == 0 and hour % 2 else FLAT
                rows.append(self.article(company, at, house, mood, topic=TOPICS[place], is_backfill=True))
        self.save(rows)

    def crisis(self, company: str = "C1", stories: int = 12, houses: Sequence[str] = HOUSES, **more: object) -> None:
        self.save([self.article(company, self.at, houses[i % len(houses)], BAD, **more) for i in range(stories)])

    def tick(self, minutes: float = 0, step: float = 5) -> None:
        """Let time pass with evaluations, at least one."""
        end = self.at + timedelta(minutes=minutes)
        while True:
            with transaction(self.database) as tx:
                self.evaluator.tick(tx, self.lag, self.at)
            self.postman.deliver(self.database, self.at)
            if self.at >= end:
                return
            self.at = min(end, self.at + timedelta(minutes=step))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with transaction(self.database) as tx:
            return [tuple(row) for row in tx.execute(text(query))]

    def told(self) -> list[object]:
        return [
            row[0] for row in self.rows("SELECT message->>'sort' FROM outbox WHERE sent_at IS NOT NULL ORDER BY id")
        ]

    def episodes(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT scope, phase FROM episodes ORDER BY opened_at, id")


@contextmanager
def lived(one: W) -> Iterator[W]:
    """The world with its history; its connections end with the block."""
    try:
        one.history()
        yield one
    finally:
        one.database.dispose()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with lived(World(database_url)) as one:
        one.tick()
        yield one


LEGAL_AT_C1 = "company:C1|topic:Legal | Regulation"


def test_a_crisis_rings_once_at_its_company_and_ends_with_an_all_clear(world: World) -> None:
    world.at += timedelta(minutes=11)
    world.tick()
    assert world.told() == []
    world.crisis()
    world.tick(20)
    assert world.episodes() == [(LEGAL_AT_C1, "open")]
    assert world.told() == ["first"]
    assert "12 negative stories from 6 publishers" in world.out.getvalue()
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]
    world.tick(26 * 60, step=60)  # beyond the time in which it would re-open
    assert world.rows("SELECT phase, ended IS NOT NULL FROM episodes") == [("closed", True)]


def test_wider_scopes_that_rise_through_the_same_stories_are_named_and_open_nothing(world: World) -> None:
    world.crisis()
    world.tick(10)
    (row,) = world.rows("SELECT also FROM episodes")
    assert {"all", "company:C1", "topic:Legal | Regulation"} <= set(row[0])  # type: ignore[call-overload]


def test_a_crisis_spread_over_topics_rings_at_the_company(world: World) -> None:
    for topic in TOPICS:
        world.crisis(stories=5, topic=topic)
    world.tick(10)
    assert world.episodes() == [("company:C1", "open")]
    assert world.told() == ["first"]


def test_a_restart_in_mid_episode_tells_nothing_twice_and_still_ends_it(world: World) -> None:
    world.crisis()
    world.tick(5)
    for _ in range(3):
        world.restart()
        world.tick(10)
    assert world.told() == ["first"]
    world.restart()
    world.tick(600, step=15)
    assert world.told() == ["first", "closed"]


def test_growth_is_told_once_and_not_within_a_breath_of_the_first_message(world: World) -> None:
    world.crisis(stories=6)
    world.tick(4, step=1)
    world.crisis(stories=40)
    world.tick(4, step=1)
    assert world.told() == ["first"]
    world.tick(15)
    assert world.told() == ["first", "worse"]


def test_flapping_between_bad_and_calm_hours_stays_one_episode(world: World) -> None:
    for _ in range(3):
        world.crisis(stories=8)
        world.tick(95)
    world.tick(600, step=15)
    assert len(world.episodes()) == 1
    assert world.told().count("first") == 1
    assert world.told().count("closed") == 1


def test_a_back_fill_of_bad_stories_rings_nothing(world: World) -> None:
    world.crisis(stories=60, is_backfill=True)
    world.tick(60)
    assert world.episodes() == []
    assert world.told() == []


def test_what_is_counted_more_than_six_hours_ago_rings_nothing(world: World) -> None:
    now = world.at
    world.at = now - timedelta(hours=7)
    world.crisis(stories=30)
    world.at = now
    world.tick(10)
    assert world.episodes() == []


def test_stories_that_arrive_late_within_open_buckets_still_ring(world: World) -> None:
    world.lag = {0: 12}  # a worker hangs: no bucket becomes final
    world.tick(60)
    late = [world.article("C2", world.at - timedelta(minutes=40), house, BAD) for house in HOUSES * 2]
    world.save(late)
    world.lag = {}
    world.tick(5)
    assert world.told() == ["first"]


def test_copies_of_one_story_are_one_story_and_ring_nothing(world: World) -> None:
    headline = "C1 recalls every battery it has ever sold after fires in three countries, regulators say"
    world.crisis(stories=30, headline=headline)
    world.tick(20)
    assert world.episodes() == []


def test_one_publisher_alone_rings_nothing_until_others_join(world: World) -> None:
    world.crisis(stories=20, houses=["Harbour"])
    world.tick(5)
    assert world.episodes() == []
    world.crisis(stories=2, houses=["Meridian", "Quay"])
    world.tick(5)
    assert world.told() == ["first"]


def test_a_surge_of_good_news_rings_nothing(world: World) -> None:
    good = Probabilities(0.02, 0.08, 0.9)
    world.save([world.article("C1", world.at, HOUSES[i % 6], good) for i in range(40)])
    world.tick(20)
    assert world.episodes() == []


def test_a_company_never_heard_of_can_ring_at_its_first_bad_hour(world: World) -> None:
    world.crisis("NEWCO")
    world.tick(5)
    assert world.episodes() == [("company:NEWCO|topic:Legal | Regulation", "open")]


def test_a_young_stream_learns_before_it_rings(database_url: str) -> None:
    one = World(database_url)
    try:
        one.history(days=1)
        one.crisis(stories=40)
        one.tick(10)
        assert one.episodes() == []
    finally:
        one.database.dispose()


def test_a_silenced_alert_that_still_rings_is_told_when_the_silence_ends(world: World) -> None:
    with transaction(world.database) as tx:
        outbox.silence(tx, "company:C1", world.at + timedelta(minutes=30), "ann", "results day", world.at)
    world.crisis(stories=30)
    world.tick(29)
    assert world.told() == []
    world.tick(6)
    assert world.told() == ["first"]


def test_a_silence_ended_early_tells_at_once(world: World) -> None:
    with transaction(world.database) as tx:
        id = outbox.silence(tx, "company:C1", world.at + timedelta(hours=8), "ann", "", world.at)
    world.crisis()
    world.tick(5)
    with transaction(world.database) as tx:
        outbox.end_silence(tx, id, world.at)
    world.tick(1)
    assert world.told() == ["first"]


def test_an_alert_that_is_over_before_its_silence_ends_is_kept_but_not_told(world: World) -> None:
    with transaction(world.database) as tx:
        outbox.silence(tx, "all", world.at + timedelta(hours=9), "ann", "", world.at)
    world.crisis()
    world.tick(600, step=15)
    assert world.told() == []
    assert world.rows("SELECT 1 FROM told WHERE reason LIKE 'not told: silenced by ann, and over%'")


def test_a_dead_feed_holds_back_the_all_clear_and_is_named_in_the_alarm(world: World) -> None:
    with transaction(world.database) as tx:
        tx.execute(
            text("""INSERT INTO feeds (name, url, kind, publisher, family, cadence_s, failures, error, articles, ok_at,
                    article_at, gaps_s) VALUES ('quay', 'https://quay.example', 'news', 'Quay', 'Quay', 300, 9,
                    'HTTP 503', 900, :at, :at, '{600,600,600,600,600}')"""),
            {"at": world.at - timedelta(hours=3)},
        )
    world.crisis()
    world.tick(5)
    assert world.told() == ["first"]
    assert "Data are incomplete, so it may be more: quay is silent since 3 hours" in world.out.getvalue()
    world.tick(600, step=15)
    assert world.told() == ["first"]
    with transaction(world.database) as tx:
        tx.execute(text("UPDATE feeds SET failures = 0, ok_at = :at, article_at = :at"), {"at": world.at})
    world.tick(20)
    assert world.told() == ["first", "closed"]


def test_2500_matches_at_once_are_six_messages_that_list_them_all(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(id=1, shapes=("company",), min_stories=1, min_publishers=1), "ann", world.at)
    world.save([world.article(f"X{i:04d}", world.at, HOUSES[j], BAD) for i in range(2500) for j in range(3)])
    world.tick()
    assert len(world.episodes()) == 2500
    assert world.told() == ["first"] * 5 + ["list"]
    assert "2,495 more alerts at once" in world.out.getvalue()
    assert "and 2,470 more alerts on the dashboard" in world.out.getvalue()


def test_two_rules_that_ring_for_one_event_tell_it_once(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(name="My companies", companies=("C1",), shapes=("company",)), "ann", world.at)
    world.crisis()
    world.tick(20)
    assert len(world.episodes()) == 2
    assert world.told() == ["first"]
    assert world.rows("SELECT count(*) FROM incidents") == [(1,)]


def test_a_rule_with_words_asks_them_of_the_headlines(world: World) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, Rule(text="recall battery"), "ann", world.at)
    world.crisis()
    world.tick(5)
    assert world.episodes() == []


@pytest.mark.parametrize(
    "rule",
    [
        Rule(id=1, text="recall battery", shapes=("company",)),
        Rule(id=1, publishers=("Ledger", "Quay", "Tape"), shapes=("company",)),
    ],
    ids=["words", "publishers"],
)
def test_a_narrow_rule_rings_though_hundreds_of_other_stories_are_newer(world: World, rule: Rule) -> None:
    with transaction(world.database) as tx:
        rules.save_rule(tx, rule, "ann", world.at)
    asked = [world.article("C1", world.at, HOUSES[3 + i % 3], BAD, ending=" battery recall") for i in range(12)]
    world.at += timedelta(minutes=5)
    others = [world.article("C1", world.at, HOUSES[i % 3], BAD) for i in range(EVIDENCE_LIMIT + 20)]
    world.save([*asked, *others])
    world.tick()
    assert world.episodes() == [("company:C1", "open")]
    assert world.rows("SELECT count(*) FROM episode_stories") == [(12,)]


def test_a_back_test_over_the_stored_past_finds_the_crisis_that_production_rang_for(world: World) -> None:
    world.crisis()
    world.tick(10)
    out = io.StringIO()
    backtest_stored(world.database, out, 0.5, 90, world.at + timedelta(hours=1))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["scope"] for line in lines] == [LEGAL_AT_C1]
    assert lines[0]["seen"] == 12
    assert len(lines[0]["headlines"]) == 3


def test_a_rule_is_measured_on_the_stored_past_once_there_is_enough_of_it(database_url: str) -> None:
    one = World(database_url)
    try:
        one.history(days=16)
        with transaction(one.database) as tx:
            assert measure(tx, Rule(), ANYWHERE, one.at - timedelta(days=8)) is None
            found = measure(tx, Rule(budget=0.5), ANYWHERE, one.at)
        assert found is not None
        assert found.rate <= 0.5
    finally:
        one.database.dispose()
