"""Sends one message through one channel: console, signed webhook, or whatever apprise reaches. Decides nothing.

The only apprise import. URLs hold secrets: they are never logged, shown or stored, only names are.

apprise makes plain text literal only for services that declare a markup; Discord, Mattermost and others declare
plain text and read Markdown all the same, and titles are never made literal. So each is written to in its own markup,
declared as such, and apprise has nothing left to escape (it would otherwise, or would do it twice).
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TextIO
from urllib.parse import unquote

import apprise
import structlog

from monitor import net
from monitor.alerts import chart, mail, render, webhook
from monitor.alerts.channels import Channel, NotifyFailed, Sort
from monitor.alerts.message import Message
from monitor.alerts.render import Links, Markup
from monitor.errors import UsageError

_NAMED = re.compile(r"^(?P<name>[A-Za-z0-9_-]{1,40})=(?P<url>[a-z][a-z0-9+.-]*://.*)$", re.DOTALL)
LEAST_PAGE = 500
"""A service that takes fewer characters gets the title, one line and the link."""
SLACK_BLOCK = 3000
"""Slack refuses a longer block; its plain attachments take what apprise says."""
CARD = 20_000
"""Teams takes 28 kB a card; apprise would cut it at a thousand characters."""
READS_MARKDOWN = {
    "discord": render.DISCORD,
    "gchat": render.SLACK,
    "workflow": render.TEAMS,
    **dict.fromkeys(("mmosts", "zulip", "guilded", "revolt", "fluxers", "ryver", "nctalks"), render.MARKDOWN),
}
"""Most of these declare plain text, or prefer it, and read Markdown all the same."""
NO_IMAGES = frozenset({"hook", "gov-hook", "workflow", "trigger", "webhook"})
"""Modes of Slack and Mattermost that take none, where their bots do."""
FOR_PROGRAMS = frozenset({"jsons", "xmls", "forms"})

log = structlog.get_logger()


def channels_of(urls: Sequence[str]) -> dict[str, Channel]:
    """`name=url` or a bare URL, which is named after its scheme. UsageError names what is wrong, never the URL."""
    found: dict[str, Channel] = {}
    for number, entry in enumerate(urls, 1):
        named = _NAMED.match(entry.strip())
        url = named["url"] if named else entry.strip()
        scheme = url.partition("://")[0].lower()
        name = named["name"] if named else _free_name(scheme, found)
        if name in found:
            raise UsageError(f"TOCSIN_NOTIFY names the channel {name!r} twice; give each its own name")
        found[name] = Channel(name, _sort_of(scheme, url, number), url)
    return found


def _free_name(scheme: str, taken: dict[str, Channel]) -> str:
    numbers = (scheme if number == 1 else f"{scheme}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbers if name not in taken)


def _sort_of(scheme: str, url: str, number: int) -> Sort:
    if scheme == "console":
        return "console"
    if scheme in ("webhook", "webhook+http"):
        if not url.partition("://")[2].partition("/")[0].rpartition("@")[0].strip(":"):
            raise UsageError(
                f"entry {number} of TOCSIN_NOTIFY ({scheme}://…) has no secret: {scheme}://SECRET@host/path"
            )
        return "webhook"
    if _service(url) is None:
        raise UsageError(
            f"entry {number} of TOCSIN_NOTIFY ({scheme}://…) is no channel: give console://, webhook://SECRET@host/path"
            " or an apprise URL"
        )
    return "apprise"


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends through any channel. `send` raises NotifyFailed unless the channel took the message."""

    allow_private: bool = False
    """Let webhooks reach private addresses, and plain http."""
    console: TextIO | None = None
    resolve: net.Resolve = net.system_resolve

    def send(self, channel: Channel, message: Message, key: str, links: Links, now: datetime) -> None:
        """Deliver once; `key` lets a receiver tell a repeat from a second message."""
        try:
            if channel.sort == "console":
                self._print(message, links)
            elif channel.sort == "webhook":
                body = render.as_json(message, key, links)
                webhook.post(channel, body, key, now, allow_private=self.allow_private, resolve=self.resolve)
            else:
                _apprise(channel, message, links)
        except NotifyFailed:
            raise
        except Exception as error:
            # One message that no service can take must not end the program, which would meet it again and again.
            log.warning("could not send", channel=channel.name, error=type(error).__name__)
            raise NotifyFailed(f"{channel.sort} failed: {type(error).__name__}") from error

    def _print(self, message: Message, links: Links) -> None:
        out = self.console or sys.stdout
        bar = "─" * 78
        words = f"\n{bar}\n{render.visible(message.title)}\n{bar}\n{render.text(message, links)}\n{bar}\n\n"
        coding = out.encoding or "utf-8"
        out.write(words.encode(coding, "replace").decode(coding))
        out.flush()


