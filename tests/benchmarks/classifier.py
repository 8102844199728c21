"""Texts a second: the classifier in service against `transformers.pipeline`, same weights, same headlines.

    OMP_WAIT_POLICY=PASSIVE python -m tests.benchmarks.classifier [--texts 1024] [--file headlines.txt]

The wait policy is the one that `tocsin` sets itself. Prints one JSON object. Run it on a quiet machine;
rounds alternate, and the best of each counts.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from monitor.classifier.network import Network, load_network
from monitor.classifier.transformer import TransformerClassifier, choose_device
from monitor.classifier.windows import batches, padding_waste
from monitor.registry import read_manifest, shipped_folder
from monitor.types import Passage

FOLDER = shipped_folder() / "small"
ROUNDS = 3
PIPELINE_BATCH = 32
NAMES = ("Acme", "Globex", "Initech", "Umbrella Holdings", "Stark Industries", "Wayne Enterprises", "Hooli")
DEEDS = (
    "raises its full-year outlook after record quarterly profit",
    "shares slump as the regulator opens an inquiry into its accounts",
    "to buy a smaller rival for $4.2 billion in cash and stock, sources say",
    "names a new chief executive",
    "cuts 1,200 jobs and closes two plants as demand for its older products keeps falling across Europe and Asia",
    "declares a quarterly dividend of $0.35 per share",
)


def written_headlines(count: int) -> list[str]:
    return [f"{NAMES[at % 7]} {DEEDS[at // 7 % 6]} {at if at % 3 else ''}".strip() for at in range(count)]


def rival(network: Network, topics: int) -> Callable[[Sequence[str]], object]:
    """The pipeline over the same encoder; its one head does no more work than one of our three."""
    config = AutoConfig.from_pretrained(str(FOLDER), num_labels=topics)
    model = AutoModelForSequenceClassification.from_config(config)
    model.bert.load_state_dict(network.encoder.state_dict(), strict=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(FOLDER / "tokenizer.json"), pad_token="[PAD]", model_max_length=128
    )
    classify = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")
    return lambda texts: classify(list(texts), batch_size=PIPELINE_BATCH, truncation=True)


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1_024)
    parser.add_argument("--file", type=Path, help="one headline a line; written ones if absent")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    texts = options.file.read_text().splitlines() if options.file else written_headlines(options.texts)
    texts = texts[: options.texts]
    manifest = read_manifest(FOLDER)
    ours = TransformerClassifier(FOLDER, manifest, choose_device("cpu"))
    theirs = rival(load_network(FOLDER, len(manifest.topics)), len(manifest.topics))
    passages = [Passage(text) for text in texts]
    ours.classify(passages[:64])
    theirs(texts[:64])
    rounds = [(seconds(lambda: ours.classify(passages)), seconds(lambda: theirs(texts))) for _ in range(ROUNDS)]
    mine, other = (min(column) for column in zip(*rounds, strict=True))
    windows = ours._windows(passages)
    packed = batches(windows, ours._budget, ours._rows, ours._waste)
    result = {
        "texts": len(texts),
        "tokens_a_text": round(sum(len(window.tokens) for window in windows) / len(texts), 1),
        "precision": str(ours.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "padding_waste": round(padding_waste(packed), 4),
        "texts_a_second": round(len(texts) / mine, 1),
        "pipeline_texts_a_second": round(len(texts) / other, 1),
        "times_faster": round(other / mine, 2),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
