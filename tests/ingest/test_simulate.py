"""The simulated stream: deterministic, in rhythm, and one crisis from many houses."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import pytest

from ingest.simulator import grammar
from ingest.simulator.crisis import crisis_company, next_crisis_company, script_of
from ingest.simulator.rhythm import rate
from ingest.simulator.world import WATCHLIST, companies, company_named, publishers
from ingest.sources.simulate import Simulation, crisis, history
from monitor.entities import load_companies
from monitor.headlines import telling
from monitor.stories import SAME, similarity
from monitor.types import RawArticle

NOW = datetime(2026, 3, 5, 23, 17, 4, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture(scope="module")
def month() -> list[RawArticle]:
    return list(history(NOW - MONTH, NOW))


def test_the_same_seed_tells_the_same_history(month: list[RawArticle]) -> None:
    assert list(history(NOW - MONTH, NOW)) == month
    assert list(history(NOW - MONTH, NOW, seed=8)) != month


def test_thirty_days_hold_some_three_thousand_articles_of_every_publisher_and_kind(month: list[RawArticle]) -> None:
    assert 2700 < len(month) < 3300
    assert {one.publisher for one in month} == {one.name for one in publishers()}
    assert len({one.family for one in month}) >= 8
    kinds = Counter(one.kind for one in month)
    assert kinds["news"] > kinds["comment"] > kinds["report"] > 200
    assert len({one.url for one in month}) == len(month)


def test_history_is_back_fill_counted_when_it_was_published(month: list[RawArticle]) -> None:
    assert all(one.is_backfill and one.counted_at == one.published and one.seen == NOW for one in month)
    assert all(first.counted_at <= second.counted_at for first, second in pairwise(month))


def test_the_anchor_is_tuesday_ten_and_nights_and_weekends_are_quiet(month: list[RawArticle]) -> None:
    hour = timedelta(hours=1)
    assert rate(NOW, NOW) == max(rate(NOW - hour * back, NOW) for back in range(168))
    assert rate(NOW - 8 * hour, NOW) < 2  # Tuesday, 2:00
    assert rate(NOW + timedelta(days=4), NOW) < rate(NOW, NOW) / 3  # Saturday, 10:00
    saturdays = [one for one in month if (NOW - one.counted_at) // timedelta(days=1) % 7 == 2]
    assert len(saturdays) < len(month) / 14


def test_live_follows_the_rate_of_its_own_past_and_misses_nothing_between_two_looks() -> None:
    simulation = Simulation(NOW)
    whole = simulation.due(NOW, NOW + timedelta(hours=2))
    parts = [
        one
        for minute in range(120)
        for one in simulation.due(NOW + timedelta(minutes=minute), NOW + timedelta(minutes=minute + 1))
    ]
    assert [one.url for one in parts] == [one.url for one in whole]
    assert 10 < len(whole) < 70
    assert not any(one.is_backfill for one in whole)
    assert all(one.counted_at == one.seen and one.published and one.published <= one.seen for one in parts)


def test_history_after_a_restart_continues_where_live_would_have_gone() -> None:
    simulation = Simulation(NOW)
    later = NOW + timedelta(hours=9)
    assert [one.url for one in simulation.history(NOW, later)] == [one.url for one in simulation.due(NOW, later)]


def test_wires_are_copied_within_the_hour(month: list[RawArticle]) -> None:
    by_title: dict[str, list[RawArticle]] = {}
    for one in month:
        if one.kind == "news" and one.body:
            by_title.setdefault(one.title.removeprefix("UPDATE 1-"), []).append(one)
    copied = [
        (first, second)
        for group in by_title.values()
        for first, second in pairwise(sorted(group, key=lambda one: one.counted_at))
        if second.counted_at - first.counted_at < timedelta(hours=1)
    ]
    assert len(copied) > 100
    assert all(first.family != second.family for first, second in copied)


@pytest.mark.parametrize("run", range(12))
def test_a_crisis_breaks_at_once_in_many_houses_and_then_eases(run: int) -> None:
    ticker = crisis_company(run)
    name = company_named(ticker).short
    scripted = crisis(ticker, NOW)
    assert all(name in article.title + article.body for _, article in scripted)
    breaking = [article for at, article in scripted if at == NOW]
    later = {article.title for at, article in scripted if at > NOW} - {article.title for article in breaking}
    assert len({article.title for article in breaking}) == len(breaking) == 12
    assert len({article.family for article in breaking}) >= 6
    assert all(NOW - timedelta(seconds=90) <= article.published < NOW for article in breaking if article.published)
    assert len({re.sub(r"^UPDATE 1-| - [A-Z][\w ]+$", "", title) for title in later} - {a.title for a in breaking}) == 6
    assert max(at for at, _ in scripted) < NOW + timedelta(minutes=5)
    assert {article.kind for _, article in scripted} == {"news"}


def test_every_run_has_another_company_in_crisis() -> None:
    assert len({crisis_company(run) for run in range(40)}) == 40
    assert crisis_company(40) == crisis_company(0)
    order = [crisis_company(run) for run in range(40)]
    scripts = [script_of(ticker) for ticker in order]
    assert all(one != other for one, other in pairwise(scripts[:12])), "they take turns"
    assert next_crisis_company(set()) == order[0]
    assert next_crisis_company({order[0], order[2]}) == order[1]
    assert next_crisis_company(set(order)) == order[0]


def test_a_crisis_is_part_of_the_live_stream_once() -> None:
    ticker = crisis_company(0)
    at = NOW + timedelta(seconds=20)
    simulation = Simulation(NOW).with_crisis(ticker, at)
    live = simulation.due(NOW, NOW + timedelta(minutes=6))
    expected = {article.url for _, article in crisis(ticker, at)}
    assert expected <= {one.url for one in live}
    assert not expected & {one.url for one in simulation.due(NOW + timedelta(minutes=6), NOW + timedelta(minutes=9))}


def test_an_unknown_company_has_no_crisis() -> None:
    with pytest.raises(KeyError):
        Simulation(NOW).with_crisis("NOPE", NOW)


def test_the_watch_list_finds_every_company_and_no_real_one_is_named(month: list[RawArticle]) -> None:
    known = load_companies(WATCHLIST)
    simulated = {company.ticker for company in companies()}
    for article in month:
        named = {one.ticker for one in companies() if one.short in article.title or f"${one.ticker}" in article.title}
        found = {mention.company for mention in known.find(f"{article.title}\n{article.body}")}
        assert named <= found <= simulated, article.title


def test_a_crisis_tells_as_many_stories_as_scripted() -> None:
    tellings = [telling(article.title, article.body) for at, article in crisis(crisis_company(0), NOW) if at == NOW]
    alike = [similarity(one, other) for one, other in combinations(tellings, 2)]
    assert max(alike) < SAME


def test_there_are_several_hundred_templates_over_twenty_topics_and_forty_companies() -> None:
    topics = grammar.topics()
    templates = [template for topic in topics for section in topic.sections.values() for template in section]
    assert len(topics) == 20
    assert len(templates) > 450
    assert len({template.headline for template in templates}) == len(templates)
    assert len(companies()) == len({one.ticker for one in companies()}) == len({one.short for one in companies()}) == 40


def test_no_slot_or_choice_is_left_in_a_text(month: list[RawArticle]) -> None:
    assert not [one for one in month if set("{}<>|") & set(one.title + one.body)]


def test_every_template_fills_for_every_sector() -> None:
    import random

    from ingest.simulator.world import words

    one_of_each = {company.sector: company for company in companies()}.values()
    for topic in grammar.topics():
        for section in topic.sections.values():
            for template in section:
                for company in one_of_each:
                    headline, _ = grammar.fill(template, grammar.Blanks(random.Random(1), words(), company))
                    assert headline
