from __future__ import annotations

import pytest

from monitor.classifier.transformer import TransformerClassifier, load_classifier
from monitor.entities import Companies, load_companies


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> TransformerClassifier:
    """The shipped weights on this processor. Tests that change it load their own."""
    return load_classifier("small", tmp_path_factory.mktemp("data"), "cpu")


@pytest.fixture(scope="session")
def companies() -> Companies:
    return load_companies()
