"""What can be wrong with labelled files, encoders, names and options is told in one line, before hours are spent."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.classifier.transformer import load_classifier
from monitor.entities import load_companies
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import shipped_folder
from tests.command import Command, environment_of
from tests.training.tiny import write_encoder, write_rows, write_sets
from training.commands import evaluate_version
from training.config import configuration
from training.data import FILES, read_examples, refuse_gaps, split
from training.make import Sources, check_encoder, gather, make_version

COLUMNS = {"topic": ("text", "topic"), "sentiment": ("text", "sentiment"), "company": ("Title", "Decisions")}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def rows(*found: tuple[str, ...], columns: tuple[str, ...] = COLUMNS["sentiment"]) -> Callable[[Path], None]:
    return lambda path: write_rows(path, columns, list(found))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (rows(("acme soars", "positive"), columns=("Text", "Label")), "has no column text, sentiment, but Text, Label"),
        (rows(("acme soars", "positive"), ("acme flies", "bullish")), "line 3: a sentiment is one of"),
        (rows(("acme soars",)), "line 2: no sentiment"),
        (lambda path: path.write_text("text,sentiment\n"), "cannot read .*Not a gzipped file"),
        (lambda path: path.write_bytes(gzip.compress("text,sentiment\ncaf\xe9,x\n".encode("latin-1"))), "cannot read"),
        (cut, "cannot read .*ended before"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "but nothing"),
    ],
)
def test_a_spoiled_file_is_named_with_its_fault(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    write_sets(tmp_path)
    spoil(tmp_path / FILES["sentiment"])
    with pytest.raises(UsageError, match=said):
        read_examples(tmp_path)


def test_decisions_of_another_shape_label_nothing(tmp_path: Path) -> None:
    write_sets(tmp_path)
    written = [("acme soars", "[1, 2]"), ("acme falls", "5"), ("acme's day", "{'acme's': 'positive'}")]
    write_rows(tmp_path / FILES["company"], COLUMNS["company"], written)
    assert [one.text for one in read_examples(tmp_path) if one.company] == ["acme's day"]


def test_a_task_without_a_label_is_named(tmp_path: Path) -> None:
    write_sets(tmp_path)
    write_rows(tmp_path / FILES["topic"], COLUMNS["topic"], [])
    with pytest.raises(UsageError, match="the train split has no label of topic"):
        refuse_gaps(split(read_examples(tmp_path)))
    for task, columns in COLUMNS.items():
        write_rows(tmp_path / FILES[task], columns, [])
    with pytest.raises(UsageError, match="no label of topic, sentiment, company"):
        refuse_gaps(split(read_examples(tmp_path)))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_encoder_that_is_not_whole_is_told_first(tmp_path: Path, name: str) -> None:
    encoder = write_encoder(tmp_path)
    check_encoder(encoder)
    path = encoder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelUnavailable, match="is damaged"):
        check_encoder(encoder)
    path.unlink()
    with pytest.raises(UsageError, match=f"lacks {name}"):
        check_encoder(encoder)


def test_a_teacher_of_other_topics_is_told_before_it_is_asked(tmp_path: Path) -> None:
    write_sets(tmp_path / "data")
    sources = Sources(tmp_path / "data", load_companies(), teachers=[load_classifier("small", tmp_path, "cpu")])
    with pytest.raises(UsageError, match=r"small-2026\.11\.2 knows other topics than .* name another --teacher"):
        gather(sources, configuration("small", {}), tmp_path / "out", tell=lambda _: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["train", "train with a teacher", "evaluate", "tune"])
def test_each_verb_of_the_model_uses_the_device_that_is_set(command: Command, tmp_path: Path, verb: str) -> None:
    """One that is not here: used, it is refused."""
    write_sets(data := tmp_path / "data")
    encoder = write_encoder(tmp_path / "tiny")
    options = {
        "train": ["small", "--encoder", str(encoder)],
        "train with a teacher": ["small", "--encoder", str(encoder), "--teacher", "small"],
        "evaluate": ["small"],
        "tune": ["small", "--encoder", str(encoder)],
    }
    environment = {**environment_of("", tmp_path), "TOCSIN_DEVICE": "cuda:99"}
    done = command(environment, verb.split()[0], *options[verb], "--data", str(data))
    assert done.returncode == 2
    assert "no device cuda:99 here; set TOCSIN_DEVICE=auto or cpu" in done.stderr


def test_an_evaluation_while_working_leaves_a_shipped_version_as_it_is(tmp_path: Path) -> None:
    write_sets(tmp_path / "data")
    small = shipped_folder() / "small"
    before = {path: path.read_bytes() for path in small.rglob("*") if path.suffix in (".json", ".md")}
    out = evaluate_version(
        "small", tmp_path, tmp_path / "data", "validation", load_companies(), datetime.now(UTC), str, "cpu"
    )
    assert out == tmp_path / "reports" / "small" / "report-validation"
    assert (out / "report.md").is_file()
    assert {path: path.read_bytes() for path in small.rglob("*") if path.suffix in (".json", ".md")} == before


@pytest.mark.parametrize("version", ["../elsewhere", "a/b", "", ".hidden", "two words", "small", "small-2026.11.2"])
def test_a_version_gets_no_name_that_leads_elsewhere(tmp_path: Path, version: str) -> None:
    """Workers find a version by its name: another's would serve in its place."""
    sources = Sources(tmp_path, load_companies())
    with pytest.raises(UsageError, match="name is made of" if version[:5] != "small" else "is here already"):
        make_version(version, sources, tmp_path, tmp_path / "home", configuration("small", {}), datetime.now(UTC))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", 0),
        ("rank", 0),
        ("top_layers", 0),  # all of them learned: a list's last none are all
        ("epochs", 0),
        ("max_tokens", 3),
        ("max_tokens", 513),
        ("seed", -1),
        ("warm_up", 7.0),
        ("strip_cashtags", -1.0),
        ("encoder_rate", math.nan),
        ("head_rate", math.inf),
    ],
)
def test_a_value_that_trains_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} lies between"):
        configuration("small", {name: value})
