"""`backtest --series`: the file format to the letter, causality, speed."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.alerts.series import backtest_series
from monitor.errors import UsageError
from tests.alerts.streams import draw, moments, rhythm

KEYS = ["start", "detected", "end", "severity", "expected", "seen", "reason"]


def rows(weeks: float = 4, bucket_s: float = 300.0, level: float = 2.0, surge: float = 6.0) -> list[list[str]]:
    at = moments(weeks, bucket_s)
    level *= bucket_s / 300
    mean = level * rhythm(at)
    begin, length = len(at) * 4 // 5, max(2, round(3 * 3600 / bucket_s))
    mean[begin : begin + length] *= surge
    negative, others = draw(21, mean), draw(22, 2 * level * rhythm(at))
    spelled = [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%d %H:%M:%S") for one in at]
    return [[s, f"{n + o:.0f}", f"{n:.0f}"] for s, n, o in zip(spelled, negative, others, strict=True)]


def backtest(table: list[list[str]], budget: float = 0.1, header: str = "at,total,negative") -> list[dict[str, object]]:
    source = io.StringIO(newline="")
    source.write(header + "\n")
    csv.writer(source).writerows(table)
    source.seek(0)
    lines, _ = backtest_series(source, budget)
    return lines


def test_one_line_per_episode_with_times_copied_from_the_file() -> None:
    table = rows()

    (episode,) = backtest(table, 0.05)

    assert list(episode) == KEYS
    spelled = [row[0] for row in table]
    first, decided, last = (spelled.index(str(episode[key])) for key in ("start", "detected", "end"))
    surge = len(table) * 4 // 5
    assert surge - 6 <= first <= decided <= surge + 12
    assert surge + 24 <= last <= surge + 48
    assert episode["seen"] == sum(int(row[2]) for row in table[first : decided + 1])
    assert 0 < float(str(episode["expected"])) < int(str(episode["seen"]))
    assert episode["reason"] == "count"


def test_what_was_decided_never_changes_with_what_comes_later() -> None:
    table = rows()
    (whole,) = backtest(table)
    decided = [row[0] for row in table].index(str(whole["detected"]))

    (cut,) = backtest(table[: decided + 1])

    assert cut == {**whole, "end": None}
    assert backtest(table[:decided]) == []


@pytest.mark.parametrize("bucket_s", [60.0, 900.0, 3600.0, 86400.0])
def test_any_regular_bucket_is_found_from_the_file(bucket_s: float) -> None:
    weeks = {60.0: 1.2, 86400.0: 30}.get(bucket_s, 4)

    found = backtest(rows(weeks, bucket_s, surge=8.0))

    assert len(found) >= 1


def test_rows_may_miss_and_come_in_any_order_without_changing_what_is_found() -> None:
    table = rows()
    surge = len(table) * 4 // 5
    kept = [row for n, row in enumerate(table) if n % 17 or abs(n - surge) < 60]
    shuffled = [kept[n] for n in np.random.default_rng(1).permutation(len(kept))]

    (episode,) = backtest(shuffled, 0.05)

    assert abs([row[0] for row in table].index(str(episode["detected"])) - surge) <= 12


def test_a_missing_row_is_unknown_and_no_zero() -> None:
    table = rows(surge=1.0)
    night = [row for n, row in enumerate(table) if not 2016 * 2 <= n < 2016 * 2 + 600]

    assert backtest(night) == []


def test_a_zone_is_respected_and_none_means_utc() -> None:
    plain = rows()
    zoned = [
        [(datetime.fromisoformat(at) + timedelta(hours=2)).isoformat() + "+02:00", total, negative]
        for at, total, negative in plain
    ]

    (one,), (other,) = backtest(plain), backtest(zoned)

    assert datetime.fromisoformat(str(other["start"])) == datetime.fromisoformat(str(one["start"])).replace(tzinfo=UTC)
    assert str(other["start"]).endswith("+02:00")
    assert one["severity"] == other["severity"]


def test_a_larger_budget_never_finds_less() -> None:
    table = rows(6, surge=3.0)

    found = [len(backtest(table, budget)) for budget in (0.05, 0.5, 5.0)]

    assert found == sorted(found)


def test_a_bad_row_is_named_in_its_place_and_the_rest_goes_on() -> None:
    table = rows()
    table[100] = ["yesterday", "4", "1"]
    table[200][2] = "-3"
    table[300][1:] = ["1", "2"]
    table[400] = table[399]

    found = backtest(table)

    assert [line["id"] for line in found if "error" in line] == [102, 202, 302, 402]
    assert len([line for line in found if "start" in line]) == 1


@pytest.mark.parametrize(
    ("header", "table", "budget", "words"),
    [
        ("time,total,negative", [], 0.1, "column at missing"),
        ("at,total,negative", [], 0.0, "--budget"),
        ("at,total,negative", [], float("nan"), "--budget"),
        ("at,total,negative", [["2026-01-01T00:00:00", "1", "0"], ["2026-01-01T00:00:07", "1", "0"]], 0.1, "bucket"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(
    header: str, table: list[list[str]], budget: float, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        backtest(table, budget, header)

    assert "\n" not in str(refused.value)


def test_an_empty_file_has_no_episodes() -> None:
    assert backtest([]) == []
    assert backtest([["2026-01-01T00:00:00", "1", "0"]]) == []


def test_sixteen_thousand_rows_take_no_five_seconds() -> None:
    table = rows(8)[:16000]
    begin = time.process_time()

    backtest(table)

    assert time.process_time() - begin < 5
