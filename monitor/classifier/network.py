"""The network: one encoder, three heads. Shared by training and service; owns no data, no file but a model's folder.

The encoder's last states are averaged over the tokens (mean pooling, as all-MiniLM-L6-v2 was trained with), and three
linear heads read the average: topic, sentiment, and sentiment toward the company marked in the text.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

SENTIMENT_CLASSES = 3
WEIGHTS = "model.safetensors"


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


def encoder_from(folder: str | Path, *, pretrained: bool) -> nn.Module:
    """The encoder that a folder's config.json describes, with its weights where `pretrained`; no pooler, SDPA."""
    if pretrained:
        encoder = AutoModel.from_pretrained(str(folder), attn_implementation="sdpa", local_files_only=True)
    else:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        encoder = AutoModel.from_config(config, attn_implementation="sdpa")  # type: ignore[no-untyped-call]
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # unused; its weights would be dead freight
    module: nn.Module = encoder
    return module


def save_network(network: Network, folder: Path) -> None:
    """Weights as float16 safetensors beside the encoder's config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    save_file(weights, str(folder / WEIGHTS))
    network.encoder.config.save_pretrained(str(folder))  # type: ignore[union-attr, operator]


def load_network(folder: Path, topics: int) -> Network:
    """The network of a model's folder, float32, ready to answer. Never asks the network outside."""
    with torch.device("meta"):
        network = Network(encoder_from(folder, pretrained=False), topics)
    weights = {name: value.float() for name, value in load_file(str(folder / WEIGHTS)).items()}
    network.load_state_dict(weights, assign=True)
    # Position numbers are no weights; on the meta device they were never made.
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:
                fresh = torch.zeros(buffer.shape)
                if "position" in name:
                    fresh = torch.arange(buffer.shape[-1]).expand(buffer.shape)
                module.register_buffer(name, fresh.to(buffer.dtype), persistent=False)
    return network.eval()
