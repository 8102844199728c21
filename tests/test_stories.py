"""Copies and rewrites share a story; independent reports of one event, and templates, stay apart."""

import io
import json
from itertools import pairwise

import pytest

from monitor.stories import SAME, bands, sign, similarity, telling
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
]
APART = [
    ("Orvane Bank Q2 profit rises 12 pct on lending", "Thalmark Bank Q2 profit rises 12 pct on lending"),
    ("Orvane Bank Q2 profit rises 12 pct on lending", "Orvane Bank Q2 profit rises 9 pct on lending"),
    ("Oil falls as supply grows", "Gold falls as dollar grows"),
    ("Valdoria recalls 40,000 cars over faulty brakes", "Brake fault forces Valdoria to call back cars worldwide"),
]


@pytest.mark.parametrize(("one", "other"), COPIES)
def test_copies_share_a_story_and_a_band(one: str, other: str) -> None:
    a, b = telling(one), telling(other)
    assert similarity(a, b) >= SAME
    assert set(bands(sign(a), a.headline)) & set(bands(sign(b), b.headline))


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_reports_stay_apart(one: str, other: str) -> None:
    assert similarity(telling(one), telling(other)) < SAME


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


def test_the_window_is_three_days() -> None:
    line = '{{"id": {0}, "title": "Markets wrap: shares end little changed", "published": "2026-03-0{1}T10:00:00Z"}}'
    said = answers(*(line.format(number, day) for number, day in enumerate((1, 3, 9))))
    assert [one["story"] for one in said] == [0, 0, 2]


def test_signatures_are_the_same_in_every_process() -> None:
    told = telling("Pension fund sues bank over hidden fees")
    assert sign(told)[:2] == (sign(told)[0], sign(told)[1])
    assert bands(sign(told), told.headline) == tuple(dict.fromkeys(bands(sign(told), told.headline)))
    assert all(-(2**63) <= key < 2**63 for key in bands(sign(told), told.headline))
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
