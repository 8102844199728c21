"""Sends one message through one channel: console, signed webhook, or whatever apprise reaches. Decides nothing.

The only apprise import. URLs hold secrets: they are never logged, shown or stored, only names are.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TextIO

import apprise
import httpx2

from monitor import net
from monitor.alerts import chart, render
from monitor.alerts.message import Message
from monitor.alerts.render import Links
from monitor.errors import TocsinError, UsageError

SEND_TIMEOUT_S = 20.0
_NAMED = re.compile(r"^(?P<name>[A-Za-z0-9_-]{1,40})=(?P<url>[a-z][a-z0-9+.-]*://.*)$", re.DOTALL)
Sort = Literal["console", "webhook", "apprise"]


class NotifyFailed(TocsinError):
    """The channel did not take the message. `may_retry`: a later attempt may succeed."""

    def __init__(self, reason: str, *, may_retry: bool = True) -> None:
        super().__init__(reason)
        self.may_retry = may_retry


@dataclass(frozen=True)
class Channel:
    """A way to readers, by name; its URL never shows."""

    name: str
    sort: Sort
    url: str = field(repr=False)

    @property
    def masked(self) -> str:
        """What may be shown: the scheme, and nothing after it."""
        return f"{self.url.partition('://')[0]}://***"


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
        if channel.sort == "console":
            self._print(message, links)
        elif channel.sort == "webhook":
            self._post(channel, render.as_json(message, key, links), key, now)
        else:
            _apprise(channel, message, links)

    def _print(self, message: Message, links: Links) -> None:
        out = self.console or sys.stdout
        bar = "─" * 78
        out.write(f"\n{bar}\n{render.harmless(message.title)}\n{bar}\n{render.text(message, links)}\n{bar}\n\n")
        out.flush()

    def _post(self, channel: Channel, body: bytes, key: str, now: datetime) -> None:
        parts = httpx2.URL(channel.url)
        secret = parts.username or parts.password
        plain = channel.url.startswith("webhook+http:")
        if plain and not self.allow_private:
            raise NotifyFailed(
                "a webhook without https is refused; set TOCSIN_ALLOW_PRIVATE_URLS to allow it", may_retry=False
            )
        url = parts.copy_with(scheme="http" if plain else "https", userinfo=b"")
        stamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "Tocsin-Timestamp": stamp,
            "Tocsin-Signature": signature(secret, stamp, body),
            "Host": url.netloc.decode("ascii"),
        }
        try:
            self._deliver(url, body, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise NotifyFailed(f"webhook failed: {type(error).__name__}: {_without_url(error)}") from error

    def _deliver(self, url: httpx2.URL, body: bytes, headers: dict[str, str]) -> None:
        host = url.raw_host.decode("ascii")
        target = url
        if not self.allow_private:
            # The address that was checked is the one connected to.
            port = url.port or (443 if url.scheme == "https" else 80)
            try:
                target = url.copy_with(host=net.public_addresses(host, port, self.resolve)[0])
            except PermissionError as error:
                raise NotifyFailed(
                    f"webhook refused: {error}; set TOCSIN_ALLOW_PRIVATE_URLS to allow it", may_retry=False
                ) from error
        with httpx2.Client(timeout=SEND_TIMEOUT_S, follow_redirects=False) as client:
            answer = client.post(target, content=body, headers=headers, extensions={"sni_hostname": host})
        if not 200 <= answer.status_code < 300:
            # Gone, forbidden or malformed stays so; too many requests and server errors pass.
            passes = answer.status_code >= 500 or answer.status_code in (408, 425, 429)
            raise NotifyFailed(f"webhook answered {answer.status_code}", may_retry=passes)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of `timestamp.body` under the URL's secret; receivers compute the same."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _without_url(error: Exception) -> str:
    return re.sub(r"\S+://\S+", "***", str(error))


def _service(url: str) -> Any:
    """apprise's service for a URL, or None; its own log of a wrong URL, secrets and all, goes nowhere."""
    with _words():
        return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def _apprise(channel: Channel, message: Message, links: Links) -> None:
    service = _service(channel.url)
    if service is None:
        raise NotifyFailed("apprise cannot use this channel's URL", may_retry=False)
    is_mail = channel.url.startswith(("mailto", "mailtos"))
    body = render.as_html(message, links) if is_mail else render.text(message, links)
    form = apprise.NotifyFormat.HTML if is_mail else apprise.NotifyFormat.TEXT
    kind = apprise.NotifyType.SUCCESS if message.sort == "closed" else apprise.NotifyType.WARNING
    with TemporaryDirectory() as folder, _words() as said:
        files = _chart_file(message, Path(folder)) if getattr(service, "attachment_support", False) else []
        sent = service.notify(
            title=render.harmless(message.title),
            body=body,
            body_format=form,
            notify_type=kind,
            attach=apprise.AppriseAttachment(files) if files else None,
        )
    if not sent:
        reason = _without_host(said(), channel.url) or "no reason given"
        raise NotifyFailed(f"{service.service_name} did not take it: {reason}")


def _without_host(said: str, url: str) -> str:
    """Many services' URLs hold their keys where others have a host."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    return said.replace(host, "***") if host else said


def _chart_file(message: Message, folder: Path) -> list[str]:
    if message.chart is None:
        return []
    path = folder / "tocsin.png"
    path.write_bytes(chart.png(message.chart, message.title, message.zone))
    return [str(path)]


@contextlib.contextmanager
def _words() -> Iterator[Callable[[], str]]:
    """Collect why apprise failed, which it only logs; URLs are cut out."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(re.sub(r"\S+://\S+", "***", record.getMessage()))

    log, handler = logging.getLogger("apprise"), Collect(logging.WARNING)
    was = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield lambda: " ".join(lines[-2:])[:300]
    finally:
        log.removeHandler(handler)
        log.propagate = was
