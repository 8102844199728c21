"""RSS and Atom as they are found: honest, broken, hostile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.entries import Entry, raw_article
from ingest.fetch import Fetched, SourceUnavailable
from ingest.sources.rss import parse_feed
from monitor.types import Feed

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = Feed(
    name="Gazette",
    url="https://a.example/rss",
    kind="news",
    publisher="Gazette",
    family="Trust",
    cadence=timedelta(minutes=5),
)
ITEM = (
    "<item><title>Fed &amp; ECB hold</title><link>/story?id=7</link><guid isPermaLink='false'>g7</guid>"
    "<pubDate>{date}</pubDate></item>"
)


def rss(items: str, declaration: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    return f"{declaration}<rss version='2.0'><channel><title>T</title>{items}</channel></rss>"


def answer(body: str | bytes, content_type: str = "application/rss+xml") -> Fetched:
    data = body.encode() if isinstance(body, str) else body
    return Fetched("https://a.example/rss", data, content_type, None, None)


def published(date: str) -> datetime | None:
    entries, _ = parse_feed(answer(rss(ITEM.format(date=date))))
    return raw_article(FEED, entries[0], FEED.url, NOW, False).published


def test_an_item_becomes_a_raw_article_with_its_three_times() -> None:
    entries, is_whole = parse_feed(answer(rss(ITEM.format(date="Tue, 24 Nov 2026 10:00:00 +0200"))))
    assert is_whole
    live = raw_article(FEED, entries[0], "https://a.example/rss", NOW, False)
    assert (live.title, live.url, live.source_id) == ("Fed & ECB hold", "https://a.example/story?id=7", "g7")
    assert (live.publisher, live.family, live.source, live.kind) == ("Gazette", "Trust", "Gazette", "news")
    assert (live.published, live.seen, live.counted_at) == (datetime(2026, 11, 24, 8, tzinfo=UTC), NOW, NOW)
    assert not live.is_backfill
    late = raw_article(FEED, entries[0], "https://a.example/rss", NOW, True)
    assert (late.counted_at, late.is_backfill) == (late.published, True)


def test_atom_brings_content_and_author() -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><title>r</title><entry><title>My view</title>
    <author><name>/u/owl</name></author><id>tag:r.example:x</id><link href="https://r.example/x"/>
    <updated>2026-11-24T09:00:00Z</updated><content type="html">&lt;p&gt;Long&lt;/p&gt;</content></entry></feed>"""
    entries, _ = parse_feed(answer(atom, "application/atom+xml"))
    assert entries == [
        Entry(
            title="My view",
            url="https://r.example/x",
            source_id="tag:r.example:x",
            body="<p>Long</p>",
            author="/u/owl",
            published=datetime(2026, 11, 24, 9, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-24T09:00:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("Wed, 24 Nov 2032 10:00:00 GMT", NOW),
        ("24. November 2026 10:00", None),
        ("2026-11-24 10:00 +0000", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("1795514400", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("10:00", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_dates_are_never_invented_and_never_in_the_future(date: str, expected: datetime | None) -> None:
    assert published(date) == expected


def test_a_catch_up_without_a_date_counts_when_seen() -> None:
    article = raw_article(FEED, Entry(title="x", url="https://a.example/x"), FEED.url, NOW, True)
    assert (article.published, article.counted_at, article.is_backfill) == (None, NOW, True)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (
            rss("<item><title>Zürich fällt</title></item>", "<?xml version='1.0' encoding='iso-8859-1'?>").encode(
                "latin-1"
            ),
            "text/xml",
        ),
        (
            rss("<item><title>Zürich fällt</title></item>", "<?xml version='1.0'?>").encode("cp1252"),
            "text/xml; charset=windows-1252",
        ),
        (rss("<item><title>Zürich fällt</title></item>").encode(), "text/xml; charset=us-ascii"),
        (rss("<item><title>Zürich fällt</title></item>").encode(), "text/html"),
        (rss("<item><title>Zürich fällt</title></item>", "").encode("utf-16"), "application/xml"),
        (b"\xef\xbb\xbf" + rss("<item><title>Z\xfcrich f\xe4llt</title></item>").encode(), "application/rss+xml"),
    ],
)
def test_charset_trouble_is_survived(body: bytes, content_type: str) -> None:
    entries, is_whole = parse_feed(answer(body, content_type))
    assert [entry.title for entry in entries] == ["Zürich fällt"]
    assert is_whole


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<!DOCTYPE html><html><body>Please log in</body></html>", "serves a web page, not a feed"),
        ("", "answers with nothing"),
        ("just text", "no RSS or Atom feed"),
        ('{"items": []}', "no RSS or Atom feed"),
        ("<rss version='2.0'><channel><title>x</channel>", "malformed"),
    ],
)
def test_what_is_no_feed_is_told_as_such(body: str, reason: str) -> None:
    with pytest.raises(SourceUnavailable, match=reason):
        parse_feed(answer(body))


def test_entity_bombs_are_refused() -> None:
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        "<rss version='2.0'><channel><item><title>&b;</title></item></channel></rss>"
    )
    with pytest.raises(SourceUnavailable, match="declares XML entities"):
        parse_feed(answer(bomb))
    outside = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + rss("", "")
    with pytest.raises(SourceUnavailable, match="declares XML entities"):
        parse_feed(answer(outside))


def test_a_feed_that_breaks_off_gives_what_it_has_and_is_not_read_as_a_whole() -> None:
    whole = rss(ITEM.format(date="Tue, 24 Nov 2026 10:00:00 GMT") + "<item><title>Second</title></item>")
    entries, is_whole = parse_feed(answer(whole[: whole.index("Second")]))
    assert entries[0].title == "Fed & ECB hold"
    assert not is_whole


def test_elements_that_are_torn_apart_cost_their_text_alone() -> None:
    """Found by a fuzzer: feedparser answers with None for a text whose end it never saw."""
    torn = "<author><name>n</nam<title>e></author><content type='html'>x</content>"
    entries, is_whole = parse_feed(answer(f"<feed xmlns='http://www.w3.org/2005/Atom'><entry>{torn}</entry></feed>"))
    assert ([entry.body for entry in entries], is_whole) == ([""], False)
    raw_article(FEED, entries[0], FEED.url, NOW, False)


def test_an_empty_feed_is_a_feed() -> None:
    assert parse_feed(answer(rss(""))) == ([], True)


def test_an_aggregator_names_the_publisher_of_each_item() -> None:
    item = '<item><title>x</title><link>/x</link><source url="https://b.example">Other Daily</source></item>'
    (entry,), _ = parse_feed(answer(rss(item)), is_aggregator=True)
    article = raw_article(FEED, entry, FEED.url, NOW, False)
    assert (article.publisher, article.family) == ("Other Daily", "Other Daily")
    (entry,), _ = parse_feed(answer(rss(item)))
    assert raw_article(FEED, entry, FEED.url, NOW, False).publisher == "Gazette"


def test_what_no_message_can_carry_is_cut_or_replaced() -> None:
    entry = Entry(title="A \ud83d lone surrogate", url="https://a.example/x", body="long " * 100_000)
    article = raw_article(FEED, entry, FEED.url, NOW, False)
    assert article.title == "A \ufffd lone surrogate"
    assert len(article.body) == 200_000


def test_an_entry_without_url_and_id_is_known_by_its_text() -> None:
    article = raw_article(FEED, Entry(title="Only a title"), FEED.url, NOW, False)
    assert article.url is None
    assert article.source_id is not None
    assert article.source_id.startswith("Only a title")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", ""),
        ("<![CDATA[  ]]>", ""),
        ("Before\x00\x1fafter", "Beforeafter"),
        (
            "Pair &#xD83D;&#xDE00; &#55357;&#56832; lone &#xD800; Hangul &#55000;",
            "Pair 😀 😀 lone \ufffd Hangul \ud6d8",
        ),
        ("&lt;b&gt;Bold&lt;/b&gt; &amp;amp; more", "<b>Bold</b>"),
    ],
)
def test_odd_titles_are_handed_on_for_the_worker_to_judge(title: str, expected: str) -> None:
    (entry, *_), _ = parse_feed(answer(rss(f"<item><title>{title}</title><link>/x</link></item>")))
    article = raw_article(FEED, entry, FEED.url, NOW, False)
    assert article.title.startswith(expected)
    assert article.url == "https://a.example/x"
    article.title.encode()


