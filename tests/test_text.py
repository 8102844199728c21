"""Whatever a source says becomes a readable article with an identity, or is refused with the reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codec import LARGEST, decode, encode
from monitor.text import canonical_url, clean, readable
from monitor.types import Article, RawArticle, Rejected

NOW = datetime(2026, 3, 3, 10, tzinfo=UTC)
RAW = RawArticle(
    source="wire",
    kind="news",
    publisher="Wire",
    family="Wire House",
    title="Orders rise",
    seen=NOW,
    counted_at=NOW,
    url="https://wire.example/a",
)


def article(**changes: object) -> Article:
    cleaned = clean(msgspec.structs.replace(RAW, **changes))
    assert isinstance(cleaned, Article), cleaned
    return cleaned


READABLE = [
    ("<p>Profit <b>falls</b></p><script>alert(1)</script>", "Profit falls"),
    ("AT&amp;T &#8217;s deal", "AT&T ’s deal"),
    ("5 < 7 and 8 > 2", "5 < 7 and 8 > 2"),
    ("a\x00b\ud800c  \n d", "abc d"),
    ("<style>p{}</style><p>one</p><p>two</p>", "one two"),
]


@pytest.mark.parametrize(("text", "expected"), READABLE)
def test_text_is_readable(text: str, expected: str) -> None:
    assert readable(text, 1000) == expected


URLS = [
    ("https://x.example/a?id=7&utm_source=feed#top", "https://x.example/a?id=7"),
    ("http://x.example/story.html\\?track=rss", "http://x.example/story.html"),
    ("https://x.example/plain/path", "https://x.example/plain/path"),
    ("javascript:alert(1)", None),
    ("ftp://x.example/a", None),
    ("not a url", None),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_urls_are_canonical(url: str, expected: str | None) -> None:
    found = canonical_url(url)
    assert found == expected or (expected is not None and found is not None and found.startswith(expected))


def test_one_address_is_one_article_however_it_is_spelt() -> None:
    ids = {
        article(url=url).id for url in ("http://wire.example/a", "https://wire.example/a/", "https://wire.example/a#x")
    }
    assert len(ids) == 1


def test_without_a_url_the_source_names_the_article() -> None:
    assert article(url=None, source_id="1").id != article(url=None, source_id="2").id
    assert article(url=None, source_id="1").id == article(url=None, source_id="1", title="Other").id


REFUSED = [
    ({"title": " ", "body": "<p></p>"}, "no text"),
    ({"url": None}, "no identity"),
    ({"url": "javascript:alert(1)"}, "not a web address"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_what_can_never_be_an_article_is_refused(changes: dict[str, object], reason: str) -> None:
    refused = clean(msgspec.structs.replace(RAW, **changes))
    assert isinstance(refused, Rejected)
    assert reason in refused.reason


def test_an_empty_title_takes_the_first_sentence() -> None:
    assert article(title="", body="Profit fell. Shares rose.").title == "Profit fell."


def test_nothing_is_published_after_it_was_seen() -> None:
    assert article(published=NOW + timedelta(days=2)).published == NOW
    assert article(published=None).published is None


def test_a_huge_body_costs_little() -> None:
    started = perf_counter()
    assert len(article(body="<div>" * 50_000 + "word " * 200_000).body) <= 200_000
    assert perf_counter() - started < 2


@given(st.text(max_size=300), st.text(max_size=300), st.one_of(st.none(), st.text(max_size=60)))
def test_any_text_travels_and_is_cleaned_without_an_exception(title: str, body: str, url: str | None) -> None:
    raw = msgspec.structs.replace(RAW, title=title, body=body, url=url, source_id="7")
    decoded = decode(encode(raw).value)
    assert isinstance(decoded, RawArticle)
    cleaned = clean(decoded)
    if isinstance(cleaned, Article):
        (cleaned.title + cleaned.body).encode()
        again = clean(msgspec.structs.replace(decoded, title=cleaned.title, body=cleaned.body, url=cleaned.url))
        assert isinstance(again, Article)
        assert replace(again, title="", body="") == replace(cleaned, title="", body="")


def test_unknown_and_broken_messages_are_refused_with_the_reason() -> None:
    good = encode(RAW).value
    for value, reason in [
        (b"\x09" + good[1:], "version 9"),
        (b"", "empty"),
        (good[:-5], "malformed"),
        (b"{}", "version"),
        (
            good[:-1] + b',"of_a_later_release":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
            "malformed message: maximum recursion",
        ),
    ]:
        refused = decode(value)
        assert isinstance(refused, Rejected)
        assert reason in refused.reason


def test_names_end_before_the_database_s_keys_do() -> None:
    long = article(publisher="p" * 9_000, family="f" * 9_000, author="a " * 9_000)
    assert (len(long.publisher), len(long.family), long.author) == (200, 200, ("a " * 100).rstrip())


def test_no_message_is_too_large_for_the_log_whichever_field_is() -> None:
    for name in ("title", "body", "url", "author", "source_id", "publisher"):
        huge = msgspec.structs.replace(RAW, **{name: "\x01x" * 1_000_000})
        assert len(encode(huge).value) + len(encode(huge).key) <= LARGEST
    kept = decode(encode(msgspec.structs.replace(RAW, body="word " * 400_000)).value)
    assert isinstance(kept, RawArticle)
    assert len(kept.body) > 200_000, "what is read of it is there"
