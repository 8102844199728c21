"""ONNX Runtime over our own weights, fp32 and dynamic int8, batches sorted by length: the rival at its best."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from monitor.classifier.network import Network
from monitor.classifier.windows import Window

WASTE = 0.05

Run = Callable[[Sequence[Window], int, int], list[np.ndarray]]
"""(windows, budget of tokens, rows) -> topic logits, batch after batch."""


def export(network: Network, folder: Path) -> dict[str, Path]:
    """The files of both precisions. ImportError where onnx, onnxscript or onnxruntime is not installed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger("root").setLevel(logging.ERROR)
    full, small = folder / "fp32.onnx", folder / "int8.onnx"
    ids, mask = torch.full((4, 16), 2_000), torch.ones((4, 16), dtype=torch.long)
    rows, width = torch.export.Dim("rows", min=2, max=4_096), torch.export.Dim("width", min=2, max=512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (ids, mask),
            str(full),
            input_names=["ids", "mask"],
            output_names=["topic", "sentiment", "company"],
            dynamic_shapes=({0: rows, 1: width}, {0: rows, 1: width}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        quantize_dynamic(str(full), str(small), weight_type=QuantType.QInt8)
    return {"fp32": full, "int8": small}


def session(path: Path, threads: int, pad: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    running = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(windows: Sequence[Window], budget: int, rows: int) -> list[np.ndarray]:
        answers = []
        for batch in sorted_batches(windows, budget, rows):
            ids = np.full((len(batch), len(batch[0].tokens)), pad, dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, window in enumerate(batch):
                ids[row, : len(window.tokens)] = window.tokens
                mask[row, : len(window.tokens)] = 1
            answers.append(running.run(["topic"], {"ids": ids, "mask": mask})[0])
        return answers

    return run


def sorted_batches(windows: Sequence[Window], budget: int, rows: int) -> Iterator[list[Window]]:
    """Longest first, at most `budget` tokens and `rows` windows, a twentieth of them padding."""
    batch: list[Window] = []
    tokens = 0
    for window in sorted(windows, key=lambda one: -len(one.tokens)):
        computed = (len(batch) + 1) * len((batch or [window])[0].tokens)
        padding = computed - tokens - len(window.tokens)
        if batch and (computed > budget or len(batch) >= rows or padding > WASTE * computed):
            yield batch
            batch, tokens = [], 0
        batch.append(window)
        tokens += len(window.tokens)
    if batch:
        yield batch
