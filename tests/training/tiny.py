"""Written labelled sets and an encoder of one layer, small enough to train in seconds."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

from transformers import BertConfig, BertModel

from monitor.registry import shipped_folder
from monitor.types import SENTIMENTS
from training.data import FILES
from training.distil import UNLABELLED

NAMES = ("Acme", "Globex", "Initech", "Hooli", "Vandelay", "Wonka", "Tyrell", "Cyberdyne")
WORDS = {"negative": ("plunges", "slumps"), "neutral": ("meets", "hosts"), "positive": ("soars", "rallies")}
PLACES = ("London", "Tokyo", "Mumbai", "Oslo", "Lima", "Cairo", "Perth", "Quito", "Dakar", "Osaka")


def write_rows(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def write_sets(folder: Path, topics: str = "Topic") -> None:
    """Three labelled sets of 200 rows each, and two without labels."""
    rng = random.Random(3)
    said = []
    for _ in range(800):
        sentiment = rng.choice(SENTIMENTS)
        filler = " ".join(rng.sample(PLACES, 5))
        said.append((f"{rng.choice(NAMES)} {rng.choice(WORDS[sentiment])} {filler}", sentiment))
    write_rows(folder / FILES["sentiment"], ("text", "sentiment"), said[:200])
    write_rows(folder / FILES["topic"], ("text", "topic"), [(text, f"{topics} {kind}") for text, kind in said[200:400]])
    companies = [(text, repr({text.split()[0]: kind})) for text, kind in said[400:600]]
    write_rows(folder / FILES["company"], ("Title", "Decisions"), companies)
    for (path, column), rows in zip(UNLABELLED.items(), (said[600:700], said[700:]), strict=True):
        write_rows(folder / path, ("at", column), [*(("2014", text) for text, _ in rows), ("cut short",)])


def write_encoder(folder: Path, layers: int = 1) -> Path:
    BertModel(
        BertConfig(
            vocab_size=30_522, hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64
        )
    ).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((shipped_folder() / "small" / "tokenizer.json").read_bytes())
    return folder
