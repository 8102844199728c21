"""A version's folder -> a classifier ready to answer, or one line that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import ModernBertConfig, ModernBertModel

from monitor.classifier import transformer
from monitor.classifier.network import Network, load_network, save_network
from monitor.classifier.transformer import load_classifier
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import NEEDED, read_manifest, shipped_folder


def test_the_shipped_version_says_what_it_is() -> None:
    manifest = read_manifest(shipped_folder() / "small")
    assert len(manifest.topics) == 20
    assert {"data", "configuration", "validation", "test", "encoder", "weights_sha256"} <= set(manifest.everything)
    assert (shipped_folder() / "small" / "report" / "report.md").is_file()


@pytest.mark.parametrize("damaged", ["model.safetensors", "config.json", "tokenizer.json", "manifest.json"])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, damaged: str) -> None:
    broken = tmp_path / "models" / "broken"
    broken.mkdir(parents=True)
    for name in NEEDED:
        (broken / name).symlink_to(shipped_folder() / "small" / name)
    (broken / damaged).unlink()
    (broken / damaged).write_bytes(b"not weights")
    with pytest.raises(ModelUnavailable, match="is damaged"):
        load_classifier(str(broken), tmp_path, "cpu")


@torch.no_grad()
def test_an_encoder_that_computes_its_positions_answers_as_it_was_trained(tmp_path: Path) -> None:
    config = ModernBertConfig(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0
    )
    network = Network(ModernBertModel(config), topics=5).eval()
    save_network(network, tmp_path)
    tokens = torch.arange(1, 25).reshape(1, -1)
    said, saved = (one(tokens, torch.ones_like(tokens)) for one in (network, load_network(tmp_path, 5)))
    for mine, its in zip(said, saved, strict=True):
        torch.testing.assert_close(its, mine, atol=2e-3, rtol=0.05)


def test_an_unknown_device_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="unknown device 'abacus'"):
        transformer.choose_device("abacus")


def test_base_without_its_encoder_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="run `tocsin models fetch base`"):
        load_classifier("base", tmp_path, "cpu")


@pytest.mark.parametrize("name", ["meta", "mps"])
def test_a_device_we_do_not_serve_on_is_wrong_use(name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown device '{name}'"):
        transformer.choose_device(name)


def test_a_gpu_that_is_not_here_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no device cuda:99 here"):
        transformer.choose_device("cuda:99")


@pytest.mark.parametrize(("is_computed", "chosen"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_that_only_emulates_bfloat16_gets_float16(
    monkeypatch: pytest.MonkeyPatch, is_computed: bool, chosen: torch.dtype
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or is_computed

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert transformer.choose_precision(torch.device("cuda")) is chosen