def test_a_link_that_many_entries_share_is_none_of_theirs() -> None:
    halts = "".join(f"<item><title>HALT {n}</title><link>https://a.example/halts</link></item>" for n in range(3))
    home = "<item><title>Late</title><link>https://a.example/</link></item>"
    corrected = "".join(f"<item><title>V{n}</title><link>https://a.example/7</link></item>" for n in range(2))
    entries, _ = parse_feed(answer(rss("<link>https://a.example/</link>" + halts + home + corrected)))
    assert [entry.url for entry in entries] == [None] * 4 + ["https://a.example/7"] * 2
    articles = [raw_article(FEED, entry, FEED.url, NOW, False) for entry in entries]
    assert len({article.source_id for article in articles[:4]}) == 4


@pytest.mark.parametrize("link", ["mailto:a@b.example", "javascript:alert(1)", "tag:a.example:7"])
def test_a_link_that_is_no_web_address_costs_no_article(link: str) -> None:
    article = raw_article(FEED, Entry("Fed holds", link), FEED.url, NOW, False)
    assert (article.url, article.source_id) == (None, link)


def test_links_are_relative_to_the_nearest_xml_base_and_the_alternate_one_counts() -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.example/x/"><title>r</title>
    <entry xml:base="y/"><title>t</title><id>i</id><link rel="self" href="s"/><link rel="enclosure" href="a.mp3"/>
    <link rel="alternate" href="z.html"/></entry></feed>"""
    (entry,), _ = parse_feed(answer(atom))
    assert entry.url == "https://b.example/x/y/z.html"


def test_what_takes_a_parser_minutes_is_refused() -> None:
    attributes = " ".join(f'a{n}="x"' for n in range(50_000))
    for body in (rss(f"<item {attributes}><title>x</title></item>"), rss("<item><title>x</title></item>" * 10_000)):
        with pytest.raises(SourceUnavailable, match="no feed"):
            parse_feed(answer(body))


def test_a_long_plain_body_is_no_long_tag() -> None:
    body = "word " * 20_000
    ((entry,), _) = parse_feed(
        answer(rss(f"<item><title>x</title><description><![CDATA[{body}]]></description></item>"))
    )
    assert len(entry.body) > 90_000


def test_the_thirteenth_month_is_not_next_january() -> None:
    assert published("2026-13-45") is None
