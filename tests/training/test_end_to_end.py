"""A whole training on written sentences: from files to a version that serves and tells good from bad."""

from __future__ import annotations

import csv
import gzip
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

from monitor.classifier.transformer import load_classifier
from monitor.registry import shipped_folder
from monitor.types import SENTIMENTS, Passage
from training.commands import list_models, show_model, train_model
from training.data import FILES

NAMES = ("Acme", "Globex", "Initech", "Hooli", "Vandelay", "Wonka", "Tyrell", "Cyberdyne")
WORDS = {"negative": ("plunges", "slumps"), "neutral": ("meets", "hosts"), "positive": ("soars", "rallies")}
PLACES = ("London", "Tokyo", "Mumbai", "Oslo", "Lima", "Cairo", "Perth", "Quito", "Dakar", "Osaka")


def write_rows(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def write_sets(folder: Path) -> None:
    rng = random.Random(3)
    said = []
    for _ in range(600):
        sentiment = rng.choice(SENTIMENTS)
        filler = " ".join(rng.sample(PLACES, 5))
        said.append((f"{rng.choice(NAMES)} {rng.choice(WORDS[sentiment])} {filler}", sentiment))
    write_rows(folder / FILES["sentiment"], ("text", "sentiment"), said[:200])
    write_rows(folder / FILES["topic"], ("text", "topic"), [(text, f"Topic {kind}") for text, kind in said[200:400]])
    companies = [(text, repr({text.split()[0]: kind})) for text, kind in said[400:]]
    write_rows(folder / FILES["company"], ("Title", "Decisions"), companies)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    BertModel(
        BertConfig(vocab_size=30_522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    ).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((shipped_folder() / "small" / "tokenizer.json").read_bytes())
    return folder


def test_written_labels_become_a_version_that_serves(tmp_path: Path, encoder: Path) -> None:
    write_sets(tmp_path / "data")
    told: list[str] = []
    now = datetime(2026, 11, 24, tzinfo=UTC)
    options = {"epochs": 8, "encoder_rate": 5e-3, "head_rate": 5e-3, "batch": 16}
    train_model(tmp_path / "data", encoder, tmp_path / "models" / "mine", "mine-1", now, options, told.append)
    assert any("positive" in line for line in told), "the class balance is shown"
    good, bad = load_classifier("mine-1", tmp_path, "cpu").classify(
        [Passage("Acme soars London Oslo Lima", ("Acme",)), Passage("Hooli slumps Cairo Perth Tokyo", ("Hooli",))]
    )
    assert (good.probabilities.sentiment, bad.probabilities.sentiment) == ("positive", "negative")
    assert (good.entities[0].sentiment, bad.entities[0].sentiment) == ("positive", "negative")
    assert (good.topic, bad.topic) == ("Topic positive", "Topic negative")
    assert any(line.startswith("mine-1") for line in list_models(tmp_path))
    assert '"version": "mine-1"' in show_model("mine-1", tmp_path)