def _service(url: str) -> Any:
    """apprise's service for a URL, or None; its own log of a wrong URL, secrets and all, goes nowhere."""
    ours = apprise.AppriseAsset(app_id="Tocsin", app_desc="Tocsin", image_url_mask="", image_url_logo="")
    with _words(url):
        return apprise.Apprise.instantiate(url, asset=ours, suppress_exceptions=True)


class Form(NamedTuple):
    """What a service is sent."""

    body: str
    title: str
    format: apprise.NotifyFormat
    takes_image: bool = True


def _scheme(service: Any) -> str:
    """What apprise calls a service, whichever of its URLs a channel was given: slack://… or https://hooks.slack.com/…"""
    name = service.secure_protocol or service.protocol
    return str(name if isinstance(name, str) else name[0])


def _form(service: Any, message: Message, links: Links) -> Form:
    """The message in the markup that the service reads, no longer than it takes."""
    scheme = _scheme(service)
    wanted, markup = _reads(service, scheme)
    if wanted == apprise.NotifyFormat.HTML and markup is None:
        return Form(mail.as_html(message, links, _image(service, message)), render.visible(message.title), wanted)
    limit = int(service.body_maxlen)
    if limit < LEAST_PAGE:
        return Form(render.brief(message, limit), "", apprise.NotifyFormat.TEXT, takes_image=False)
    if scheme == "slack" and getattr(service, "use_blocks", False):
        limit = SLACK_BLOCK
    elif scheme == "workflow":
        limit = CARD
    titled = service.title_maxlen <= 0 or scheme == "discord"
    body = render.fitted(message, limit, lambda one: render.text(one, links, markup or render.CALM, titled=titled))
    takes_image = str(getattr(service, "mode", "")) not in NO_IMAGES
    return Form(body, "" if titled else render.calm(message.title), wanted, takes_image)


def _reads(service: Any, scheme: str) -> tuple[apprise.NotifyFormat, Markup | None]:
    """(what to declare, how to write it; None: as an e-mail), unless the channel's URL asks for another format."""
    declared = service.notify_format if isinstance(service.notify_format, tuple) else (service.notify_format,)
    text, markdown, rich = apprise.NotifyFormat.TEXT, apprise.NotifyFormat.MARKDOWN, apprise.NotifyFormat.HTML
    wanted: tuple[apprise.NotifyFormat, Markup | None] = text, render.CALM
    if scheme in READS_MARKDOWN:
        return markdown, READS_MARKDOWN[scheme]
    if scheme == "slack":
        wanted = markdown, render.SLACK
    elif scheme == "tgram":
        wanted = rich, render.TELEGRAM
    elif declared[0] == rich:
        wanted = rich, None
    elif declared == (markdown,):
        wanted = markdown, render.MARKDOWN
    elif scheme in FOR_PROGRAMS:
        wanted = text, render.PLAIN
    return wanted if service.resolve_format(wanted[0]) == wanted[0] else (text, render.CALM)


