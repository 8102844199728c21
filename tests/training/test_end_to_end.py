"""Whole trainings on written sentences: from files to a version that serves and tells good from bad."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from monitor.classifier.transformer import TransformerClassifier, load_classifier
from monitor.entities import load_companies
from monitor.errors import UsageError
from monitor.registry import read_manifest
from monitor.types import Passage
from tests.training.tiny import write_encoder, write_sets
from training.commands import evaluate_version, list_models, show_model
from training.config import TrainConfig, configuration, read_changes
from training.distil import UNLABELLED
from training.make import Sources, make_version

NOW = datetime(2026, 11, 24, tzinfo=UTC)
QUICK = TrainConfig(epochs=8, encoder_rate=5e-3, head_rate=5e-3, batch=16, unlabelled=100, patience=8)
GOOD, BAD = Passage("Acme soars London Oslo Lima", ("Acme",)), Passage("Hooli slumps Cairo Perth Tokyo", ("Hooli",))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_sets(tmp_path / "data")
    return tmp_path / "data"


def make(tmp_path: Path, version: str, config: TrainConfig, **rest: Any) -> TransformerClassifier:
    encoder = rest.pop("encoder", None) or write_encoder(tmp_path / "encoders" / "tiny")
    sources = Sources(tmp_path / "data", load_companies(), teachers=rest.pop("teachers", ()))
    make_version(version, sources, encoder, tmp_path, config, NOW, **rest)
    return load_classifier(version, tmp_path, "cpu")


def assert_tells_good_from_bad(classifier: TransformerClassifier) -> None:
    good, bad = classifier.classify([GOOD, BAD])
    assert (good.probabilities.sentiment, bad.probabilities.sentiment) == ("positive", "negative")
    assert (good.entities[0].sentiment, bad.entities[0].sentiment) == ("positive", "negative")
    assert (good.topic, bad.topic) == ("Topic positive", "Topic negative")


@pytest.mark.usefixtures("data")
def test_written_labels_become_a_version_that_serves(tmp_path: Path) -> None:
    told: list[str] = []
    assert_tells_good_from_bad(make(tmp_path, "mine-1", QUICK, tell=told.append))
    assert any("positive" in line for line in told), "the class balance is shown"
    assert any(line.startswith("mine-1") for line in list_models(tmp_path))
    assert '"version": "mine-1"' in show_model("mine-1", tmp_path)
    assert not (tmp_path / "models" / "mine-1" / "checkpoints").exists()
    with pytest.raises(UsageError, match="mine-1 is here already"):
        make(tmp_path, "mine-1", QUICK)


@pytest.mark.usefixtures("data")
def test_an_adapter_is_shipped_without_its_encoder_and_serves_with_it(tmp_path: Path) -> None:
    classifier = make(tmp_path, "thin-1", replace(QUICK, freeze="lora", rank=4, alpha=8))
    assert_tells_good_from_bad(classifier)
    folder = tmp_path / "models" / "thin-1"
    assert (folder / "model.safetensors").stat().st_size < 40_000, "heads and adapter alone"
    assert read_manifest(folder).adapter_scale == 2.0


@pytest.mark.usefixtures("data")
def test_a_pupil_learns_from_its_teachers_answers_and_from_texts_without_labels(tmp_path: Path) -> None:
    teacher = make(tmp_path, "teacher-1", QUICK)
    told: list[str] = []
    second = make(tmp_path, "teacher-2", replace(QUICK, seed=1))
    assert_tells_good_from_bad(make(tmp_path, "pupil-1", QUICK, teachers=[teacher, second], tell=told.append))
    assert any("texts without a label" in line for line in told)
    said = read_manifest(tmp_path / "models" / "pupil-1").everything
    assert said["teachers"] == {one.version: one.manifest.everything["weights_sha256"] for one in (teacher, second)}
    assert set(said["unlabelled"]) == set(UNLABELLED)
    assert said["learned_from"] > said["examples"]["train"]


@pytest.mark.usefixtures("data")
def test_a_version_learns_on_from_where_another_stopped(tmp_path: Path) -> None:
    make(tmp_path, "first-1", QUICK)
    frozen = replace(QUICK, freeze="head", epochs=1, head_rate=1e-5)
    second = make(tmp_path, "second-1", frozen, encoder=tmp_path / "models" / "first-1")
    assert_tells_good_from_bad(second)
    assert second.manifest.everything["goes_on_from"] == "first-1"
    assert second.manifest.everything["encoder"]["name"] == "tiny", "the root of it all, not the version between"
    other = tmp_path / "other"
    write_sets(other, topics="Subject")
    with pytest.raises(UsageError, match="knows other topics"):
        make_version("third-1", Sources(other, load_companies()), tmp_path / "models" / "first-1", tmp_path, QUICK, NOW)


@pytest.mark.usefixtures("data")
def test_an_adapter_stands_on_a_whole_version_and_is_itself_gone_on_from(tmp_path: Path) -> None:
    make(tmp_path, "whole-1", QUICK)
    slow = replace(QUICK, freeze="lora", rank=4, alpha=8, epochs=1, encoder_rate=1e-6, head_rate=1e-6)
    thin = make(tmp_path, "thin-1", slow, encoder=tmp_path / "models" / "whole-1")
    assert_tells_good_from_bad(thin)
    more = make(tmp_path, "thin-2", slow, encoder=tmp_path / "models" / "thin-1")
    assert_tells_good_from_bad(more)
    assert read_manifest(tmp_path / "models" / "thin-2").encoder == thin.manifest.encoder
    with pytest.raises(UsageError, match=r"--freeze lora --set rank=4 --set alpha=8"):
        make(tmp_path, "thin-3", replace(slow, rank=8), encoder=tmp_path / "models" / "thin-1")


@pytest.mark.usefixtures("data")
def test_an_evaluation_writes_its_report_and_notes_the_scores(tmp_path: Path) -> None:
    make(tmp_path, "mine-1", QUICK)
    folder = evaluate_version(
        "mine-1", tmp_path, tmp_path / "data", "validation", load_companies(), NOW, lambda _: None
    )
    report = json.loads((folder / "report.json").read_text())
    assert folder.name == "report-validation"
    assert set(report["heads"]) == {"topic", "sentiment", "company"}
    sentiment = report["heads"]["sentiment"]
    assert sentiment["macro_f1"] == 1.0
    assert 0 <= sentiment["ece_after"] < 0.2
    assert sentiment["negative_recall_at_precision_80"] == 1.0
    assert sentiment["transferred"]["examples"] > 0
    assert sentiment["transferred"]["macro_f1"] == 1.0
    assert set(sentiment["baselines"]) == {"majority", "VADER", "TF-IDF + logistic regression"}
    assert {path.suffix for path in folder.iterdir()} == {".json", ".md", ".png"}
    noted = read_manifest(tmp_path / "models" / "mine-1").everything["validation"]
    assert noted["sentiment"]["ece"] == round(sentiment["ece_after"], 4)
    assert "was trained on." in (folder / "report.md").read_text()
    write_sets(other := tmp_path / "other", topics="Subject")
    told: list[str] = []
    evaluate_version("mine-1", tmp_path, other, "validation", load_companies(), NOW, told.append)
    assert told[0].startswith("mine-1 learned from other labelled files than")
    assert "mine-1 learned from other labelled files than these" in (folder / "report.md").read_text()
    assert "was trained on" not in (folder / "report.md").read_text()


def test_a_recipe_s_options_are_checked_by_name() -> None:
    assert configuration("small", {"epochs": 2}).epochs == 2
    with pytest.raises(UsageError, match="no recipe 'medium'; there are base, small"):
        configuration("medium", {})
    with pytest.raises(UsageError, match="unknown option"):
        configuration("small", {"epoch": 2})
    assert read_changes(["rank=8", "encoder_rate=3e-4", "freeze=lora"]) == {
        "rank": 8,
        "encoder_rate": 3e-4,
        "freeze": "lora",
    }
    for wrong, said in (("rank", "give NAME=VALUE"), ("size=3", "give NAME=VALUE"), ("rank=much", "rank is a number")):
        with pytest.raises(UsageError, match=said):
            read_changes([wrong])
    with pytest.raises(UsageError, match="freeze is one of head, top-k, lora, full"):
        configuration("small", {"freeze": "half"})


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Two would wait for each other over matrices this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
