"""Channels: what arrives, what is refused, and what never shows."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from monitor.alerts import render
from monitor.alerts.channels import Channel, NotifyFailed
from monitor.alerts.chart import Chart, png
from monitor.alerts.mail import as_html
from monitor.alerts.message import Message, StoryLine
from monitor.alerts.notify import Sender, channels_of
from monitor.alerts.render import Links
from monitor.errors import UsageError
from tests.receivers import WebReceiver

# apprise imports it for a fallback of its own.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOW = datetime(2026, 3, 3, 10, 2, tzinfo=UTC)
LINKS = Links("https://desk.example/act?token=a", "https://desk.example/act?token=n")
EVIL = '<!channel> @everyone [click](https://evil.example) <b onmouseover="x()">*bold*</b> & more\u202e'
MESSAGE = Message(
    sort="first",
    title="Delmare Lines (DELM): surge of negative news",
    lines=("12 negative stories from 6 publishers since 3 Mar 10:00 UTC (2 min).", "Data are complete."),
    stories=(StoryLine(EVIL, "Harbour Wire and 2 others", NOW, "https://news.example/1?a=b&c=d"),),
    more=11,
    chart=Chart(NOW, 300, (0, 1, 0, 2, 12), (0.1,) * 5, 3),
    link="https://desk.example/alerts?episode=abc",
    episode="abc",
)


@pytest.fixture
def receiver() -> Iterator[WebReceiver]:
    with WebReceiver() as one:
        yield one


def only(url: str) -> Channel:
    (channel,) = channels_of([url]).values()
    return channel


def test_channels_are_named_by_the_reader_or_after_their_scheme() -> None:
    found = channels_of(["console://", "desk=json://host/a?b=c", "json://x", "json://y"])
    assert [(name, one.sort) for name, one in found.items()] == [
        ("console", "console"),
        ("desk", "apprise"),
        ("json", "apprise"),
        ("json-2", "apprise"),
    ]


def test_a_wrong_channel_is_refused_without_showing_its_secret(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UsageError, match=r"entry 2 of TOCSIN_NOTIFY \(slak://…\)") as error:
        channels_of(["console://", "slak://T0/hunter2"])
    assert "hunter2" not in str(error.value) + caplog.text


def test_a_channel_never_shows_its_url() -> None:
    channel = only("webhook://hunter2@hooks.example/x")
    assert "hunter2" not in repr(channel) + channel.masked


def test_a_webhook_is_signed_and_carries_its_idempotency_key(receiver: WebReceiver) -> None:
    channel = only(f"webhook+http://s3cret@{receiver.address}/hook?team=a")
    Sender(allow_private=True).send(channel, MESSAGE, "abc:first", LINKS, NOW)
    ((_, headers, body),) = receiver.got
    stamp = headers["Tocsin-Timestamp"]
    expected = hmac.new(b"s3cret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Tocsin-Signature"] == f"v1={expected}"
    assert headers["Idempotency-Key"] == "abc:first"
    assert "Authorization" not in headers
    data = json.loads(body)
    assert data["title"] == MESSAGE.title
    assert data["links"]["noise"] == LINKS.noise
    assert data["stories"][0]["url"] == "https://news.example/1?a=b&c=d"


@pytest.mark.parametrize(("status", "may_retry"), [(503, True), (429, True), (404, False), (302, False)])
def test_what_a_webhook_answers_decides_whether_to_try_again(
    receiver: WebReceiver, status: int, may_retry: bool
) -> None:
    receiver.answer = status
    with pytest.raises(NotifyFailed) as failed:
        Sender(allow_private=True).send(only(f"webhook+http://s@{receiver.address}/"), MESSAGE, "k", LINKS, NOW)
    assert failed.value.may_retry is may_retry


@pytest.mark.parametrize(
    ("url", "resolved", "why"),
    [
        ("webhook://s@169.254.169.254/latest", "169.254.169.254", "link-local"),
        ("webhook://s@intranet.example/", "10.0.0.7", "private"),
        ("webhook+http://s@hooks.example/", "93.184.215.14", "without https"),
    ],
)
def test_a_webhook_reaches_no_private_address_and_no_plain_http(url: str, resolved: str, why: str) -> None:
    sender = Sender(resolve=lambda *_: [resolved])
    with pytest.raises(NotifyFailed, match=why) as failed:
        sender.send(only(url), MESSAGE, "k", LINKS, NOW)
    assert not failed.value.may_retry


def test_apprise_delivers_text_with_links(receiver: WebReceiver) -> None:
    Sender().send(only(f"json://{receiver.address}/"), MESSAGE, "k", LINKS, NOW)
    data = json.loads(receiver.got[0][2])
    assert data["title"] == MESSAGE.title
    assert "12 negative stories" in data["message"]
    assert LINKS.acknowledge in data["message"]
    assert data["attachments"][0]["mimetype"] == "image/png"


def test_a_channel_that_fails_says_so_without_its_url(receiver: WebReceiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answer = 500
    with pytest.raises(NotifyFailed, match="did not take it") as failed:
        Sender().send(only(f"json://user:hunter2@{receiver.address}/"), MESSAGE, "k", LINKS, NOW)
    assert "hunter2" not in str(failed.value) + caplog.text
    assert receiver.address not in str(failed.value)


@pytest.mark.parametrize("url", ["javascript:alert(1)", 'https://x.example/"onclick="y', "https://x.example/ <b>"])
def test_only_web_addresses_become_links(url: str) -> None:
    hostile = Message(sort="first", title="t", lines=(), stories=(StoryLine("headline", "p", NOW, url),))
    assert url not in as_html(hostile)
    assert url not in render.text(hostile)


def test_the_console_shows_the_whole_message() -> None:
    out = io.StringIO()
    Sender(console=out).send(only("console://"), MESSAGE, "k", LINKS, NOW)
    shown = out.getvalue()
    for part in (MESSAGE.title, *MESSAGE.lines, "·▂·|▂█", "… and 11 more stories", MESSAGE.link, LINKS.noise):
        assert part in shown


def test_the_chart_is_a_png() -> None:
    assert MESSAGE.chart is not None
    assert png(MESSAGE.chart, "costs $5 and $6").startswith(b"\x89PNG")


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(UsageError, match="has no secret: webhook://SECRET@host/path"):
        channels_of(["webhook://hooks.example/x"])
