"""Fixtures that several test modules share: the data beside the project, one private database server a session."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled data and real streams; the test skips where it is absent."""
    folder = Path(os.environ.get("TOCSIN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "no labelled data: set TOCSIN_TEST_DATA to the folder that holds twitter-financial-news/, uci-news/ ..."
        )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that read the labelled data are marked by the fixture they use."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip fails where TOCSIN_TEST_REQUIRE names one of the test's markers (CI: kafka,browser)."""
    report = yield
    required = set(filter(None, os.environ.get("TOCSIN_TEST_REQUIRE", "").split(",")))
    if report.skipped and not hasattr(report, "wasxfail") and required & {mark.name for mark in item.iter_markers()}:
        report.outcome = "failed"
        report.longrepr = f"skipped, but TOCSIN_TEST_REQUIRE asks for it: {report.longrepr}"
    return report
