"""Attention within each of the texts that are laid end to end. Owns the choice among ways that answer the same.

`by_exponent` is for bfloat16 on the CPU. There PyTorch's scaled_dot_product_attention spends most of its time on the
softmax of short rows: a row of 15 scores is no whole number of vectors, and the rest is computed one by one. The
exponents of all scores as one flat vector and their sums by a product with ones take a tenth of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import torch
from torch import Tensor
from torch.nn import functional

from monitor.classifier.windows import Run

LARGEST_SCORE = 60.0
"""Scores of the shipped models stay below 40. exp(60) times a value, summed over a window, is still a number in
bfloat16, and exp(-60) is no zero to divide by: whatever a text holds, its answer is finite."""
MOST_APART = 0.02
"""What bfloat16 and float16 leave between two right ways, at inputs of size 0.5."""

Attend = Callable[[Tensor], Tensor]
"""Query, key and value of each token (tokens, 3 * width) -> (tokens, width). The query is scaled already."""
Attention = Callable[[Sequence[Run]], Attend]
"""What the layers of an encoder share for one batch."""

log = structlog.get_logger()


def choose_attention(
    heads: int, width: int, bias: Tensor | None, device: torch.device, dtype: torch.dtype
) -> Attention:
    """The fastest way that answers right here. `bias` (heads, longest, longest) is added to the scores."""
    if device.type == "cpu" and dtype is torch.bfloat16:
        return lambda runs: lambda asked: by_exponent(asked, runs, heads, bias)
    if device.type == "cuda" and bias is None:  # that kernel takes no bias

        def varlen(runs: Sequence[Run]) -> Attend:
            return by_varlen(runs, heads, device)

        if answers_right(varlen, heads, width, device, dtype):
            return varlen
    return lambda runs: lambda asked: by_run(asked, runs, heads, bias)


def by_run(asked: Tensor, runs: Sequence[Run], heads: int, bias: Tensor | None) -> Tensor:
    """PyTorch's own attention, run by run."""
    context, sizes = asked.new_empty(asked.shape[0], asked.shape[1] // 3), [run.tokens for run in runs]
    for part, into, run in zip(torch.split(asked, sizes), torch.split(context, sizes), runs, strict=True):
        query, key, value = part.view(run.texts, run.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if bias is None else bias[None, :, : run.length, : run.length]
        answer = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
        into.view(run.texts, run.length, heads, -1).copy_(answer.transpose(1, 2))
    return context


def by_exponent(asked: Tensor, runs: Sequence[Run], heads: int, bias: Tensor | None) -> Tensor:
    """sum_j exp(s_ij) v_j / sum_j exp(s_ij), the scores s held within LARGEST_SCORE instead of shifted by their max."""
    context, sizes = asked.new_empty(asked.shape[0], asked.shape[1] // 3), [run.tokens for run in runs]
    for part, into, (texts, length) in zip(torch.split(asked, sizes), torch.split(context, sizes), runs, strict=True):
        by_part = part.view(texts, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = by_part.reshape(3, texts * heads, length, -1)
        weights = torch.bmm(query, key.transpose(1, 2))
        if bias is not None:
            weights.view(texts, heads, length, length).add_(bias[:, :length, :length])
        weights.clamp_(-LARGEST_SCORE, LARGEST_SCORE).exp_()
        sums = torch.mm(weights.view(-1, length), weights.new_ones(length, 1))
        summed = torch.bmm(weights, value).view(texts, heads, length, -1)
        torch.div(summed, sums.view(texts, heads, length, 1), out=into.view(texts, length, heads, -1).transpose(1, 2))
    return context


def by_varlen(runs: Sequence[Run], heads: int, device: torch.device) -> Attend:
    """One kernel over all texts, where this torch and this GPU have it."""
    from torch.nn.attention.varlen import varlen_attn

    lengths = torch.tensor([run.length for run in runs for _ in range(run.texts)])
    ends = functional.pad(lengths.cumsum(0), (1, 0)).to(device, torch.int32)
    longest = max(run.length for run in runs)

    def attend(asked: Tensor) -> Tensor:
        query, key, value = asked.view(asked.shape[0], 3, heads, -1).unbind(1)
        answer: Tensor = varlen_attn(query, key, value, ends, ends, longest, longest, scale=1.0)  # type: ignore[assignment]
        return answer.reshape(asked.shape[0], -1)

    return attend


def answers_right(way: Attention, heads: int, width: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether it works here and answers as `by_run` does: tried once, because few builds and GPUs have every way."""
    runs = (Run(2, 17), Run(3, 5))
    asked = 0.5 * torch.randn(49, 3 * width, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    try:
        return torch.allclose(way(runs)(asked), by_run(asked, runs, heads, None), atol=MOST_APART)
    except (RuntimeError, ImportError) as error:
        log.info("no attention over variable lengths here; run by run instead", cause=str(error)[:200])
        return False
