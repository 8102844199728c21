"""The Alerts page: what it tells, what its buttons write, and that a visit alone writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import seed
import streamlit as st
from conftest import Open, run_page, words
from streamlit.testing.v1 import AppTest

from dashboard import alert_data, telling
from dashboard.episode import view_around
from dashboard.filters import stamp
from dashboard.views import alerts
from monitor.alerts import links
from monitor.alerts.episodes import Episode
from monitor.alerts.message import Message
from monitor.store import outbox
from monitor.store.engine import open_database, transaction
from monitor.store.read_episodes import Wanted

NOW = datetime(2026, 3, 10, 9, 7, tzinfo=UTC)
ACKNOWLEDGE, USEFUL, NOISE = (f"{act}-{seed.EPISODE}" for act in ("acknowledge", "useful", "noise"))
WRITTEN = ("feedback", "silences", "labels", "rules", "episodes", "watchlists", "outbox")


@pytest.fixture
def fresh(database_url: str, point_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """A seeded database of the test's own, for tests that write."""
    seed.fill(seed.plain(database_url), datetime.now(UTC), days=20)
    point_at(database_url)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER", "grace")
    return seed.plain(database_url)


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_the_open_alert_is_shown_first_with_its_evidence(opened: Open) -> None:
    said = words(opened("alerts"))
    for part in ("Norvane Motors: 26 negative stories, 0.3 expected", "about once in 8 years", "street note is silent"):
        assert part in said
    for part in ("Nordic Desk", "https://", "console, first"):
        assert part in said


def test_the_stories_behind_a_bar_are_those_it_counts(fresh: str) -> None:
    """A rule of news and reports draws no comments, so none is listed; all the evidence is counted."""
    with psycopg.connect(fresh) as connection:
        connection.execute("UPDATE articles SET kind = 'comment' WHERE id IN (SELECT article FROM story_counts)")
        connection.execute("UPDATE story_counts SET kind = 'comment'")
        connection.execute(
            """INSERT INTO episode_stories (episode, story, article, at, families)
               SELECT %s, 's' || n, (SELECT id FROM articles LIMIT 1), now() - n * interval '1 s', '{}'
               FROM generate_series(1, 300) n""",
            [seed.EPISODE],
        )
    now = datetime.now(UTC)
    stretch = {"from_": stamp(now - timedelta(hours=3)), "to": stamp(now + timedelta(hours=1))}
    said = words(run_page("alerts", episode=seed.EPISODE, scope="company:NRVN", **stretch))
    assert "No such stories here" in said
    behind = int(re.search(r"Stories behind it<small>(\d+), newest", said)[1])  # type: ignore[index]
    assert behind > 300
    assert f"{behind - 40} more" in said


def test_under_a_rule_with_words_a_bar_counts_and_lists_the_stories_that_hold_them(fresh: str) -> None:
    with psycopg.connect(fresh) as connection:
        connection.execute(
            "UPDATE rules SET spec = spec || '{\"text\": \"seldom heard\"}' WHERE name = 'Negative surge'"
        )
        connection.execute(
            """UPDATE articles SET title = 'Norvane: a seldom heard complaint' WHERE id IN (
                 SELECT article FROM episode_stories WHERE episode = %s ORDER BY at DESC LIMIT 2)""",
            [seed.EPISODE],
        )
    now = datetime.now(UTC)
    stretch = {"from_": stamp(now - timedelta(hours=3)), "to": stamp(now + timedelta(hours=1))}
    page = run_page("alerts", episode=seed.EPISODE, scope="company:NRVN", **stretch)
    behind = words(page).split("Stories behind it")[0]
    assert (behind.count("a seldom heard complaint"), behind.count("<li")) == (2, 2)


def test_a_link_opens_that_very_alert(opened: Open) -> None:
    said = words(opened("alerts", episode=seed.PAST))
    assert "Dividend: 7 negative stories" in said
    assert "<dt>Noise</dt><dd>ada" in said


def test_an_unknown_alert_is_a_sentence(opened: Open) -> None:
    assert "This alert is not here." in words(opened("alerts", episode="no such"))


def test_no_alert_yet_is_said(database_url: str, point_at: Callable[[str], None]) -> None:
    point_at(database_url)
    said = words(run_page("alerts"))
    assert "No alert has ever rung." in said
    assert "Learning what is usual." in said
    assert "2 days of news to go before an alert can ring" in said


def test_what_has_learned_does_not_say_that_it_learns(opened: Open) -> None:
    assert "Learning what is usual" not in words(opened("alerts"))


