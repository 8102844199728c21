"""Links in messages: signed, expiring, and good for nothing but what they were made for."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer

from monitor.alerts.links import VALID_DAYS, Request, links_of, secret_of, sign, verify
from monitor.errors import UsageError

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_link_says_what_it_asks_for_until_it_expires() -> None:
    token = sign("noise", "e1", "secret", NOW)
    assert verify(token, "secret", NOW + (VALID_DAYS - 1) * DAY) == Request("noise", "e1")
    with pytest.raises(UsageError, match=f"older than {VALID_DAYS} days"):
        verify(token, "secret", NOW + (VALID_DAYS + 1) * DAY)


def test_clocks_may_differ_by_minutes_but_no_link_is_from_tomorrow() -> None:
    token = sign("noise", "e1", "secret", NOW)
    assert verify(token, "secret", NOW - timedelta(minutes=4))
    with pytest.raises(UsageError):
        verify(token, "secret", NOW - DAY)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        sign("noise", "e1", "another secret", NOW),
        sign("noise", "e1", "secret", NOW)[:-1],
        "x" + sign("noise", "e1", "secret", NOW),
        URLSafeSerializer("secret", salt="another use").dumps(["noise", "e1", int(NOW.timestamp())]),
        URLSafeSerializer("secret", salt="tocsin-act").dumps({"not": "ours"}),
        URLSafeSerializer("secret", salt="tocsin-act").dumps(["noise", "e1", "soon"]),
        URLSafeSerializer("secret", salt="tocsin-act").dumps(["delete", "e1", int(NOW.timestamp())]),
    ],
)
def test_a_link_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="open the alert on the Alerts page instead"):
        verify(token, "secret", NOW)


def test_a_message_about_no_alert_has_no_links() -> None:
    assert links_of(None, "https://desk.example", "secret", NOW) == ("", "")
    assert links_of("e1", "https://desk.example/", "secret", NOW).noise.startswith("https://desk.example/act?token=")


def test_programs_that_start_at_once_share_one_secret_that_its_owner_alone_reads(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(secret_of(None, tmp_path / "new"))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 1
    assert len(found[0]) > 30
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert secret_of("named", tmp_path) == "named"
