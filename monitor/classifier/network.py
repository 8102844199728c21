"""The network: one encoder, three heads. Shared by training and service; owns no data, no file but a model's folder.

The encoder's last states are averaged over the tokens (mean pooling, as all-MiniLM-L6-v2 was trained with), and three
linear heads read the average: topic, sentiment, and sentiment toward the company marked in the text.

A version that was fine-tuned whole holds all weights. One made with a low-rank adapter (LoRA, Hu et al. 2021) holds
the heads and, for each linear layer of the encoder, two thin matrices; the encoder itself lies elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

SENTIMENT_CLASSES = 3
WEIGHTS = "model.safetensors"
ADAPTER = ".default.weight"
"""peft's name for the one adapter of a layer: `encoder.<layer>.lora_A.default.weight`."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What an adapter stands on."""

    encoder: Path
    """The pretrained encoder's folder."""
    scale: float
    """alpha / rank."""


class Network(nn.Module):
    """`forward(input_ids, attention_mask)`, both (batch, tokens), gives logits: topic, sentiment, company."""

    def __init__(self, encoder: nn.Module, topics: int, dropout: float = 0.1) -> None:
        super().__init__()
        width = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.topic = nn.Linear(width, topics)
        self.sentiment = nn.Linear(width, SENTIMENT_CLASSES)
        self.company = nn.Linear(width, SENTIMENT_CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        pooled = self.dropout((states * weights).sum(1) / weights.sum(1).clamp(min=1))
        return self.topic(pooled), self.sentiment(pooled), self.company(pooled)


def encoder_from(folder: str | Path, *, pretrained: bool, dropout: float | None = None) -> nn.Module:
    """The encoder that a folder's config.json describes, with its weights where `pretrained`; no pooler.

    Attention is PyTorch's scaled_dot_product_attention wherever the architecture has it (transformers' default).
    """
    changes = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if pretrained:
        encoder = AutoModel.from_pretrained(str(folder), local_files_only=True, **changes)
    else:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, **changes)
        encoder = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # unused; its weights would be dead freight
    module: nn.Module = encoder
    return module


def save_network(network: Network, folder: Path) -> None:
    """Weights as float16 safetensors beside the encoder's config.json; of an adapted encoder only the adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = network.state_dict()
    adapter = {name: value for name, value in weights.items() if name.endswith(ADAPTER)}
    if adapter:
        heads = {name: value for name, value in weights.items() if not name.startswith("encoder.")}
        weights = {**heads, **{name.removesuffix(ADAPTER): value for name, value in adapter.items()}}
    halves = {name: value.detach().to(torch.float16).contiguous() for name, value in weights.items()}
    save_file(halves, str(folder / WEIGHTS))
    network.encoder.config.save_pretrained(str(folder))  # type: ignore[union-attr, operator]


def load_network(folder: Path, topics: int, adapted: Adapted | None = None, dropout: float | None = None) -> Network:
    """The network of a model's folder, float32, ready to answer. Never asks the network outside.

    Where the folder holds an adapter, `adapted` says of which encoder and how strong; it is merged into the weights.
    `dropout` is its encoder's where it learns on; as it was made if absent.
    """
    with torch.device("meta"):
        network = Network(encoder_from(folder, pretrained=False, dropout=dropout), topics)
    weights = {name: value.float() for name, value in load_file(str(folder / WEIGHTS)).items()}
    if adapted:
        weights = merged(weights, adapted)
    network.load_state_dict(weights, assign=True)
    _make_buffers(network, folder)
    return network.eval()


def _make_buffers(network: Network, folder: Path) -> None:
    """Position numbers and the like are no weights; on the meta device they were never made."""
    missing = {name: value for name, value in network.named_buffers() if value.is_meta}
    others = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    # Rotary frequencies, say, are computed by the encoder's own code: such an encoder is made once more.
    computed = dict(encoder_from(folder, pretrained=False).named_buffers(prefix="encoder")) if others else {}
    for name, value in missing.items():
        if name in computed:
            fresh = computed[name]
        elif name.endswith("position_ids"):
            fresh = torch.arange(value.shape[-1]).expand(value.shape)
        else:
            fresh = torch.zeros(value.shape)
        path, _, last = name.rpartition(".")
        network.get_submodule(path).register_buffer(last, fresh.to(value.dtype), persistent=False)


def merged(weights: dict[str, Tensor], adapted: Adapted) -> dict[str, Tensor]:
    """Heads and adapter -> all weights: each adapted layer's become W + scale * B A."""
    if (adapted.encoder / "manifest.json").is_file():  # a whole version of ours, whose names begin with "encoder."
        whole = {name: value.float() for name, value in load_file(str(adapted.encoder / WEIGHTS)).items()}
    else:
        encoder = encoder_from(adapted.encoder, pretrained=True).state_dict()
        whole = {f"encoder.{name}": value.float() for name, value in encoder.items()}
    for name, value in weights.items():
        layer, _, part = name.rpartition(".")
        if part == "lora_A":
            whole[f"{layer}.weight"] = whole[f"{layer}.weight"] + adapted.scale * weights[f"{layer}.lora_B"] @ value
        elif part != "lora_B":
            whole[name] = value
    return whole


def load_adapter(network: Network, folder: Path) -> None:
    """Put the heads and the adapter of a version's folder into a network that has an adapter's layers, to train on."""
    named = network.state_dict()
    weights = load_file(str(folder / WEIGHTS))
    filled = {name + ADAPTER if name + ADAPTER in named else name: value.float() for name, value in weights.items()}
    _, unexpected = network.load_state_dict(filled, strict=False)
    if unexpected:
        raise ValueError(f"{folder} holds what this network lacks: {', '.join(unexpected[:3])}")
