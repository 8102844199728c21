"""Fixtures that several test modules share: the data beside the project, one private database server a session."""

from __future__ import annotations

import os
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
