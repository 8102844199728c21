"""Linear layers for bfloat16 on the CPU: weights laid out once; bias, GELU and residual in the same pass.

PyTorch's own nn.Linear lays its weights out anew at every call, and reads and writes the whole result again for each
of what follows the product. torch.compile uses the same operators, after half a minute of compiling. For inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FusedLinear(nn.Module):
    """x W^T + b, and GELU where asked or the residual where given, as one operation."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self._bias = bias.detach()
        self._after: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        result: Tensor
        if residual is None:
            result = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *self._after)
        else:
            result = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self._weight, self._bias, "add")
        return result


def can_fuse() -> bool:
    """Whether this build of PyTorch and this processor have the operators: they are PyTorch's own, not its promise."""
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch._C._has_mkldnn or not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
