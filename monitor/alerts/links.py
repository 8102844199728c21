"""Links in messages that acknowledge an alert or mark it as noise: signed, expiring. A link only opens a page."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe
from tempfile import NamedTemporaryFile
from typing import Literal, NamedTuple, get_args

from itsdangerous import BadSignature, URLSafeSerializer

from monitor.alerts.message import page_of
from monitor.alerts.render import Links
from monitor.errors import UsageError

Act = Literal["acknowledge", "noise", "useful"]
VALID_DAYS = 14
CLOCKS_DIFFER_S = 300
SECRET_FILE = "secret"


class Request(NamedTuple):
    """What a link asks for, to be confirmed by a button."""

    act: Act
    episode: str


def sign(act: Act, episode: str, secret: str, now: datetime) -> str:
    """A token good for VALID_DAYS."""
    return str(_serializer(secret).dumps([act, episode, int(now.timestamp())]))


def verify(token: str, secret: str, now: datetime) -> Request:
    """What the token asks for. UsageError where it is forged, damaged or too old."""
    try:
        act, episode, at = _serializer(secret).loads(token)
        age = now.timestamp() - at + CLOCKS_DIFFER_S
    except (BadSignature, ValueError, TypeError) as error:
        raise UsageError("this link is damaged or not ours; open the alert on the Alerts page instead") from error
    if act not in get_args(Act):
        raise UsageError("this link asks for nothing known; open the alert on the Alerts page instead")
    if not 0 <= age <= VALID_DAYS * 86400:
        raise UsageError(f"this link is older than {VALID_DAYS} days; open the alert on the Alerts page instead")
    return Request(act, episode)


def links_of(episode: str | None, dashboard_url: str, secret: str, now: datetime) -> Links:
    """Both links of an alert; none where there is no episode."""
    if episode is None:
        return Links()
    page = f"{page_of(dashboard_url, 'act')}?token="
    return Links(page + sign("acknowledge", episode, secret, now), page + sign("noise", episode, secret, now))


def secret_of(named: str | None, data_dir: Path) -> str:
    """The setting, else a secret made once and kept in the data directory, readable by its owner alone."""
    if named:
        return named
    path = data_dir / SECRET_FILE
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent) as file:  # made for its owner alone
        file.write(token_urlsafe(32))
        file.flush()
        with suppress(FileExistsError):  # another program was faster; its secret stands
            os.link(file.name, path)


def _serializer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="tocsin-act")