def test_acknowledging_says_who_and_takes_the_button_away(fresh: str) -> None:
    page = press(run_page("alerts"), ACKNOWLEDGE)
    assert rows(fresh, "SELECT verdict, who FROM feedback WHERE episode = 'c0ffee000001'") == [
        ("acknowledged", "grace")
    ]
    assert ACKNOWLEDGE not in [button.key for button in page.button]
    assert "seen by grace" in words(run_page("overview"))


def test_a_login_proxy_says_who_reads(fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = property(lambda _: {"X-Forwarded-User": " lin "})
    monkeypatch.setattr(type(st.context), "headers", headers)
    press(run_page("alerts"), USEFUL)
    monkeypatch.setenv("TOCSIN_DASHBOARD_USER_HEADER", "X-Forwarded-User")
    st.cache_resource.clear()
    press(run_page("alerts"), NOISE)
    assert rows(fresh, "SELECT who FROM feedback WHERE episode = 'c0ffee000001' ORDER BY id") == [
        ("grace",),
        ("lin",),
    ], "a header is believed only where the setting names it"


def test_the_newest_verdict_stands_and_the_older_one_is_kept(fresh: str) -> None:
    press(press(run_page("alerts"), NOISE), USEFUL)
    assert rows(fresh, "SELECT verdict FROM feedback WHERE episode = 'c0ffee000001' ORDER BY id") == [
        ("noise",),
        ("useful",),
    ]
    assert run_page("alerts").button(key=USEFUL).disabled


def test_a_click_never_lands_on_an_alert_that_opened_meanwhile(fresh: str) -> None:
    page = run_page("alerts")
    with psycopg.connect(fresh) as connection:
        connection.execute("UPDATE episodes SET peak = 99, phase = 'open', ended = NULL WHERE id = %s", [seed.PAST])
    st.cache_data.clear()
    page.button(key=NOISE).click().run()
    assert rows(fresh, "SELECT episode FROM feedback WHERE verdict = 'noise' AND who = 'grace'") in (
        [],
        [(seed.EPISODE,)],
    )


def test_an_open_alert_stays_under_its_reader_s_eyes(seeded_url: str, point_at: Callable[[str], None]) -> None:
    point_at(seeded_url)
    running, past = (alert_data.wanted_episodes(Wanted(), over=over, limit=9)[1] for over in (False, True))
    read, rarer = running[0], past[0]
    assert alerts._picked([rarer, read], []) == rarer, "nothing was read yet"
    st.session_state[alerts.SHOWN] = read.episode.id
    assert alerts._picked([rarer, read], []) == read
    assert alerts._picked([rarer], [read]) == rarer, "what is over makes way"


def test_a_silence_is_kept_with_its_end_and_can_be_ended(fresh: str) -> None:
    page = run_page("alerts")
    page.text_input(key=f"silence-comment-{seed.EPISODE}").set_value("known")
    page.button(key=f"FormSubmitter:silence-{seed.EPISODE}-Silence").click().run()
    assert rows(fresh, "SELECT scope, who, comment, round(extract(epoch FROM ends - starts) / 60) FROM silences") == [
        ("company:NRVN", "grace", "known", 8 * 60)
    ]
    assert "known" in words(page)
    press(page, "end-1")
    assert rows(fresh, "SELECT ended_by, ends <= now() FROM silences") == [("grace", True)]
    assert "ended by grace" in words(page)


def test_a_silence_is_made_without_an_alert_for_one_rule_and_until_any_time(fresh: str) -> None:
    page = run_page("alerts")
    page.selectbox(key="silence-company").set_value("ALBT")
    page.selectbox(key="silence-topic").set_value("Earnings")
    page.selectbox(key="silence-rule").set_value("Negative surge")
    page.segmented_control(key="silence-for").set_value("1 week")
    page.text_input(key="silence-why").set_value("results are due")
    press(page, "silence-now")
    assert rows(
        fresh, "SELECT scope, rule, who, comment, round(extract(epoch FROM ends - starts) / 60) FROM silences"
    ) == [("company:ALBT|topic:Earnings", 1, "grace", "results are due", 7 * 24 * 60)]
    assert "Albita Bank · Earnings</b> by rule Negative surge until" in words(page)


def test_a_silence_without_a_reason_is_refused(fresh: str) -> None:
    assert "say why" in words(press(run_page("alerts"), "silence-now"))
    assert rows(fresh, "SELECT count(*) FROM silences") == [(0,)]


def test_silences_can_be_made_before_any_alert_has_rung(database_url: str, point_at: Callable[[str], None]) -> None:
    point_at(database_url)
    assert run_page("alerts").button(key="silence-now").label.startswith("Silence, as ")


def ring(url: str, number: int) -> None:
    """So many more alerts that are over, one an hour, at companies in turn."""
    with psycopg.connect(url) as connection:
        for one in range(number):
            since = datetime.now(UTC) - timedelta(hours=one + 3)
            values = {
                "id": f"{one:012x}",
                "scope": f"company:C{one % 4}|topic:Macro",
                "phase": "closed",
                "since": since,
            }
            values |= {"ended": since + timedelta(hours=1), "seen": 9, "severity": 1.0, "publishers": 3, "also": []}
            values |= {"missing": [], "rule": 1, "model": 1, "number": one + 2}
            connection.execute("INSERT INTO incidents VALUES (%(id)s, %(since)s, %(ended)s)", values)
            connection.execute(seed._EPISODE.replace("%(scope)s, 1,", "%(scope)s, %(number)s,"), values)


def shown(page: AppTest) -> int:
    return words(page).count('class="t-pick')


def test_a_list_says_when_it_ends_at_its_limit_and_shows_more(fresh: str) -> None:
    ring(fresh, 60)
    page = run_page("alerts")
    assert "the 25 newest of 61" in words(page)
    assert shown(page) == 1 + 25
    press(page, "more")
    assert page.query_params["show"] == "50"
    assert shown(page) == 1 + 50
    assert shown(run_page("alerts", show="75")) == 1 + 61


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 14),
        ({"state": "open"}, 1),
        ({"state": "over"}, 13),
        ({"state": "noise"}, 1),
        ({"state": "useful"}, 0),
        ({"state": "unmarked"}, 13),
        ({"period": "1d"}, 13),
        ({"period": "30d"}, 14),
        ({"rule": "1"}, 14),
        ({"about": "company:C1|topic:Macro"}, 3),
        ({"about": "company:C1"}, 3),
        ({"about": "topic:Macro", "state": "over"}, 12),
        ({"about": "topic:Dividend"}, 1),
        ({"about": "company:NRVN", "state": "over"}, 0),
        ({"about": "no such"}, 14),
        ({"state": "no such", "show": "x", "rule": "99"}, 14),
    ],
)
def test_alerts_are_found_by_state_period_rule_and_scope_from_the_url(
    fresh: str, asked: dict[str, str], count: int
) -> None:
    ring(fresh, 12)
    assert shown(run_page("alerts", **asked)) == count


