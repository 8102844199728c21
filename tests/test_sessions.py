"""A host that vanishes without a word keeps nothing for long: no program hangs on its server, no lock outlives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from monitor.broker.postgres import PostgresBroker
from monitor.store import election
from monitor.store.election import SeatLost
from monitor.store.engine import CONNECT, open_database, set_session
from monitor.store.reads import open_for_reading


@pytest.fixture
def broker(database_url: str) -> Iterator[PostgresBroker]:
    one = PostgresBroker(database_url, "news.raw", "workers")
    yield one
    one.close()


def client_settings(connection: Connection) -> dict[str, str]:
    info: Any = connection.connection.driver_connection
    return {name: str(value) for name, value in info.info.get_parameters().items() if name in CONNECT}


def test_every_program_gives_up_on_a_server_that_vanished(database_url: str, broker: PostgresBroker) -> None:
    wanted = {name: str(value) for name, value in CONNECT.items()}
    for engine in (open_database(database_url), open_for_reading(database_url)):
        with engine.connect() as connection:
            assert client_settings(connection) == wanted
        engine.dispose()
    broker.poll(1, 0)
    assert broker._session is not None
    assert client_settings(broker._session) == wanted
    with election.candidacy(database_url) as seat:
        assert client_settings(seat.connection) == wanted


def test_a_worker_s_partitions_are_given_up_once_its_host_vanished(broker: PostgresBroker) -> None:
    broker.poll(1, 0)
    assert broker._session is not None
    statement = "SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE 'tcp_%' ORDER BY name"
    assert list(broker._session.execute(text(statement)).scalars()) == [
        "tcp_keepalives_count",
        "tcp_keepalives_idle",
        "tcp_keepalives_interval",
        "tcp_user_timeout",
    ]


def test_a_seat_whose_holder_is_not_heard_of_is_another_s(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "UNHEARD", "2s")
    with election.candidacy(database_url) as seat, election.candidacy(database_url) as other:
        assert seat.try_win()
        for _ in range(8):
            time.sleep(0.3)
            assert not other.try_win(), "it is heard of"
            seat.checked = 0.0
            seat.hold()
        deadline = time.monotonic() + 10
        while not other.try_win():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        seat.checked = 0.0
        with pytest.raises(SeatLost):
            seat.hold()


def test_a_server_that_does_not_know_a_setting_goes_without(database_url: str) -> None:
    database = open_database(database_url)
    with database.connect() as connection:
        set_session(connection, {"of_another_version": "30s", "idle_session_timeout": "7s"})
        assert connection.execute(text("SHOW idle_session_timeout")).scalar() == "7s"
    database.dispose()
