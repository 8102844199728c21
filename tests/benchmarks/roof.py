"""The best bfloat16 matrix product that this machine gives us, measured: the roof, not a data sheet's."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monitor.classifier.fused import FusedLinear, can_fuse

SHAPES_CPU = ((256, 384, 1_536), (1_024, 384, 1_536), (1_024, 768, 768), (2_048, 768, 3_072), (2_048, 1_024, 4_096))
SHAPES_GPU = ((8_192, 8_192, 8_192), (16_384, 4_096, 16_384), (65_536, 768, 3_072), (65_536, 384, 1_536))
TRIES = 40


def roof(device: torch.device) -> float:
    """Operations a second, on a GPU of the whole, on a CPU of one thread."""
    return max(_speed(*shape, device) for shape in (SHAPES_GPU if device.type == "cuda" else SHAPES_CPU))


def roof_at(shapes: Sequence[tuple[int, int]], rows: int, device: torch.device) -> float:
    """The same over products of our own shapes, one after the other."""
    work = sum(2.0 * rows * inner * columns for inner, columns in shapes)
    speeds = {shape: _speed(rows, *shape, device) for shape in set(shapes)}
    return work / sum(2.0 * rows * inner * columns / speeds[inner, columns] for inner, columns in shapes)


def layer_shapes(encoder: nn.Module) -> list[tuple[int, int]]:
    """(inner, columns) of each linear layer. Attention's own products are left out."""
    return [(one.in_features, one.out_features) for one in encoder.modules() if isinstance(one, nn.Linear)]


@torch.inference_mode()
def _speed(rows: int, inner: int, columns: int, device: torch.device) -> float:
    weight = torch.randn(columns, inner, device=device, dtype=torch.bfloat16)
    bias = torch.zeros(columns, device=device, dtype=torch.bfloat16)
    x = torch.randn(rows, inner, device=device, dtype=torch.bfloat16)
    if device.type == "cuda":
        took = min(_wall(x, weight, bias) for _ in range(TRIES))
    else:
        took = _of_one_thread(x, weight, bias)
    return 2.0 * rows * inner * columns / took


def _wall(x: Tensor, weight: Tensor, bias: Tensor) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):  # back to back, else the launch would be measured
        nn.functional.linear(x, weight, bias)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / 10


def _of_one_thread(x: Tensor, weight: Tensor, bias: Tensor) -> float:
    """By the thread's own clock: on a busy machine the wall's counts others' work."""
    layer = FusedLinear(weight, bias) if can_fuse() else None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        for _ in range(TRIES):
            started = time.thread_time()
            if layer:
                layer(x)
            else:
                nn.functional.linear(x, weight, bias)
            times.append(time.thread_time() - started)
    finally:
        torch.set_num_threads(threads)
    return min(times)