def test_a_filter_goes_into_the_url_and_out_of_it(fresh: str) -> None:
    ring(fresh, 3)
    page = run_page("alerts", episode=seed.PAST)
    page.selectbox(key="choice-state").set_value("noise").run()
    assert page.query_params["state"] == "noise"
    assert "episode" not in page.query_params
    assert "Dividend: 7 negative stories" in words(page)
    press(page, "clear")
    assert "state" not in page.query_params
    assert shown(page) == 5


def test_links_to_alerts_keep_the_filter(opened: Open) -> None:
    assert f"alerts?state=noise&amp;episode={seed.PAST}" in words(opened("alerts", state="noise"))


def give_up(url: str, channel: str, error: str) -> None:
    database, now = open_database(url), datetime.now(UTC)
    message = Message(sort="first", title="Norvane Motors: surge", lines=(), episode=seed.EPISODE)
    with transaction(database) as tx:
        outbox.post(tx, channel, channel, message, now)
        outbox.mark_failed(tx, [one.id for one in outbox.due(tx, now) if one.channel == channel], error, None, now)
    database.dispose()


def test_what_was_not_delivered_is_told_with_its_reason_and_sent_again(fresh: str) -> None:
    give_up(fresh, "desk", "HTTP 403 from https://hooks.example/T0KEN/secret")
    page = run_page("alerts")
    assert "One message was not delivered" in words(page)
    assert "HTTP 403 from ***" in words(page)
    health = words(run_page("feeds"))
    assert "HTTP 403 from ***; 1 given up" in health
    assert "T0KEN" not in words(page) + health
    press(page, "send-again")
    assert rows(fresh, "SELECT gave_up_at, attempts, asked_by FROM outbox") == [(None, 0, "grace")]
    assert "not delivered" not in words(page)


def test_what_was_not_delivered_can_be_dismissed(fresh: str) -> None:
    give_up(fresh, "desk", "HTTP 404")
    give_up(fresh, "mail", "HTTP 404")
    page = run_page("alerts")
    press(page, "dismiss")
    assert "not delivered" not in words(page)
    assert rows(fresh, "SELECT DISTINCT asked_by, gave_up_at IS NULL FROM outbox") == [("grace", False)]
    assert "given up" not in words(run_page("feeds"))


