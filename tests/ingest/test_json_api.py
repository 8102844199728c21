"""JSON APIs by configuration: the mapping fits, or the error says how it doesn't; a key is never shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.ask import ask
from ingest.dates import parse_date
from ingest.entries import raw_article
from ingest.feeds import Source, parse_sources
from ingest.fetch import Fetcher, Limits, SourceUnavailable
from monitor.errors import UsageError
from monitor.types import FeedState

OPEN = Fetcher(allow_private=True, limits=Limits(read_s=1.0))
DATA = {
    "status": "ok",
    "data": {
        "articles": [
            {"headline": "Fed holds", "link": "/7", "meta": {"at": 1764000000}, "by": ["Ann"], "from": "Gazette"},
            {"headline": "", "link": "/8", "meta": {"at": None}},
            {"headline": "ECB cuts", "link": "/9", "meta": {"at": "odd"}, "n": 3},
        ]
    },
}


TITLE_AND_AUTHOR = 'title = "headline"\nauthor = "by"'


def source(url: str, more: str = "", fields: str = 'title = "headline"') -> Source:
    (found,) = parse_sources(
        f"""
        [[feed]]
        name = "API"
        url = "{url}"
        kind = "news"
        publisher = "P"
        format = "json"
        [feed.json]
        items = "data.articles"
        {more}
        [feed.json.fields]
        {fields}
        """,
        "test",
    )
    return found


def read(found: Source) -> list[Any]:
    return ask(found, FeedState(name="API"), OPEN).entries


def test_items_are_found_and_mapped_by_dotted_paths(server: Any) -> None:
    url = server.serve("/v1", json.dumps(DATA))
    fields = (
        'title = "headline"\nurl = "link"\npublished = "meta.at"\nauthor = "by.0"\npublisher = "from"\nsource_id = "n"'
    )
    entries = read(source(url, fields=fields))
    assert [entry.title for entry in entries] == ["Fed holds", "", "ECB cuts"], "the empty one is for the dead letters"
    first, _, third = entries
    assert first.published == datetime(2025, 11, 24, 16, tzinfo=UTC)
    assert (first.url, first.author, first.publisher) == ("/7", "Ann", "Gazette")
    assert (third.published, third.source_id) == (None, "3")


@pytest.mark.parametrize(
    ("body", "more", "fields", "reason"),
    [
        ("<html>", "", 'title = "headline"', "no JSON"),
        ('{"error": "quota"}', "", 'title = "headline"', "leads to no list; it has error"),
        (r'{"err\u0000or\ud800": 1}', "", 'title = "headline"', r"it has err\\x00or\\ud800"),
        (json.dumps(DATA), "", 'title = "titel"', "in none of the 3 items; it has headline, link"),
        (json.dumps(DATA), "", 'title = "headline"\npublished = "link"', "'/7' is no date; set date_format"),
    ],
)
def test_a_wrong_mapping_says_what_there_is(server: Any, body: str, more: str, fields: str, reason: str) -> None:
    with pytest.raises(SourceUnavailable, match=reason):
        read(source(server.serve("/v1", body), more, fields))


def test_the_key_comes_from_the_environment_and_travels_as_told(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "s3cret&1")
    url = server.serve("/v1", json.dumps(DATA))
    read(source(url, 'key_env = "API_KEY"\nkey_header = "Authorization"\nkey_prefix = "Bearer "'))
    read(source(url + "?limit=5", 'key_env = "API_KEY"\nkey_query = "apikey"'))
    assert server.requests[0][1]["authorization"] == "Bearer s3cret&1"
    assert server.requests[1][0] == "/v1?limit=5&apikey=s3cret%261"


def test_no_error_shows_the_key(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "s3cret&1")
    for path, body in {"/echo": '"your key s3cret&1 is wrong"', "/page": "s3cret%261 <html>"}.items():
        with pytest.raises(SourceUnavailable) as caught:
            read(source(server.serve(path, body), 'key_env = "API_KEY"\nkey_query = "apikey"'))
        assert "s3cret" not in str(caught.value)
        assert "s3cret" not in repr(caught.value.__cause__) + repr(caught.value.__context__)
    monkeypatch.setenv("API_KEY", "s3cret\nline")
    with pytest.raises(SourceUnavailable) as caught:
        read(source(server.url("/echo"), 'key_env = "API_KEY"\nkey_header = "X-Key"'))
    assert "s3cret" not in str(caught.value)


def test_a_missing_key_names_the_variable(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    with pytest.raises(UsageError, match="API_KEY is empty"):
        read(source(server.url("/v1"), 'key_env = "API_KEY"\nkey_header = "X-Key"'))
    assert not server.requests


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-11-24T10:00:00Z", None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00+02:00", None, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("24/11/2026 10:00", "%d/%m/%Y %H:%M", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (1795514400000, None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (1795514400.5, "epoch", datetime(2026, 11, 24, 10, 0, 0, 500000, UTC)),
        ("20261124", None, datetime(2026, 11, 24, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00 +02:00", None, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00 GMT+0200", None, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00 CEST", None, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00 BST", None, datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 02:30 PM EST", None, datetime(2026, 11, 24, 19, 30, tzinfo=UTC)),
        ("November 24, 2026 12:30 a.m.", None, datetime(2026, 11, 24, 0, 30, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00 -0500 (EST)", None, datetime(2026, 11, 24, 15, tzinfo=UTC)),
        ("Tue Nov 24 10:00:00 +0000 2026", None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("Tue Nov 24 10:00:00 2026", None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("Tue Nov 24 10:00:00 UTC 2026", None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00 Z", None, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (None, None, None),
        ("", "epoch", None),
    ],
)
def test_dates_are_read_in_every_usual_form(value: object, form: str | None, expected: datetime | None) -> None:
    assert parse_date(value, form) == expected


@pytest.mark.parametrize(
    "value", ["soon", "10:00", "yesterday", "Tue, 24 Nov 2026 10:00:00 IST", {"a": 1}, "9" * 30, True]
)
def test_what_is_no_date_is_no_date(value: object) -> None:
    with pytest.raises(ValueError, match="is no date"):
        parse_date(value)


def test_lists_within_lists_are_no_date_however_deep() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(ValueError, match="a list is no date"):
        parse_date(deep)


def test_the_cadence_is_read(server: Any) -> None:
    assert source(server.url("/v1")).feed.cadence == timedelta(minutes=10)


@pytest.mark.parametrize("start", ['\ufeff{"data": ', '{"n": NaN, "data": ', '{"data": '])
def test_what_the_strict_reader_refuses_is_read_all_the_same(server: Any, start: str) -> None:
    body = start + '{"articles": [{"headline": "Fed \\ud800 holds"}, {"headline": "ECB cuts"}]}}'
    entries = read(source(server.serve("/v1", body)))
    assert [entry.title for entry in entries] == ["Fed \ud800 holds", "ECB cuts"]


@pytest.mark.parametrize("body", ["[" * 100_000, '{"data": ' + "9" * 5_000 + "}"])
def test_monstrous_json_is_a_reason(server: Any, body: str) -> None:
    with pytest.raises(SourceUnavailable, match="no JSON"):
        read(source(server.serve("/v1", body)))


def test_lists_are_joined_and_objects_are_no_text(server: Any) -> None:
    items = [{"headline": {"long": "no"}, "by": ["Ann", "Bo"]}, {"headline": "Fed holds", "by": {"name": "Ann"}}]
    entries = read(source(server.serve("/v1", json.dumps({"data": {"articles": items}})), fields=TITLE_AND_AUTHOR))
    assert [(entry.title, entry.author) for entry in entries] == [("", "Ann, Bo"), ("Fed holds", None)]


def test_a_relative_link_takes_no_key_along(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "s3cret")
    url = server.serve("/v1", json.dumps({"data": {"articles": [{"headline": "Fed holds", "link": "#7"}]}}))
    found = source(url, 'key_env = "TEST_KEY"\nkey_query = "apikey"', 'title = "headline"\nurl = "link"')
    reading = ask(found, FeedState(name="API"), OPEN)
    article = raw_article(found.feed, reading.entries[0], reading.base, datetime.now(UTC), False)
    assert article.url == server.url("/v1#7")


def test_a_key_that_no_header_can_carry_is_a_reason(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "s\u00e9cret")
    found = source(server.serve("/v1", "[]"), 'key_env = "TEST_KEY"\nkey_header = "X-Key"')
    with pytest.raises(SourceUnavailable, match="check the key"):
        read(found)


def test_a_deep_list_is_no_text_and_stops_nobody(server: Any) -> None:
    items = f'[{{"headline": "Fed holds", "by": {"[" * 900}1{"]" * 900}}}, {{"headline": ["ECB", ["cuts"]]}}]'
    entries = read(source(server.serve("/v1", f'{{"data": {{"articles": {items}}}}}'), fields=TITLE_AND_AUTHOR))
    assert [(entry.title, entry.author) for entry in entries] == [("Fed holds", None), ("ECB", None)]


@pytest.mark.parametrize(
    ("url", "more", "fields", "reason"),
    [
        ("https://api.example:port/", 'key_env = "TEST_KEY"\nkey_query = "k"', "", "no valid URL"),
        (None, 'date_format = "%Y %Y"', 'published = "link"', "is no date of the form '%Y %Y'"),
        (None, "", 'author = "by.\u00b2"', None),
    ],
)
def test_a_wrong_setting_of_one_source_is_its_own_reason(
    server: Any, monkeypatch: pytest.MonkeyPatch, url: str | None, more: str, fields: str, reason: str | None
) -> None:
    """Any other exception would end all of `tocsin ingest`."""
    monkeypatch.setenv("TEST_KEY", "s3cret")
    found = source(url or server.serve("/v1", json.dumps(DATA)), more, f'title = "headline"\n{fields}')
    if reason is None:
        assert read(found)[0].author is None
    else:
        with pytest.raises(SourceUnavailable, match=reason):
            read(found)
