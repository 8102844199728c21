"""Copies and rewrites share a story; independent reports of one event, and templates, stay apart."""

import io
import json
from itertools import pairwise

import pytest

from monitor.headlines import telling
from monitor.stories import SAME, bands, sign, similarity
from monitor.story_lines import stories_lines

COPIES = [
    ("Valdoria recalls 40,000 cars over faulty brakes", "UPDATE 2-Valdoria recalls 40,000 cars over faulty brakes"),
    (
        "Valdoria recalls 40,000 cars over faulty brakes",
        "Valdoria Recalls 40,000 Cars Over Faulty Brakes - The Daily Ledger",
    ),
    (
        "Valdoria recalls 40,000 cars over faulty brakes",
        "RT @desk: Valdoria recalls 40,000 cars over faulty brakes https://x.example/1",
    ),
    (
        "Fed official says weak data caused by weather, should not slow taper",
        "Fed official says weak data caused by weather, should not ...",
    ),
    ("Pension fund sues bank over hidden fees", "Pension fund sues bank over the hidden fees"),
    ("Goldman cuts 3,000 jobs in cost drive", "Goldman Sachs Cuts 3000 Jobs in Cost Drive"),
    ("Valdoria recalls 40,000 cars over faulty brakes", "Carmaker recalls 40,000 cars over faulty brakes"),
    ("General Motors recalls 40,000 cars over faulty brakes", "GM recalls 40,000 cars over faulty brakes"),
    (
        "JPMorgan to pay $9.3 billion in settlement over mortgages",
        "JP Morgan to pay $9.3 bln in settlement over mortgages",
    ),
    ("J.P. Morgan to pay $9.3 billion in settlement over bonds", "JPMorgan to Pay US$9.3B in Settlement Over Bonds"),
    ("Wal-Mart to accept video game trade-ins", "Walmart to accept video game trade-ins"),
    ("Facebook fined $1.3 billion over data transfers", "Meta fined $1.3 billion over data transfers"),
    ("Gold rises on concern over China growth data", "PRECIOUS-Gold rises on concern over China growth data"),
    ("Quiznos files for bankruptcy protection -- 2nd Update", "Quiznos files for bankruptcy protection -- 3rd Update"),
    ("US jobless claims near seven-year low", "U.S. jobless claims near 7-year low"),
    ("Fourth-quarter growth raised on stronger spending", "Q4 growth raised on stronger spending"),
    ("Bitcoin is property, not currency: IRS", "IRS: bitcoin is property, not currency"),
    (
        "Nestl\u00e9 recalls baby formula over contamination fears",
        "Nestle recalls baby formula over contamination fears",
    ),
    ("\u4e30\u7530\u53ec\u56de120\u4e07\u8f86\u6c7d\u8f66\u56e0\u5b89\u5168\u6c14\u56ca\u6545\u969c",) * 2,
]
APART = [
    ("Orvane Bank Q2 profit rises 12 pct on lending", "Thalmark Bank Q2 profit rises 12 pct on lending"),
    ("Orvane Bank Q2 profit rises 12 pct on lending", "Orvane Bank Q2 profit rises 9 pct on lending"),
    ("Oil falls as supply grows", "Gold falls as dollar grows"),
    ("Valdoria recalls 40,000 cars over faulty brakes", "Brake fault forces Valdoria to call back cars worldwide"),
    ("Valdoria warns of hit to earnings from attack", "Orvane warns of hit to earnings from attack"),
    ("Valdoria Warns of Hit to Earnings From Attack", "Orvane Warns of Hit to Earnings From Attack"),
    ("Valdoria Warns of Hit to Earnings From Attack", "Orvane warns of hit to earnings from attack"),
    ("Apple Warns of Hit to Earnings From Attack", "Target Warns of Hit to Earnings From Attack"),
    ("Judge Fines Apple Over Misleading Ads", "Judge Fines Google Over Misleading Ads"),
    ("Hackers Steal Data From Target", "Hackers Steal Data From Walmart"),
    ("Bank of America sued over mortgage fees", "Bank of Canada sued over mortgage fees"),
    ("Orvane Bank first-quarter profit rises on lending", "Orvane Bank Q2 profit rises on lending"),
    ("Orvane shares up 3% after results", "Orvane shares down 3% after results"),
    ("Orvane Shares Jump After Strong Quarterly Results", "Orvane Shares Slump After Strong Quarterly Results"),
    ("US Inflation Rises More Than Expected In March", "US Inflation Rises More Than Expected In April"),
    ("Unemployment falls to record low in Germany", "Inflation falls to record low in Germany"),
    ("$aapl stock alert: buy signal triggered now", "$tsla stock alert: buy signal triggered now"),
    ("Gold falls on strong dollar data", "Oil falls on strong dollar data"),
    ("Stocks close higher on Monday as tech gains", "Stocks close higher on Tuesday as tech gains"),
    (
        "\u4e30\u7530\u53ec\u56de120\u4e07\u8f86\u6c7d\u8f66\u56e0\u5b89\u5168\u6c14\u56ca\u6545\u969c",
        "\u672c\u7530\u53ec\u56de120\u4e07\u8f86\u6c7d\u8f66\u56e0\u5b89\u5168\u6c14\u56ca\u6545\u969c",
    ),
]
STANDING = ["Oil falls", "Markets wrap", "10 things to know for today", "What you need to know before markets open"]


@pytest.mark.parametrize(("one", "other"), COPIES)
def test_copies_share_a_story_and_a_band(one: str, other: str) -> None:
    a, b = telling(one), telling(other)
    assert similarity(a, b) >= SAME
    assert set(bands(sign(a), a)) & set(bands(sign(b), b))


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_reports_stay_apart(one: str, other: str) -> None:
    assert similarity(telling(one), telling(other)) < SAME