def test_what_waits_to_be_told_says_why_and_until_when(fresh: str) -> None:
    with psycopg.connect(fresh) as connection:
        connection.execute(
            """INSERT INTO deferred (episode, incident, channel, reason, why, at, until)
               SELECT id, incident, 'desk <b>', 'first', 'quiet hours', now(), now() + interval '1 hour'
               FROM episodes WHERE id = %s""",
            (seed.EPISODE,),
        )
    page = words(run_page("alerts", episode=seed.EPISODE))
    assert "desk &lt;b&gt;, first: quiet hours, until " in page


def test_what_was_delivered_is_not_warned_of(opened: Open) -> None:
    assert "not delivered" not in words(opened("alerts"))


@pytest.mark.parametrize(
    ("hours", "window", "ended"),
    [(2, "3d", True), (2, "3d", False), (30, "7d", True), (100, "30d", False), (500, "90d", True)],
)
def test_the_chart_of_an_alert_holds_all_of_it_and_days_before(hours: float, window: str, ended: bool) -> None:
    since = NOW - timedelta(hours=hours + 48 * ended)
    end = since + timedelta(hours=hours)
    values = dict.fromkeys(Episode.__slots__, None) | {"since": since, "ended": end if ended else None}
    view = view_around(Episode(**values), NOW, "Europe/Berlin")  # type: ignore[arg-type]
    assert view.window == window
    assert view.since <= since - timedelta(days=2)
    assert view.until >= end
    assert view.until <= NOW + view.grain.step


@pytest.mark.parametrize("module", ["overview", "alerts", "rules", "feeds"])
def test_a_visit_changes_nothing(fresh: str, module: str) -> None:
    def state() -> list[list[tuple[object, ...]]]:
        return [rows(fresh, f"SELECT * FROM {table} ORDER BY 1") for table in WRITTEN]  # noqa: S608 (constants)

    before = state()
    run_page(module, episode=seed.EPISODE, verdict="noise", acknowledge="1")
    assert state() == before


def test_a_link_of_a_message_acts_when_its_button_is_pressed_and_not_before(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s" * 32)
    token = links.sign("noise", seed.EPISODE, "s" * 32, datetime.now(UTC))
    page = run_page("act", token=token)
    assert "Norvane Motors" in words(page)
    assert rows(fresh, "SELECT count(*) FROM feedback WHERE episode = 'c0ffee000001'") == [(0,)]
    assert "Done: noise." in words(press(page, "confirm"))
    assert rows(fresh, "SELECT verdict FROM feedback WHERE episode = 'c0ffee000001'") == [("noise",)]


def test_a_link_takes_back_what_was_said_before(fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s" * 32)
    for act in ("noise", "useful", "noise"):
        page = run_page("act", token=links.sign(act, seed.EPISODE, "s" * 32, datetime.now(UTC)))  # type: ignore[arg-type]
        assert f"Done: {act}." in words(press(page, "confirm"))
    said = rows(fresh, "SELECT verdict FROM feedback WHERE episode = 'c0ffee000001' ORDER BY id")
    assert said == [("noise",), ("useful",), ("noise",)]


def test_the_overview_counts_every_open_alert(fresh: str) -> None:
    columns = "incident, rule, scope, kinds, sentiment, model, phase, since, detected, opened_at, expected, seen"
    more = "severity, peak, reason, volume_only, publishers, also, missing, reopened, changed_at"
    with psycopg.connect(fresh) as connection:
        connection.execute(
            f"""INSERT INTO episodes (id, number, {columns}, {more})
                SELECT 'more' || n, n, {columns}, {more} FROM episodes, generate_series(101, 160) AS n
                WHERE id = 'c0ffee000001'"""  # noqa: S608 (constants)
        )
    said = words(run_page("overview"))
    assert re.search(r"Open alerts.{0,200}\b61\b", said, re.DOTALL), said[:2000]


@pytest.mark.usefixtures("fresh")
def test_a_forged_link_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s" * 32)
    page = run_page("act", token=links.sign("noise", seed.EPISODE, "another secret", datetime.now(UTC)))
    assert "damaged or not ours" in words(page)
    assert not page.button


@pytest.mark.parametrize(
    ("severity", "said"),
    [(0.6, "about once in 4 weeks"), (2.6, "about once in 8 years"), (400.0, "less than once in 10 years")],
)
def test_rarity_is_said_in_the_words_of_the_messages(severity: float, said: str) -> None:
    assert telling.rarity(severity) == said


def test_what_was_missing_is_told() -> None:
    values = dict.fromkeys(Episode.__slots__, None) | {"missing": ("wire is silent", "worker 2 lags")}
    assert telling.completeness(Episode(**values)) == "wire is silent; worker 2 lags"  # type: ignore[arg-type]
