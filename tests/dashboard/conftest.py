"""A seeded database for all dashboard tests, and the dashboard's process pointed at it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from monitor import embedded
from monitor.store.migrate import migrate

sys.path.insert(0, str(Path(__file__).parent))
import seed

TIMEOUT_S = 30
Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def seeded_url(database_server: str) -> str:
    """30 days of labelled stories, written once; tests that write do so where others don't look."""
    name = f"dashboard_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(seed.plain(database_server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = database_server.replace(f"/{embedded.NAME}?", f"/{name}?")
    migrate(url)
    seed.fill(seed.plain(url), datetime.now(UTC))
    return url


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Points the dashboard at a database; forgets what it had cached, before and after."""

    def point(url: str) -> None:
        st.cache_data.clear()
        st.cache_resource.clear()
        monkeypatch.setenv("TOCSIN_DATABASE_URL", url)

    yield point
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def opened(seeded_url: str, point_at: Callable[[str], None]) -> Open:
    """Runs one page over the seeded database: `opened("overview", window="7d")`."""
    point_at(seeded_url)
    return run_page


def run_page(module: str, function: str = "page", **params: str) -> AppTest:
    """One page, as the router would run it, with the URL's parameters."""

    def script(module: str, function: str) -> None:
        import importlib

        getattr(importlib.import_module(f"dashboard.views.{module}"), function)()

    page = AppTest.from_function(script, args=(module, function), default_timeout=TIMEOUT_S)
    for name, value in params.items():
        page.query_params[name.rstrip("_")] = value
    return page.run()


def words(page: AppTest) -> str:
    """All HTML that the page wrote."""
    return "\n".join(str(element.proto.body) for element in page.get("html"))
