"""The network in service: the same weights over texts laid end to end, without padding. For inference only.

transformers' encoders read a rectangle of texts and fill the short ones up. Here the linear layers see one matrix of
(tokens, width), and attention reads runs: texts of one length, side by side. Query, key and value are one product.
BERT and MPNet are laid out so; any other encoder answers run by run through its own code, without padding as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from monitor.classifier.attention import Attend, choose_attention
from monitor.classifier.fused import FusedLinear, can_fuse
from monitor.classifier.network import Network
from monitor.classifier.windows import Run

Heads = tuple[Tensor, Tensor, Tensor]


class PackedNetwork(nn.Module):
    """`forward(tokens, runs)` gives float32 logits: topic, sentiment, company, a row a text, in the texts' order.

    `tokens` (tokens,) holds the texts of the first run one after the other, then those of the next. Laid out once for
    its device and precision: moving it later would leave what was laid out behind.
    """

    def __init__(self, network: Network, max_tokens: int, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self._heads = nn.ModuleList([network.topic, network.sentiment, network.company]).to(device, torch.float32)
        encoder: Any = network.encoder
        laid_out = LAYOUTS.get(encoder.config.model_type)
        if laid_out is None or encoder.config.hidden_act != "gelu":
            self._encoder: nn.Module = RunByRun(encoder.to(device=device, dtype=dtype))
        else:
            self._encoder = PackedEncoder(encoder, laid_out, max_tokens, device, dtype)

    def forward(self, tokens: Tensor, runs: Sequence[Run]) -> Heads:
        states = self._encoder(tokens, runs)
        means = [part.mean(1, dtype=torch.float32) for part in split_runs(states, runs)]
        topic, sentiment, company = (head(torch.cat(means)) for head in self._heads)
        return topic, sentiment, company


def split_runs(states: Tensor, runs: Sequence[Run]) -> Iterator[Tensor]:
    """(tokens, width) -> for each run (texts, tokens of one text, width), views of the same memory."""
    parts = torch.split(states, [run.tokens for run in runs])
    return (part.view(run.texts, run.length, -1) for part, run in zip(parts, runs, strict=True))


class RunByRun(nn.Module):
    """Any encoder of transformers, one run after the other."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self._encoder = encoder

    def forward(self, tokens: Tensor, runs: Sequence[Run]) -> Tensor:
        texts = [part.squeeze(-1) for part in split_runs(tokens.unsqueeze(-1), runs)]
        answers = [self._encoder(input_ids=ids, attention_mask=torch.ones_like(ids)) for ids in texts]
        return torch.cat([answer.last_hidden_state.flatten(0, 1) for answer in answers])


class PackedEncoder(nn.Module):
    """BERT or MPNet: (tokens,) -> (tokens, width)."""

    def __init__(
        self, encoder: Any, laid_out: Layout, max_tokens: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__()
        positions, bias, layers = laid_out(encoder, max_tokens)
        self._words = _placed(encoder.embeddings.word_embeddings.weight, device, dtype)
        self._positions = _placed(positions, device, dtype)
        self._norm = encoder.embeddings.LayerNorm.to(device, dtype)
        heads = int(encoder.config.num_attention_heads)
        bias = None if bias is None else _placed(bias, device, dtype)
        self._attention = choose_attention(heads, self._words.shape[1], bias, device, dtype)
        self._layers = nn.ModuleList([Layer(parts, heads, device, dtype) for parts in layers])

    def forward(self, tokens: Tensor, runs: Sequence[Run]) -> Tensor:
        states = functional.embedding(tokens, self._words)
        for part in split_runs(states, runs):
            part += self._positions[: part.shape[1]]
        states = self._norm(states)
        attend = self._attention(runs)
        for layer in self._layers:
            states = layer(states, attend)
        result: Tensor = states
        return result


class Layer(nn.Module):
    """Attention and what follows it, each with its residual, then LayerNorm (Devlin et al. 2018)."""

    def __init__(self, parts: LayerParts, heads: int, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        # The scores' division by the root of a head's width is done once, in the weights.
        scale = (parts.query.out_features / heads) ** -0.5
        self._asked = _linear(
            torch.cat([parts.query.weight * scale, parts.key.weight, parts.value.weight]),
            torch.cat([parts.query.bias * scale, parts.key.bias, parts.value.bias]),
            device,
            dtype,
        )
        self._out = _linear(parts.out.weight, parts.out.bias, device, dtype)
        self._norm_attended = parts.norm_attended.to(device, dtype)
        self._up = _linear(parts.up.weight, parts.up.bias, device, dtype, gelu=True)
        self._down = _linear(parts.down.weight, parts.down.bias, device, dtype)
        self._norm = parts.norm.to(device, dtype)

    def forward(self, states: Tensor, attend: Attend) -> Tensor:
        attended = self._norm_attended(self._out(attend(self._asked(states)), states))
        result: Tensor = self._norm(self._down(self._up(attended), attended))
        return result


class PlainLinear(nn.Module):
    """x W^T + b, then GELU where asked, then the residual where given: what FusedLinear does in one pass."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool) -> None:
        super().__init__()
        self._weight, self._bias, self._gelu = weight, bias, gelu

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        result = functional.linear(x, self._weight, self._bias)
        if self._gelu:
            result = functional.gelu(result)
        return result if residual is None else result + residual


def _linear(weight: Tensor, bias: Tensor, device: torch.device, dtype: torch.dtype, gelu: bool = False) -> nn.Module:
    weight, bias = _placed(weight, device, dtype), _placed(bias, device, dtype)
    if device.type == "cpu" and dtype is torch.bfloat16 and can_fuse():
        return FusedLinear(weight, bias, gelu)
    return PlainLinear(weight, bias, gelu)


def _placed(weight: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return weight.detach().to(device, dtype).contiguous()


class LayerParts(NamedTuple):
    """What a layer is made of, in the order of the computation."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    norm_attended: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    norm: nn.LayerNorm


Layout = Callable[[Any, int], tuple[Tensor, Tensor | None, list[LayerParts]]]
"""(encoder, longest text) -> positions (tokens, width), bias of the scores (heads, tokens, tokens) if any, layers."""


def _bert(encoder: Any, max_tokens: int) -> tuple[Tensor, Tensor | None, list[LayerParts]]:
    embeddings = encoder.embeddings
    # Every token is of the first type, in training as in service.
    positions = embeddings.position_embeddings.weight[:max_tokens] + embeddings.token_type_embeddings.weight[0]
    return (
        positions,
        None,
        [
            LayerParts(
                *(layer.attention.self.query, layer.attention.self.key, layer.attention.self.value),
                *(layer.attention.output.dense, layer.attention.output.LayerNorm),
                *(layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm),
            )
            for layer in encoder.encoder.layer
        ],
    )


def _mpnet(encoder: Any, max_tokens: int) -> tuple[Tensor, Tensor | None, list[LayerParts]]:
    first = encoder.embeddings.padding_idx + 1
    positions = encoder.embeddings.position_embeddings.weight[first : first + max_tokens]
    bias = encoder.encoder.compute_position_bias(torch.zeros(1, max_tokens, 1))[0]
    return (
        positions,
        bias,
        [
            LayerParts(
                *(layer.attention.attn.q, layer.attention.attn.k, layer.attention.attn.v),
                *(layer.attention.attn.o, layer.attention.LayerNorm),
                *(layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm),
            )
            for layer in encoder.encoder.layer
        ],
    )


LAYOUTS: dict[str, Layout] = {"bert": _bert, "mpnet": _mpnet}
