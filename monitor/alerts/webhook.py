"""Posts a message to a signed webhook: https to public addresses only, unless allowed. Decides nothing else."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

import httpx2

from monitor import net
from monitor.alerts.channels import Channel, NotifyFailed

SEND_TIMEOUT_S = 20.0


def post(channel: Channel, body: bytes, key: str, now: datetime, *, allow_private: bool, resolve: net.Resolve) -> None:
    """Raises NotifyFailed unless the receiver answered that it took it."""
    parts = httpx2.URL(channel.url)
    secret = parts.username or parts.password
    plain = channel.url.startswith("webhook+http:")
    if plain and not allow_private:
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
        answer = _ask(url, body, headers, None if allow_private else resolve)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise NotifyFailed(f"webhook failed: {type(error).__name__}: {_without_url(error)}") from error
    if not 200 <= answer < 300:
        # Gone, forbidden or malformed stays so; too many requests and server errors pass.
        raise NotifyFailed(f"webhook answered {answer}", may_retry=answer >= 500 or answer in (408, 425, 429))


def _ask(url: httpx2.URL, body: bytes, headers: dict[str, str], resolve: net.Resolve | None) -> int:
    """The status of the answer. With `resolve`, the address that was checked is the one connected to."""
    host, target = url.raw_host.decode("ascii"), url
    if resolve is not None:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            target = url.copy_with(host=net.public_addresses(host, port, resolve)[0])
        except PermissionError as error:
            raise NotifyFailed(
                f"webhook refused: {error}; set TOCSIN_ALLOW_PRIVATE_URLS to allow it", may_retry=False
            ) from error
    with httpx2.Client(timeout=SEND_TIMEOUT_S, follow_redirects=False) as client:
        answer = client.post(target, content=body, headers=headers, extensions={"sni_hostname": host})
    return int(answer.status_code)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of `timestamp.body` under the URL's secret; receivers compute the same."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _without_url(error: Exception) -> str:
    return re.sub(r"\S+://\S+", "***", str(error))
