"""Texts a second: the classifier in service against its rivals, same weights, same headlines, one run.

    OMP_WAIT_POLICY=PASSIVE python -m tests.benchmarks.classifier [--texts 1024] [--file headlines.txt] [--model small]

The wait policy is the one that `tocsin` sets itself. Rivals: `transformers.pipeline` at batch size 32 and at its best,
ONNX Runtime in fp32 and int8 at its best (where onnx, onnxscript and onnxruntime are installed). Rounds alternate and
the best of each counts, so that a busy moment hurts nobody. On a GPU the same table, without ONNX Runtime.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from monitor.classifier.fused import FusedLinear, can_fuse
from monitor.classifier.network import load_network
from monitor.classifier.transformer import TransformerClassifier, choose_device
from monitor.classifier.windows import Window, batches, padding_waste
from monitor.registry import find_model, read_manifest
from monitor.types import Passage
from tests.benchmarks import onnx_rival

ROUNDS = 4
BATCHES = (1, 8, 32, 128)
ONNX_LIMITS = ((1_024, 32), (4_096, 128))
NEWS = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
NAMES = ("Acme", "Globex", "Initech", "Umbrella Holdings", "Stark Industries", "Wayne Enterprises", "Hooli")
DEEDS = (
    "raises its full-year outlook after record quarterly profit",
    "shares slump as the regulator opens an inquiry into its accounts",
    "to buy a smaller rival for $4.2 billion in cash and stock, sources say",
    "names a new chief executive",
    "cuts 1,200 jobs and closes two plants as demand for its older products keeps falling across Europe and Asia",
    "declares a quarterly dividend of $0.35 per share",
)
SHAPES = ((2_048, 384, 1_536), (2_048, 1_536, 384), (2_048, 768, 3_072), (2_048, 1_024, 4_096))

Contender = Callable[[], object]


def headlines(file: Path | None, count: int) -> list[str]:
    """From a file, else real ones where the news lies beside the project, else written ones."""
    if file:
        return file.read_text().splitlines()[:count]
    real = NEWS / "uci-news" / "business.csv.gz"
    if real.is_file():
        return [str(title) for title in pd.read_csv(real, usecols=["title"], nrows=count)["title"]]
    return [f"{NAMES[at % 7]} {DEEDS[at // 7 % 6]} {at if at % 3 else ''}".strip() for at in range(count)]


def rival(folder: Path, topics: int, device: torch.device) -> Callable[[Sequence[str], int], object]:
    """The pipeline over the same encoder; its one head does no more work than one of our three."""
    config = AutoConfig.from_pretrained(str(folder), num_labels=topics)
    model = AutoModelForSequenceClassification.from_config(config)
    getattr(model, model.base_model_prefix).load_state_dict(
        load_network(folder, topics).encoder.state_dict(), strict=False
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]", model_max_length=128
    )
    classify = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device=device)
    return lambda texts, batch: classify(list(texts), batch_size=batch, truncation=True)


def contenders(options: argparse.Namespace, texts: Sequence[str], folder: Path) -> tuple[dict[str, Contender], float]:
    """Each by its name, ready to run; and our padding waste."""
    manifest, device = read_manifest(folder), choose_device(options.device)
    passages = [Passage(text) for text in texts]
    ours = TransformerClassifier(folder, manifest, device)
    full = TransformerClassifier(folder, manifest, device, precision=torch.float32)
    windows = ours._windows(passages)
    theirs = rival(folder, len(manifest.topics), device)
    found: dict[str, Contender] = {
        f"tocsin {str(ours.dtype).removeprefix('torch.')}": lambda: ours.classify(passages),
        "tocsin float32": lambda: full.classify(passages),
        **{f"pipeline, batch {size}": lambda size=size: theirs(texts, size) for size in BATCHES},
    }
    if device.type == "cpu":
        found |= onnx_contenders(folder, len(manifest.topics), windows)
    packed = batches(windows, ours._budget, ours._rows, ours._waste)
    return found, padding_waste(packed)


def onnx_contenders(folder: Path, topics: int, windows: Sequence[Window]) -> dict[str, Contender]:
    """Already tokenised, in its favour."""
    made = Path(tempfile.mkdtemp())
    try:
        files = onnx_rival.export(load_network(folder, topics), made)
    except ImportError as error:
        print(f"without ONNX Runtime: {error}")
        return {}
    found: dict[str, Contender] = {}
    for name, file in files.items():
        run = onnx_rival.session(file, torch.get_num_threads())
        for budget, rows in ONNX_LIMITS:
            found[f"ONNX Runtime {name}, {rows} rows"] = lambda run=run, b=budget, r=rows: run(windows, b, r)
    return found


def seconds(act: Contender) -> float:
    started = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def gemm_peak(device: torch.device) -> float:
    """bf16 operations a second of the best matrix product that we find: the roof, not a data sheet's."""
    best = 0.0
    for rows, inner, columns in SHAPES:
        layer: nn.Module = nn.Linear(inner, columns, dtype=torch.bfloat16, device=device)
        if device.type == "cpu" and can_fuse():
            layer = FusedLinear(layer)  # type: ignore[arg-type]
        x = torch.ones(rows, inner, dtype=torch.bfloat16, device=device)
        with torch.inference_mode():
            took = min(seconds(lambda layer=layer, x=x: layer(x)) for _ in range(60))
        best = max(best, 2 * rows * inner * columns / took)
    return best


def work(folder: Path, topics: int) -> float:
    """Operations a token in the encoder's linear layers; the attention's own products are left out."""
    layers = load_network(folder, topics).encoder.modules()
    return sum(2.0 * one.in_features * one.out_features for one in layers if isinstance(one, nn.Linear))


def main() -> None:
    options = read_options()
    warnings.simplefilter("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    folder = find_model(options.model, Path(tempfile.gettempdir()))
    texts = headlines(options.file, options.texts)
    running, waste = contenders(options, texts, folder)
    for act in running.values():
        act()
    best = dict.fromkeys(running, float("inf"))
    for _ in range(options.rounds):
        for name, act in running.items():
            best[name] = min(best[name], seconds(act))
    show(options, folder, texts, best, waste)


def show(options: argparse.Namespace, folder: Path, texts: Sequence[str], best: dict[str, float], waste: float) -> None:
    manifest, device = read_manifest(folder), choose_device(options.device)
    classifier = TransformerClassifier(folder, manifest, device)
    tokens = sum(len(window.tokens) for window in classifier._windows([Passage(text) for text in texts]))
    ours = next(iter(best.values()))
    table = Table("", "texts/s", "tokens/s", "we are x times as fast", title=f"{manifest.version}, {len(texts)} texts")
    for name, took in best.items():
        table.add_row(name, f"{len(texts) / took:,.0f}", f"{tokens / took:,.0f}", f"{took / ours:.2f}")
    Console().print(table)
    peak = gemm_peak(device)
    share = work(folder, len(manifest.topics)) * tokens / ours / peak
    print(f"{tokens / len(texts):.1f} tokens a text, padding {waste:.1%}, {torch.get_num_threads()} threads, ", end="")
    print(
        f"load {os.getloadavg()[0]:.1f}; bf16 peak {peak / 1e12:.2f} TFLOP/s, we use {share:.0%}, tokenising included"
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=1_024)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--file", type=Path, help="one headline a line")
    return parser.parse_args()


if __name__ == "__main__":
    main()
