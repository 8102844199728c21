"""Comments: each is one, though many link to one thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.entries import Entry, raw_article
from ingest.fetch import Fetched
from ingest.poller import Seen
from ingest.sources.json_api import JsonApi, parse_items
from ingest.sources.rss import parse_feed
from monitor.text import clean
from monitor.types import Article, Feed, RawArticle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = Feed(name="c", url="https://a.example/", kind="comment", publisher="c", family="c", cadence=timedelta(minutes=5))
API = JsonApi(fields={"title": "text", "url": "thread", "source_id": "id"})


def answer(body: str) -> Fetched:
    return Fetched("https://a.example/", body.encode(), "", None, None)


def fresh(seen: Seen, entries: Sequence[Entry]) -> list[RawArticle]:
    """What a visit appends to the log."""
    found = seen.new(entries, FEED.kind)
    seen.add(found, FEED.kind)
    return [raw_article(FEED, entry, FEED.url, NOW, False) for entry in found]


def ids(articles: Sequence[RawArticle]) -> list[str]:
    return [found.id for found in map(clean, articles) if isinstance(found, Article)]


def test_posts_of_one_thread_are_all_kept_however_many_an_answer_shows() -> None:
    posts = [{"id": n, "text": f"post {n}", "thread": "https://a.example/t/5"} for n in range(6)]
    seen = Seen()
    shown = (posts[:2], posts[1:3], posts[2:6], posts[5:6])
    articles = [one for part in shown for one in fresh(seen, parse_items(answer(json.dumps(part)), API)[0])]
    assert [one.title for one in articles] == [f"post {n}" for n in range(6)]
    assert len(set(ids(articles))) == 6
    assert articles[0].url == "https://a.example/t/5"


@pytest.mark.parametrize("link", ["https://a.example/r.html#r{n}", "https://a.example/news?cid={n}"])
@pytest.mark.parametrize("guid", ["<guid isPermaLink='false'>id-{n}</guid>", ""])
def test_releases_on_one_page_are_known_by_what_tells_them_apart(link: str, guid: str) -> None:
    item = f"<item><title>Release</title>{guid}<link>{link}</link></item>"
    items = "".join(item.replace("{n}", str(n)) for n in range(5))
    entries, _ = parse_feed(answer(f"<rss version='2.0'><channel>{items}</channel></rss>"))
    news = replace(FEED, kind="news")
    assert len(set(ids([raw_article(news, entry, news.url, NOW, False) for entry in entries]))) == 5


def test_trackers_tell_no_two_articles_apart() -> None:
    items = "".join(
        f"<item><title>T{n // 2}</title><link>https://a.example/{n // 2}?utm_source=s{n}</link></item>"
        for n in range(6)
    )
    entries, _ = parse_feed(answer(f"<rss version='2.0'><channel>{items}</channel></rss>"))
    assert all(one.url for one in entries)


def test_a_blog_s_comments_differ_in_their_links_fragment_alone() -> None:
    items = "".join(f"<item><title>By n</title><link>https://a.example/post#c-{n}</link></item>" for n in range(3))
    entries, _ = parse_feed(answer(f"<rss version='2.0'><channel>{items}</channel></rss>"))
    assert len(set(ids(fresh(Seen(), entries)))) == 3
    told_again = [raw_article(FEED, entry, FEED.url, NOW, True) for entry in entries]
    assert ids(told_again) == ids(fresh(Seen(), entries))
