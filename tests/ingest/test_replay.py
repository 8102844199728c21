"""Replay: a recorded file becomes articles, every row of it or a reason why not."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.sources.replay import parse_mapping, parse_speed, replay
from monitor.errors import TocsinError, UsageError
from monitor.types import RawArticle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        data = text.encode("utf-8", "surrogateescape")
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write_file


def read(path: Path, **options: object) -> tuple[list[RawArticle], list[tuple[int, str]]]:
    articles: list[RawArticle] = []
    report = replay(path, articles.extend, now=lambda: NOW, **options)  # type: ignore[arg-type]
    assert report.published == len(articles)
    return articles, [(bad.line, bad.reason) for bad in report.bad]


@pytest.mark.parametrize("name", ["news.csv", "news.csv.gz"])
def test_csv_columns_are_found_by_their_usual_names(write: Callable[[str, str], Path], name: str) -> None:
    text = "id,title,url,publisher,at\n7,Fed holds,https://a.example/7,Gazette,2014-03-10 16:52:50.698+00:00\n"
    articles, bad = read(write(name, text))
    assert not bad
    assert articles == [
        RawArticle(
            source="replay:news",
            kind="news",
            publisher="Gazette",
            family="Gazette",
            title="Fed holds",
            url="https://a.example/7",
            source_id="7",
            published=datetime(2014, 3, 10, 16, 52, 50, 698000, UTC),
            seen=NOW,
            counted_at=datetime(2014, 3, 10, 16, 52, 50, 698000, UTC),
            is_backfill=True,
        )
    ]


def test_json_lines_are_mapped_also_from_nested_objects(write: Callable[[str, str], Path]) -> None:
    lines = [
        {"data": {"text": "Shares fall"}, "when": 1700000000, "who": {"handle": "owl"}},
        {"data": {"text": "Shares rise"}, "when": "2024-01-02T03:04:05", "who": None},
    ]
    path = write("posts.jsonl", "\n".join(map(json.dumps, lines)))
    articles, bad = read(path, mapping="title=data.text,published=when,author=who.handle", kind="comment")
    assert not bad
    assert [(one.title, one.author, one.kind, one.publisher) for one in articles] == [
        ("Shares fall", "owl", "comment", "posts"),
        ("Shares rise", None, "comment", "posts"),
    ]
    assert articles[0].published == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert articles[1].published == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "a date without zone is UTC"


def test_bad_rows_are_named_with_line_and_reason_and_the_rest_goes_on(write: Callable[[str, str], Path]) -> None:
    good = '{"title": "Good", "published": "2024-01-01"}'
    rows = [
        good,
        "{broken",
        "",
        '{"title": "", "published": "2024-01-01"}',
        '{"title": "Soon", "published": "soon"}',
        "[1]",
        '{"title": "A \\ud83d lone surrogate"}',
        '{"title": "Odd", "kind": "rumour"}',
        good,
    ]
    articles, bad = read(write("rows.jsonl", "\n".join(rows)))
    assert [one.title for one in articles] == ["Good", "A � lone surrogate", "Good"]
    assert [line for line, _ in bad] == [2, 4, 5, 6, 8]
    assert "'soon' is no date" in bad[2][1]
    assert "rumour" in bad[4][1]


@pytest.mark.parametrize("depth", [*range(900, 1001), 100_000])
def test_a_row_that_is_too_deep_to_read_is_a_bad_row(write: Callable[[str, str], Path], depth: int) -> None:
    deep = f'{{"title": "Deep", "x": {"[" * depth}{"]" * depth}}}'
    articles, bad = read(write("rows.jsonl", f'{deep}\n{{"title": "Good"}}\n'))
    assert articles[-1].title == "Good"
    assert len(articles) + len(bad) == 2
    assert bad or depth < 1000
    assert all("recursion" in reason for _, reason in bad)


def test_csv_rows_that_are_no_utf8_or_miss_fields_are_named(write: Callable[[str, str], Path]) -> None:
    articles, bad = read(
        write("rows.csv", '\ufefftitle,at\n"Two\nlines",2024-01-01\nBad \udcff,2024-01-01\nAlone\n,\n')
    )
    assert [one.title for one in articles] == ["Two\nlines"]
    assert [line for line, _ in bad] == [4, 5, 6]


def test_a_lone_carriage_return_does_not_end_a_csv_row(write: Callable[[str, str], Path]) -> None:
    articles, bad = read(write("rows.csv", "title,at\r\nUp \rand down,2024-01-01\r\n"))
    assert [one.title for one in articles] == ["Up  and down"]
    assert not bad


def test_a_wrong_mapping_names_the_columns_there_are(write: Callable[[str, str], Path]) -> None:
    path = write("rows.csv", "headline_text,at\nFed,2024-01-01\n")
    with pytest.raises(UsageError, match=r"no column 'texte'; it has headline_text, at"):
        read(path, mapping="title=texte")
    with pytest.raises(UsageError, match=r"no title column; name one of headline_text, at"):
        read(path)
    with pytest.raises(UsageError, match=r"no field 'headline'"):
        read(path, mapping="headline=at")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("empty.jsonl", "", "no rows"),
        ("page.jsonl", "<html></html>", "no rows to replay"),
        ("array.json", '[{"title": "x"}]', "jq -c"),
    ],
)
def test_an_unusable_file_is_a_wrong_use(write: Callable[[str, str], Path], name: str, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read(write(name, text))


def test_a_missing_or_damaged_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "none.csv")
    half = gzip.compress(b"title,at\n" + b"Fed holds,2024-01-01\n" * 100_000)[:-300]
    (tmp_path / "half.csv.gz").write_bytes(half)
    with pytest.raises(TocsinError, match="damaged"):
        read(tmp_path / "half.csv.gz")


def test_an_error_of_the_log_is_not_blamed_on_the_file(write: Callable[[str, str], Path]) -> None:
    def broken(_articles: object) -> None:
        raise ConnectionResetError("log gone")

    with pytest.raises(ConnectionResetError):
        replay(write("rows.csv", "title\nFed\n"), broken, now=lambda: NOW)


def test_a_future_date_is_clamped_to_now_and_an_absent_one_counts_now(write: Callable[[str, str], Path]) -> None:
    articles, _ = read(write("rows.csv", "title,at\nA,2031-01-01\nB,\n"))
    assert [(one.published, one.counted_at) for one in articles] == [(NOW, NOW), (None, NOW)]


def test_live_shifts_the_times_to_now_at_the_recorded_pace(write: Callable[[str, str], Path]) -> None:
    rows = "".join(f"N{minute},2024-01-01T00:{minute:02}:00Z\n" for minute in (0, 1, 1, 4))
    clock = Clock()
    batches: list[list[RawArticle]] = []
    replay(
        write("rows.csv", "title,at\n" + rows),
        lambda batch: batches.append(list(batch)),
        when="live",
        speed=60.0,
        now=clock.now,
        sleep=clock.sleep,
    )
    assert [[one.title for one in batch] for batch in batches] == [["N0"], ["N1", "N1"], ["N4"]]
    assert [(batch[0].seen - NOW).total_seconds() for batch in batches] == pytest.approx([0, 1, 4])
    assert all(
        one.published == one.seen == one.counted_at and not one.is_backfill for batch in batches for one in batch
    )


def test_replaying_rows_without_an_id_twice_gives_the_same_ids(write: Callable[[str, str], Path]) -> None:
    path = write("rows.csv", "title,at\nA,2024-01-01\nB,2024-01-01\n")
    first, second = read(path)[0], read(path)[0]
    assert [one.source_id for one in first] == [one.source_id for one in second]
    assert len({one.source_id for one in first}) == 2


def test_speed_is_max_or_a_factor() -> None:
    assert parse_speed("max") is None
    assert parse_speed("2.5") == 2.5
    for wrong in ("fast", "0", "-1", "nan", "inf"):
        with pytest.raises(UsageError, match="--speed"):
            parse_speed(wrong)
    assert parse_mapping("") == {}


@pytest.mark.data
def test_sixty_thousand_real_articles_pass_in_seconds_and_bounded_memory(shared_data: Path) -> None:
    count = 0

    def publish(articles: object) -> None:
        nonlocal count
        count += len(articles)  # type: ignore[arg-type]

    started = time.monotonic()
    report = replay(
        shared_data / "uci-news/business.csv.gz", publish, mapping="source_id=id", now=lambda: datetime.now(UTC)
    )
    assert (count, report.bad) == (60_620, [])
    assert time.monotonic() - started < 30
    tracemalloc.start()
    try:
        mapping = "title=text,published=at,source_id=tweet_id"
        path = shared_data / "stocknet/tweets.csv.gz"
        report = replay(path, publish, mapping=mapping, kind="comment", now=lambda: NOW)
        assert (report.published, report.bad) == (58_603, [])
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
