"""Texts a second: the classifier in service against its rivals, same weights, same headlines, one run.

    OMP_WAIT_POLICY=PASSIVE python -m tests.benchmarks.classifier [--model small] [--texts 1024] [--file headlines.txt]

The wait policy is the one that `tocsin` sets itself. `--model base` needs its encoder (`tocsin models fetch base`).
Rivals: see rivals of the network. Rounds alternate and the best of each counts, so that a busy moment hurts nobody;
beside the wall's time stands the processor's, which other programs disturb less. With a GPU the same table for it.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from monitor.classifier.transformer import TransformerClassifier, choose_device
from monitor.registry import find_model, read_manifest
from monitor.settings import read_settings
from monitor.types import Passage
from tests.benchmarks.network_rivals import adapted, network_rivals, whole_network
from tests.benchmarks.roof import layer_shapes, roof, roof_at

ROUNDS = 4
TEXTS_CPU, TEXTS_GPU = 1_024, 65_536
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

Contender = Callable[[], object]


class Took(NamedTuple):
    """Seconds for all texts."""

    wall: float
    processor: float
    """Of all threads together."""


def headlines(file: Path | None, count: int) -> list[str]:
    """From a file, else real ones where the news lies beside the project, else written ones."""
    if file:
        return file.read_text().splitlines()[:count]
    real = NEWS / "uci-news" / "business.csv.gz"
    if real.is_file():
        return [str(title) for title in pd.read_csv(real, usecols=["title"], nrows=count)["title"]]
    return [f"{NAMES[at % 7]} {DEEDS[at // 7 % 6]} {at if at % 3 else ''}".strip() for at in range(count)]


def main() -> None:
    options = read_options()
    warnings.simplefilter("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    data_dir, device = read_settings().data_dir, choose_device(options.device)
    folder = find_model(options.model, data_dir)
    manifest = read_manifest(folder)
    encoder = adapted(manifest, data_dir)
    ours = TransformerClassifier(folder, manifest, device, encoder)
    texts = headlines(options.file, options.texts or (TEXTS_GPU if device.type == "cuda" else TEXTS_CPU))
    passages = [Passage(text) for text in texts]
    tokens = sum(len(window.tokens) for window in ours._windows(passages))
    running: dict[str, Contender] = {f"tocsin {str(ours.dtype)[6:]}": lambda: ours.classify(passages)}
    if ours.dtype is not torch.float32:
        full = TransformerClassifier(folder, manifest, device, encoder, precision=torch.float32)
        running["tocsin float32"] = lambda: full.classify(passages)
    if not options.alone:
        running |= network_rivals(ours, folder, encoder, texts)
    best = race(running, options.rounds)
    show(f"{manifest.version} on {device}, {len(texts)} texts", best, len(texts), tokens)
    show_share(next(iter(best.values())), tokens, folder, encoder, ours)


def race(running: dict[str, Contender], rounds: int) -> dict[str, Took]:
    """The best of each, after a round that does not count."""
    best = dict.fromkeys(running, Took(float("inf"), float("inf")))
    for number in range(rounds + 1):
        for name, act in running.items():
            took = seconds(act)
            if number:
                best[name] = Took(min(best[name].wall, took.wall), min(best[name].processor, took.processor))
    return best


def seconds(act: Contender) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Took(time.perf_counter() - wall, time.process_time() - processor)


def show(title: str, best: dict[str, Took], texts: int, tokens: int) -> None:
    ours = next(iter(best.values()))
    table = Table("", "texts/s", "tokens/s", "we are x times as fast", "x by processor time", title=title)
    for name, took in best.items():
        times = f"{took.wall / ours.wall:.2f}", f"{took.processor / ours.processor:.2f}"
        table.add_row(name, f"{texts / took.wall:,.0f}", f"{tokens / took.wall:,.0f}", *times)
    Console(width=110).print(table)


def show_share(took: Took, tokens: int, folder: Path, encoder: Path | None, ours: TransformerClassifier) -> None:
    """How much of the roof, the best bf16 matrix product that we find, the linear layers' work makes up."""
    device, threads = ours._device, torch.get_num_threads()
    network = whole_network(folder, encoder)
    shapes = layer_shapes(network.encoder)
    work = tokens * sum(2.0 * inner * columns for inner, columns in shapes)
    best, used = roof(device), roof_at(shapes, ours._budget, device)
    if device.type == "cuda":
        where, shares = torch.cuda.get_device_name(device), {"by the wall": (work / took.wall, best, used)}
    else:
        where, shares = (
            f"{threads} threads",
            {
                "by the wall": (work / took.wall, threads * best, threads * used),
                "by processor time": (work / took.processor, best, used),
            },
        )
    print(f"{tokens:,} tokens, no padding, load {os.getloadavg()[0]:.1f}, {where}")
    for name, (done, peak, at_shapes) in shares.items():
        print(
            f"{name}: {done / 1e12:.3f} TFLOP/s in linear layers, tokenising included: {done / peak:.0%} of the best "
            f"bf16 product ({peak / 1e12:.3f}), {done / at_shapes:.0%} of those at our shapes ({at_shapes / 1e12:.3f})"
        )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, help=f"{TEXTS_CPU:,}; on a GPU {TEXTS_GPU:,}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--file", type=Path, help="one headline a line")
    parser.add_argument("--alone", action="store_true", help="without rivals")
    return parser.parse_args()


if __name__ == "__main__":
    main()
