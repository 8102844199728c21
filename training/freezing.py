"""Which of a network's weights learn, and how a low-rank adapter is put in and taken out. Trains nothing."""

from __future__ import annotations

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.nn import ModuleList

from monitor.classifier.network import Network
from monitor.errors import UsageError
from training.config import TrainConfig


def freeze(network: Network, config: TrainConfig) -> None:
    """Set what learns, by the configuration's policy; the heads always do."""
    if config.freeze == "full":
        return
    for value in network.encoder.parameters():
        value.requires_grad = False
    if config.freeze == "top-k":
        for layer in _layers(network.encoder)[-config.top_layers :]:
            layer.requires_grad_(True)
    if config.freeze == "lora":
        lora = LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=0.0, target_modules="all-linear")
        inject_adapter_in_model(lora, network.encoder)


def hold_lighter(network: Network, precision: torch.dtype) -> None:
    """Hold the weights beneath an adapter in the precision they are multiplied in.

    They never learn and are never saved; autocast would convert each anew at every step, a tenth of the time.
    """
    for module in network.encoder.modules():
        if isinstance(beneath := getattr(module, "base_layer", None), nn.Linear):
            beneath.to(precision)


def _layers(encoder: nn.Module) -> ModuleList:
    """The encoder's stack: its longest list of layers."""
    stacks = [module for module in encoder.modules() if isinstance(module, ModuleList)]
    if not stacks:
        raise UsageError("this encoder has no stack of layers; train it with --freeze full, lora or head")
    return max(stacks, key=len)
