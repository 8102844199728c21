"""One guarded GET: bounded in time and size, conditional, every redirect checked. Knows no format, keeps no state.

Refused unless private addresses are allowed: any hop whose name leads to one. The address that was checked is the one
connected to, so a name that changes its mind between the two (DNS rebinding) gains nothing. Where the environment
names a proxy, the proxy resolves names, and the check is only as good as ours of the same name.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.request import getproxies

import httpx2

from monitor.errors import Unavailable
from monitor.net import Refuse, Resolve, public_addresses, refusal, system_resolve

REDIRECTS = frozenset({301, 302, 303, 307, 308})
REASONS = {
    401: "it refuses us (401); check the key",
    403: "it refuses us (403); check the key, or name a contact address in TOCSIN_USER_AGENT",
    404: "no such page (404); check the URL",
    410: "gone for good (410); remove it from feeds.toml",
    429: "it asks us to slow down (429)",
}


class SourceUnavailable(Unavailable):
    """A source gave nothing usable this time; ask again later. `retry_after` is the source's own wish."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL holds now; `url` is where the redirects ended."""

    url: str
    body: bytes
    content_type: str
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    """Nothing changed since the ETag or date we sent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost."""

    body_bytes: int = 16 * 2**20
    """After decompression; real feeds stay under 5 MB."""
    redirects: int = 5
    connect_s: float = 10.0
    read_s: float = 20.0
    total_s: float = 60.0


