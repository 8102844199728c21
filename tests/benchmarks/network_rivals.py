"""What else could run the network: each rival over our own weights, an adapter merged into its encoder.

`transformers.pipeline` at several batch sizes, in float32 and bfloat16; sentence-transformers' `encode` (it answers no
head: less work than ours) where it is installed; on the CPU ONNX Runtime in fp32 and int8 where onnx, onnxscript and
onnxruntime are installed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from monitor.classifier.network import Adapted, Network, load_network
from monitor.classifier.transformer import TransformerClassifier
from monitor.encoders import encoder_folder
from monitor.registry import Manifest, read_manifest
from monitor.types import Passage
from tests.benchmarks import onnx_rival

BATCHES = (1, 8, 32, 128)
HALF_BATCHES = (32, 128)
ONNX_LIMITS = ((1_024, 32), (4_096, 128))

Contender = Callable[[], object]


def adapted(manifest: Manifest, data_dir: Path) -> Path | None:
    """The pretrained encoder's folder of a version that holds only an adapter. ModelUnavailable if it is not here."""
    return encoder_folder(manifest.encoder, data_dir) if manifest.adapter_scale else None


def whole_network(folder: Path, encoder: Path | None) -> Network:
    """float32, the adapter merged."""
    manifest = read_manifest(folder)
    return load_network(folder, len(manifest.topics), Adapted(encoder, manifest.adapter_scale) if encoder else None)


def network_rivals(
    ours: TransformerClassifier, folder: Path, encoder: Path | None, texts: Sequence[str]
) -> dict[str, Contender]:
    """Each by its name, ready to run over the texts."""
    network, device = whole_network(folder, encoder), ours._device
    tokenizer = tokenizer_of(folder, network)
    found: dict[str, Contender] = {}
    for dtype, sizes in ((torch.float32, BATCHES), (torch.bfloat16, HALF_BATCHES)):
        classify = pipeline_of(folder, network, tokenizer, device, dtype)
        for size in sizes:
            found[f"pipeline {str(dtype)[6:]}, batch {size}"] = lambda c=classify, s=size: c(
                list(texts), batch_size=s, truncation=True
            )
    found |= sentence_transformers(network, tokenizer, device, ours.dtype, texts)
    if device.type == "cpu":
        found |= onnx_runtime(ours, network, texts)
    return found


def tokenizer_of(folder: Path, network: Network) -> PreTrainedTokenizerFast:
    """It pads with the encoder's own token: [PAD] of BERT, <pad> of MPNet."""
    path = str(folder / "tokenizer.json")
    pad = Tokenizer.from_file(path).id_to_token(network.encoder.config.pad_token_id)
    return PreTrainedTokenizerFast(
        tokenizer_file=path,
        pad_token=pad,
        model_max_length=read_manifest(folder).max_tokens,
        model_input_names=["input_ids", "attention_mask"],
    )


def pipeline_of(
    folder: Path, network: Network, tokenizer: PreTrainedTokenizerFast, device: torch.device, dtype: torch.dtype
) -> Any:
    """Its one head does no more work than one of our three."""
    config = AutoConfig.from_pretrained(str(folder), num_labels=network.topic.out_features)
    model = AutoModelForSequenceClassification.from_config(config)
    missing = getattr(model, model.base_model_prefix).load_state_dict(network.encoder.state_dict(), strict=False)
    assert all("pooler" in name for name in missing.missing_keys), missing
    return pipeline("text-classification", model=model.eval().to(dtype), tokenizer=tokenizer, device=device)


def sentence_transformers(
    network: Network,
    tokenizer: PreTrainedTokenizerFast,
    device: torch.device,
    dtype: torch.dtype,
    texts: Sequence[str],
) -> dict[str, Contender]:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        print(f"without sentence-transformers: {error}")
        return {}
    folder = tempfile.mkdtemp()
    network.encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = SentenceTransformer(folder, device=str(device)).to(dtype)  # of a bare encoder it makes mean pooling
    name = f"sentence-transformers encode {str(dtype)[6:]}"
    return {
        f"{name}, batch {size}": lambda s=size: model.encode(list(texts), batch_size=s, show_progress_bar=False)
        for size in HALF_BATCHES
    }


def onnx_runtime(ours: TransformerClassifier, network: Network, texts: Sequence[str]) -> dict[str, Contender]:
    """Already tokenised, in its favour."""
    windows = ours._windows([Passage(text) for text in texts])
    try:
        files = onnx_rival.export(network, Path(tempfile.mkdtemp()))
    except (ImportError, torch.onnx.OnnxExporterError) as error:
        print(f"without ONNX Runtime: {str(error).splitlines()[0]}")
        return {}
    pad = network.encoder.config.pad_token_id
    found: dict[str, Contender] = {}
    for name, file in files.items():
        run = onnx_rival.session(file, torch.get_num_threads(), pad)
        for budget, rows in ONNX_LIMITS:
            found[f"ONNX Runtime {name}, {rows} rows"] = lambda run=run, b=budget, r=rows: run(windows, b, r)
    return found