@pytest.mark.parametrize("title", STANDING)
def test_a_title_that_stands_every_day_is_no_copy_unless_the_lead_agrees(title: str) -> None:
    lead = "Shares in Orvane lost a tenth on Monday after its lender warned of losses at home and abroad"
    assert similarity(telling(title), telling(title)) < SAME
    assert similarity(telling(title, lead), telling(title, lead)) >= SAME


def test_a_lead_of_one_template_with_another_name_is_another_report() -> None:
    lead = (
        "{0} said on Monday that an attack on its systems would cut earnings. Shares in {0} fell. Analysts at two banks"
    )
    one, other = (
        telling(f"{name} warns of hit to earnings from attack", lead.format(name) + " cut their view of the company")
        for name in ("Valdoria", "Orvane")
    )
    assert similarity(one, other) < SAME


def test_one_text_under_two_headlines_is_one_report() -> None:
    lead = "Valdoria of Bergen said on Monday that an attack on its systems would cut earnings for at least a year"
    assert similarity(telling("Valdoria warns investors", lead), telling("Bergen firm hit by attack", lead)) >= SAME


def answers(*lines: str) -> list[dict[str, object]]:
    out = io.StringIO()
    stories_lines(lines, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_lines_are_answered_in_order_and_ids_keep_their_type() -> None:
    said = answers(
        '{"id": 7, "title": "Valdoria recalls 40,000 cars over faulty brakes"}',
        '{"id": "b", "title": "Oil steady before the meeting of producers"}',
        '{"id": 9, "title": "UPDATE 1-Valdoria recalls 40,000 cars over faulty brakes"}',
    )
    assert [one["story"] for one in said] == [7, "b", 7]
    assert [one["novelty"] for one in said] == [1.0, 1.0, 0.0]


def test_a_bad_line_is_answered_in_its_place() -> None:
    said = answers("not json", '{"id": 1}', '{"id": 2, "title": "Fine headline about rates today"}')
    assert [set(one) for one in said] == [{"id", "error"}, {"id", "error"}, {"id", "story", "novelty"}]
    assert [set(one) for one in answers("not json")] == [{"id", "error"}], "also where none is good"


def test_the_window_is_three_days() -> None:
    line = '{{"id": {0}, "title": "Markets wrap: shares end little changed", "published": "2026-03-0{1}T10:00:00Z"}}'
    said = answers(*(line.format(number, day) for number, day in enumerate((1, 3, 9))))
    assert [one["story"] for one in said] == [0, 0, 2]


def test_signatures_are_the_same_in_every_process() -> None:
    told = telling("Pension fund sues bank over hidden fees")
    assert sign(told)[:2] == (sign(told)[0], sign(told)[1])
    assert bands(sign(told), told) == tuple(dict.fromkeys(bands(sign(told), told)))
    assert all(-(2**63) <= key < 2**63 for key in bands(sign(told), told))
    assert len({sign(telling(word * 3)) for word in ("oil ", "gold ", "rates ")}) == 3
    assert all(a != b for a, b in pairwise(sign(told)))


def test_percent_written_as_sign_or_word_is_the_same_number() -> None:
    one, other = telling("RBI leaves repo rate on hold at 8%"), telling("RBI leaves repo rate on hold at 8 percent")
    assert similarity(one, other) >= SAME
    assert similarity(one, telling("RBI leaves repo rate on hold at 9 percent")) < SAME


def test_what_no_utf8_carries_is_answered_as_an_escape_and_a_monstrous_number_in_its_place() -> None:
    headline = '"title": "Fine headline about rates today"}'
    lines = ['{"id": "\\ud800", ' + headline, '{"id": ' + "9" * 5_000 + ", " + headline, '{"id": 3, ' + headline]
    said = answers(*lines)
    assert said[0]["id"] == "\ud800"
    assert "not JSON" in str(said[1]["error"])
    assert said[2]["id"] == 3
    out = io.StringIO()
    stories_lines(lines, out)
    out.getvalue().encode()


def test_a_repeated_id_stays_in_its_story() -> None:
    said = answers(
        '{"id": 1, "title": "Valdoria recalls 40,000 cars over faulty brakes"}',
        '{"id": 2, "title": "UPDATE 1-Valdoria recalls 40,000 cars over faulty brakes"}',
        '{"id": 2, "title": "Oil steady before the meeting of producers"}',
        '{"id": "2", "title": "Gold steady before the meeting of producers"}',
    )
    assert [one["story"] for one in said] == [1, 1, 1, "2"]


def test_one_wrong_date_forgets_nothing() -> None:
    line = (
        '{{"id": {0}, "title": "Valdoria recalls 40,000 cars over faulty brakes", "published": "{1}-03-01T10:00:00Z"}}'
    )
    said = answers(*(line.format(number, year) for number, year in enumerate((2026, 2026, 2099, 2026))))
    assert [one["story"] for one in said] == [0, 0, 2, 0]


@pytest.mark.parametrize("title", ["\U0001f680\U0001f680", "the of and", "123", "\u3002", "\u200b?"])
def test_a_title_without_words_is_a_story_of_its_own(title: str) -> None:
    lines = [json.dumps({"id": number, "title": title}) for number in (1, 2)]
    assert [one["story"] for one in answers(*lines)] == [1, 2]


def test_a_flood_of_one_template_costs_no_more_than_its_newest() -> None:
    lines = [json.dumps({"id": n, "title": f"$T{n} stock alert: buy signal triggered at {n}"}) for n in range(3_000)]
    assert len({one["story"] for one in answers(*lines)}) == 3_000