def _image(service: Any, message: Message) -> str:
    """Where the e-mail's HTML finds the drawn chart: within the mail, if the service can put it there."""
    if message.chart is None or not hasattr(service, "inline"):
        return ""
    service.inline = True
    return f"cid:{CHART_FILE}"


CHART_FILE = "tocsin.png"


def _apprise(channel: Channel, message: Message, links: Links) -> None:
    service = _service(channel.url)
    if service is None:
        raise NotifyFailed("apprise cannot use this channel's URL", may_retry=False)
    form = _form(service, message, links)
    kinds = {"closed": apprise.NotifyType.SUCCESS, "notice": apprise.NotifyType.INFO, "test": apprise.NotifyType.INFO}
    plain = render.text(message, links) if form.format == apprise.NotifyFormat.HTML else ""
    with TemporaryDirectory() as folder, _words(channel.url) as said, _plain_half(plain):
        files = _chart_file(message, Path(folder)) if form.takes_image and service.attachment_support else []
        sent = service.notify(
            title=form.title,
            body=form.body,
            body_format=form.format,
            notify_type=kinds.get(message.sort, apprise.NotifyType.WARNING),
            attach=apprise.AppriseAttachment(files) if files else None,
            # What apprise's own escaping makes too long is sent in parts; a card is longer than apprise believes.
            overflow=apprise.OverflowMode.SPLIT if len(form.body) <= service.body_maxlen else None,
        )
    if not sent:
        raise NotifyFailed(f"{service.service_name} did not take it: {said() or 'no reason given'}")


_PLAIN: ContextVar[str] = ContextVar("plain", default="")


class _PlainHalf(NamedTuple):
    """In the place of apprise's own conversion, where somebody is writing an e-mail."""

    theirs: Callable[..., str]

    def __call__(self, *arguments: Any) -> str:
        return _PLAIN.get() or self.theirs(*arguments)


@contextlib.contextmanager
def _plain_half(words: str) -> Iterator[None]:
    """The plain half of an HTML e-mail says `words`: apprise takes no such half, and its own keeps no link."""
    mails: Any = sys.modules.get("apprise.plugins.email.base")  # apprise loads it with the first channel that mails
    theirs = getattr(mails, "convert_between", None)
    if theirs is not None and not isinstance(theirs, _PlainHalf):
        mails.convert_between = _PlainHalf(theirs)
    token = _PLAIN.set(words)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def _chart_file(message: Message, folder: Path) -> list[str]:
    if message.chart is None:
        return []
    path = folder / CHART_FILE
    try:
        path.write_bytes(chart.png(message.chart, message.title, message.zone))
    except Exception as error:  # noqa: BLE001 (an alert without its picture is better than none)
        log.warning("no chart", error=f"{type(error).__name__}: {error}")
        return []
    return [str(path)]


@contextlib.contextmanager
def _words(url: str) -> Iterator[Callable[[], str]]:
    """Collect why apprise failed, which it only logs; whatever may be a part of the channel's URL is cut out.

    Channels are sent to at once, each in a thread of its own: a line belongs to the thread that logged it.
    """
    lines: list[str] = []
    mine = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != mine:
            return True
        if record.levelno >= logging.WARNING:
            lines.append(without_secrets(record.getMessage(), url))
        return False  # nothing that may hold a URL reaches a log

    apprise_log = logging.getLogger("apprise")
    apprise_log.addFilter(keep)
    try:
        yield lambda: " ".join(lines[-2:])[:300]
    finally:
        apprise_log.removeFilter(keep)


def without_secrets(said: str, url: str) -> str:
    """No address, and no part of the channel's own: hosts, paths, users and parameters of services hold their keys."""
    said = re.sub(r"\S+://\S+", "***", said)
    parts = [part for part in re.split(r"[/:@?&=#,]+", url.partition("://")[2]) if len(part) >= LEAST_SECRET]
    for part in sorted(parts, key=len, reverse=True):
        said = said.replace(part, "***").replace(unquote(part), "***")
    return said


LEAST_SECRET = 4