class Deadline:
    """Ends a request's connection when its time is up. Each read has a timeout of its own, but a server that sends a
    byte now and then, of the headers too, never runs into that."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx2's trace: hears of each connection made."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    def _end(self) -> None:
        self.is_over = True
        for connection in self._sockets:
            with contextlib.suppress(OSError):  # closed already, or wrapped by TLS since
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()


@dataclass(frozen=True)
class Fetcher:
    """Makes guarded requests; safe to share between threads."""

    user_agent: str = "Tocsin"
    allow_private: bool = False
    limits: Limits = field(default_factory=Limits)
    resolve: Resolve = system_resolve
    refuse: Refuse = refusal
    client: httpx2.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        client = httpx2.Client(
            follow_redirects=False,
            # None are kept: by address, one name's cookies would be sent to all others there.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=_has_proxy(),
            timeout=httpx2.Timeout(self.limits.read_s, connect=self.limits.connect_s),
            # A kept connection would be shared by all names at one address, whatever its certificate said.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        object.__setattr__(self, "client", client)

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        modified: str | None = None,
        secret_headers: Mapping[str, str] | None = None,
    ) -> Fetched | NotModified:
        """The body behind the URL, or that it hasn't changed. SourceUnavailable says what went wrong, for people.

        `secret_headers` go to the URL's own host only, never along with a redirect to another.
        """
        headers = {"User-Agent": self.user_agent, "Accept-Encoding": "gzip", "Accept": "*/*"}
        headers |= {"If-None-Match": etag} if etag and etag.isascii() else {}
        headers |= {"If-Modified-Since": modified} if modified and modified.isascii() else {}
        if not all(value.isascii() for value in (secret_headers or {}).values()):
            raise SourceUnavailable("its key holds letters that no header can carry; check the key")
        with Deadline(self.limits.total_s) as deadline:
            try:
                answer = self._follow(url, headers, dict(secret_headers or {}), deadline)
            except httpx2.InvalidURL as error:
                raise SourceUnavailable(f"no valid URL: {error}") from error
            except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
                if not deadline.is_over:
                    reason = f"connection failed: {error or type(error).__name__}"
                    slow = isinstance(error, httpx2.TimeoutException)
                    raise SourceUnavailable("no answer in time" if slow else reason) from error
        if deadline.is_over:  # an answer without a length looks whole when it is cut
            raise SourceUnavailable(f"not finished after {self.limits.total_s:.0f} s")
        return answer

    def _follow(
        self, url: str, headers: dict[str, str], secrets: dict[str, str], deadline: Deadline
    ) -> Fetched | NotModified:
        target = _web_url(httpx2.URL(url))
        home = target.scheme, target.netloc
        for _ in range(self.limits.redirects + 1):
            own = secrets if (target.scheme, target.netloc) == home else {}
            answer = self._ask(target, headers | own, deadline)
            if not isinstance(answer, httpx2.URL):
                return answer
            target = _web_url(answer)
        raise SourceUnavailable(f"more than {self.limits.redirects} redirects")

    def _ask(self, url: httpx2.URL, headers: dict[str, str], deadline: Deadline) -> Fetched | NotModified | httpx2.URL:
        """One hop: the answer, or where it points."""
        request = self.client.build_request(
            "GET",
            url if self.allow_private else self._pinned(url),
            headers=headers | {"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.raw_host.decode("ascii"), "trace": deadline.watch},
        )
        response = self.client.send(request, stream=True)
        try:
            return self._answer(url, response)
        finally:
            response.close()

    def _answer(self, url: httpx2.URL, response: httpx2.Response) -> Fetched | NotModified | httpx2.URL:
        status = response.status_code
        if status == 304:
            return NotModified()
        if status in REDIRECTS and "location" in response.headers:
            return url.join(response.headers["location"])
        if status != 200:
            reason = REASONS.get(status, f"it answers {status} {response.reason_phrase}".strip())
            raise SourceUnavailable(reason, retry_after(response.headers.get("retry-after"), datetime.now(UTC)))
        return Fetched(
            url=str(url.copy_with(userinfo=b"")),
            body=self._body(response),
            content_type=response.headers.get("content-type", ""),
            etag=_ascii(response.headers.get("etag")),
            modified=_ascii(response.headers.get("last-modified")),
        )

    def _body(self, response: httpx2.Response) -> bytes:
        """The decompressed body, never more of it in memory than allowed: a gzip bomb grows a thousandfold."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise SourceUnavailable(f"its body is packed as {encoding!r}, which we didn't ask for")
        unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        body = bytearray()
        try:
            for chunk in response.iter_raw():
                while chunk:
                    if unpack and unpack.eof:  # packed in several pieces
                        unpack = zlib.decompressobj(wbits=31)
                    body += unpack.decompress(chunk, self.limits.body_bytes + 1 - len(body)) if unpack else chunk
                    if len(body) > self.limits.body_bytes:
                        raise SourceUnavailable(f"more than {self.limits.body_bytes / 2**20:.0f} MB; that is no feed")
                    chunk = unpack.unused_data if unpack else b""
        except zlib.error as error:
            raise SourceUnavailable(f"its gzip body is damaged: {error}") from error
        if unpack and not unpack.eof:
            raise SourceUnavailable("its gzip body breaks off")
        return bytes(body)

    def _pinned(self, url: httpx2.URL) -> httpx2.URL:
        """The URL with a checked address instead of the name."""
        try:
            port = url.port or (443 if url.scheme == "https" else 80)
            addresses = public_addresses(url.raw_host.decode("ascii").strip("[]"), port, self.resolve, self.refuse)
        except PermissionError as error:
            raise SourceUnavailable(f"refused: {error} (TOCSIN_ALLOW_PRIVATE_URLS=true allows it)") from error
        except (OSError, UnicodeError) as error:
            raise SourceUnavailable(f"the name {url.host} can't be resolved: {error}") from error
        return url if _has_proxy() else url.copy_with(host=addresses[0])


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The header's wish: seconds or an HTTP date; None where it says nothing usable."""
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,12}", value.strip()):  # str.isdigit would take "²", and int() no 5,000 digits
        return timedelta(seconds=min(int(value), 10**8))
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError, TypeError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(at - now, timedelta(0))


def _ascii(header: str | None) -> str | None:
    """The header where it can be sent back: a validator in other letters, once kept, would fail for ever."""
    return header if header and header.isascii() else None


def _web_url(url: httpx2.URL) -> httpx2.URL:
    if url.scheme not in ("http", "https") or not url.host:
        raise SourceUnavailable(f"refused: {url.scheme or 'no'} scheme; only http and https are asked")
    return url


def _has_proxy() -> bool:
    return bool({"http", "https", "all"} & getproxies().keys())
