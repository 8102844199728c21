"""What each service really gets, through apprise's own plugins: headlines literal, links whole, nothing too long."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from monitor.alerts.chart import Chart
from monitor.alerts.message import ListLine, Message, StoryLine
from monitor.alerts.notify import Sender, channels_of, without_secrets
from monitor.alerts.render import Links, text
from tests.receivers import MailReceiver, WebReceiver

# apprise imports it for a fallback of its own.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOW = datetime(2026, 3, 3, 10, 25, tzinfo=UTC)
LINKS = Links("https://desk.example/act?token=a.b-_c", "https://desk.example/act?token=n")
EVIL = (
    '<!channel> @everyone @all <@123> [click](https://evil.example) <https://evil.example|bank> <b id="x">*bold* _it_'
    " ~no~ `code` back\\slash AT&T &amp; 5 > 3\u202e"
)
DESK = "https://desk.example/alerts?episode="
URL = "https://news.example/@desk/1_a_(b)?a=b&c=d"
MESSAGE = Message(
    sort="first",
    title="Delmare Lines (DELM) · Legal | Regulation: surge of negative news",
    lines=("12 negative stories from 6 publishers since 3 Mar 10:02 UTC (23 min).",),
    stories=(StoryLine(EVIL, "Harbour Wire and 2 others", NOW, URL),),
    more=11,
    chart=Chart(NOW - timedelta(minutes=20), 300, (0, 1, 0, 2, 12), (0.1,) * 5, 3),
    after=("Data are complete.",),
    link="https://desk.example/alerts?episode=abc",
    episode="abc",
)
ZW = "\u200b"
SLACK = (
    "&lt;!channel&gt; @everyone @all &lt;@123&gt; [click](https://evil.example) &lt;https://evil.example|bank&gt;"
    ' &lt;b id="x"&gt;∗bold∗ ＿it＿ ∼no∼ ˋcodeˋ back∖slash AT&amp;T &amp;amp; 5 &gt; 3'
)
MARKDOWN = (
    rf"\<{ZW}!channel\> @{ZW}everyone @{ZW}all \<{ZW}@{ZW}123\> \[click\](https://evil.example)"
    r" \<https://evil.example\|bank\> "
    r'\<b id="x"\>\*bold\* \_it\_ \~no\~ \`code\` back\\slash AT&T \&amp; 5 \> 3'
)
TELEGRAM = (
    f"&lt;{ZW}!channel&gt; @{ZW}everyone @{ZW}all &lt;{ZW}@{ZW}123&gt; [click](https://evil.example)"
    ' &lt;https://evil.example|bank&gt; &lt;b id="x"&gt;*bold* _it_ ~no~ `code` back\\slash AT&amp;T &amp;amp; 5 &gt; 3'
)
SAFE_URL = "https://news.example/%40desk/1_a_%28b%29?a=b&c=d"


class Service(NamedTuple):
    """A channel, where its words are in what is posted, and how it must write the headline as a link."""

    url: str
    at: str
    story: str
    limit: int


SERVICES = {
    "slack": Service(
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#news",
        "attachments.0.text",
        f"<{SAFE_URL.replace('&', '&amp;')}|{SLACK}",
        35_000,
    ),
    "slack blocks": Service(
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?blocks=yes",
        "attachments.0.blocks.1.text.text",
        f"<{SAFE_URL.replace('&', '&amp;')}|{SLACK}",
        3_000,
    ),
    "slack's own address": Service(
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "attachments.0.text",
        f"<{SAFE_URL.replace('&', '&amp;')}|{SLACK}",
        35_000,
    ),
    "discord": Service(
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "content", f"[{MARKDOWN} ](<{SAFE_URL}>)", 2_000
    ),
    "telegram": Service(
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "text",
        f'<a href="{URL.replace("&", "&amp;")}">{TELEGRAM}',
        4_096,
    ),
    "mattermost": Service("mmost://HOST/abcdefghijklmnop", "text", f"[{MARKDOWN} ]({SAFE_URL})", 4_000),
    "teams": Service(
        "workflow://TLS/workflow-id/signature?verify=no",
        "attachments.0.content.body.1.text",
        f"[{MARKDOWN} ]({SAFE_URL})",
        20_000,
    ),
    "json": Service("json://HOST/", "message", EVIL.rstrip("\u202e"), 32_768),
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    command = ["openssl", "req", "-x509", *subject, "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".key").read_text())
    return path


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebReceiver]:
    """Slack, Discord and Telegram have one address each, which leads here."""
    from apprise.plugins.discord import NotifyDiscord
    from apprise.plugins.slack import NotifySlack
    from apprise.plugins.telegram import NotifyTelegram

    with WebReceiver() as receiver:
        base = f"http://{receiver.address}"
        monkeypatch.setattr(NotifySlack, "webhook_url", base)
        monkeypatch.setattr(NotifyDiscord, "notify_url", base)
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{base}/bot")
        yield receiver


@pytest.fixture
def tls(certificate: Path) -> Iterator[WebReceiver]:
    with WebReceiver(certificate) as receiver:
        yield receiver


def told(service: Service, message: Message, web: WebReceiver, request: pytest.FixtureRequest) -> str:
    """The words that the service got for a message."""
    receiver = web
    if "TLS" in service.url:
        receiver = request.getfixturevalue("tls")
    url = service.url.replace("HOST", receiver.address).replace("TLS", receiver.address)
    (channel,) = channels_of([url]).values()
    Sender().send(channel, message, "k", LINKS, NOW)
    for _, headers, body in receiver.got:
        if "json" in headers.get("Content-Type", ""):
            return str(_find(json.loads(body), service.at))
    raise AssertionError([headers for _, headers, _ in receiver.got])


def _find(value: Any, at: str) -> Any:
    for step in at.split("."):
        value = value[int(step)] if step.isdigit() else value[step]
    return value


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("name", SERVICES)
def test_a_hostile_headline_is_literal_on_every_service(
    name: str, web: WebReceiver, request: pytest.FixtureRequest
) -> None:
    message = msgspec.structs.replace(MESSAGE, chart=None)
    words = told(SERVICES[name], message, web, request)
    assert SERVICES[name].story in words
    for link in (LINKS.acknowledge, LINKS.noise, MESSAGE.link):
        assert link in words
    assert "Data are complete." in words


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("name", SERVICES)
def test_a_long_list_fits_the_service_and_says_how_many_more_there_are(
    name: str, web: WebReceiver, request: pytest.FixtureRequest
) -> None:
    alerts = tuple(
        ListLine(f"Company number {i} (C{i:03}): 12 negative stories since 3 Mar 10:00; running", f"{DESK}{i:012}")
        for i in range(25)
    )
    title = "2,500 more alerts at once"
    message = Message(sort="list", title=title, lines=(), alerts=alerts, more=2475, link=MESSAGE.link)
    words = told(SERVICES[name], message, web, request)
    assert len(words) <= SERVICES[name].limit
    shown = sum(f"C{i:03}" in words for i in range(25))
    assert shown >= 8
    assert f"and {2500 - shown:,} more alerts on the dashboard" in words
    assert MESSAGE.link in words


def test_a_pager_gets_the_title_one_line_and_a_whole_link(monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.custom_json import NotifyJSON

    monkeypatch.setattr(NotifyJSON, "body_maxlen", 160)
    with WebReceiver() as receiver:
        (channel,) = channels_of([f"json://{receiver.address}/"]).values()
        Sender().send(channel, MESSAGE, "k", LINKS, NOW)
    words = json.loads(receiver.got[0][2])["message"]
    assert words.startswith("Delmare Lines (DELM) · Legal | Regulation: surge of negative news. 12 negative")
    assert words.endswith(f"… {MESSAGE.link}")
    assert len(words) <= 160


def test_a_mail_shows_the_chart_within_and_escapes_what_sources_say() -> None:
    with MailReceiver() as post:
        (channel,) = channels_of([f"mailto://{post.address}/?from=tocsin@desk.example&to=ann@desk.example"]).values()
        Sender().send(channel, MESSAGE, "k", LINKS, NOW)
    (letter,) = post.got
    assert letter["Subject"] == MESSAGE.title
    html, plain = letter.get_body(("html",)), letter.get_body(("plain",))
    assert html
    assert plain
    shown = html.get_content()
    assert "&lt;b id=&quot;x&quot;&gt;" in shown
    assert "<b id" not in shown
    assert f'href="{URL.replace("&", "&amp;")}"' in shown
    assert LINKS.noise in shown
    (picture,) = [part for part in letter.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"].strip("<>") in re.findall(r'src="cid:([^"]+)"', shown)
    assert "<!channel> @everyone" in plain.get_content(), "in plain text nothing needs an escape"
    assert plain.get_content().split("\r\n") == [*text(MESSAGE, LINKS).split("\n")]
    assert {URL, MESSAGE.link, *LINKS} <= set(re.findall(r"https?://\S+", plain.get_content()))


def test_a_mail_asked_for_as_text_holds_every_link() -> None:
    with MailReceiver() as post:
        url = f"mailto://{post.address}/?from=tocsin@desk.example&to=ann@desk.example&format=text"
        Sender().send(*channels_of([url]).values(), replace_chart(), "k", LINKS, NOW)
    words = post.got[0].get_content()
    for link in (URL, LINKS.acknowledge, LINKS.noise, MESSAGE.link):
        assert link in words


def replace_chart() -> Message:
    return msgspec.structs.replace(MESSAGE, chart=None)


def test_a_chart_that_cannot_be_drawn_keeps_no_alert_back() -> None:
    odd = msgspec.structs.replace(MESSAGE, zone="Mars/Olympus", stories=())
    with WebReceiver() as receiver:
        Sender().send(*channels_of([f"json://{receiver.address}/"]).values(), odd, "k", LINKS, NOW)
    assert json.loads(receiver.got[0][2])["attachments"] == []


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#news",
        "mailto://ann:hunter22@mail.example?to=b@desk.example",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
    ],
)
def test_no_part_of_an_address_is_in_an_error(url: str) -> None:
    parts = [part for part in re.split(r"[/:@?&=#]+", url.partition("://")[2]) if len(part) >= 4]
    said = without_secrets(f"POST {url} failed for {' and '.join(parts)}", url)
    assert not [part for part in parts if part in said]
