"""Logits and what they should have been -> the loss. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.config import TrainConfig
from training.data import Example
from training.feed import HEADS


@dataclass(frozen=True, slots=True)
class Objective:
    """Over all heads: the labels' cross-entropy and, where a teacher answered, the divergence from its answers."""

    weights: Mapping[str, Tensor | None]
    """Per head, (classes,)."""
    config: TrainConfig

    def __call__(self, logits: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Each head's mean over the rows that have its label, weighted by their share of the batch."""
        hard = torch.stack([self._hard(logits[head].float(), batch[head], self.weights[head]) for head in HEADS]).sum()
        soft = [self._soft(logits[head].float(), batch[f"soft_{head}"]) for head in HEADS]
        taught = [part for part in soft if part is not None]
        if not taught:
            return hard
        share = self.config.soft_share
        return (1 - share) * hard + share * torch.stack(taught).sum()

    def _hard(self, logits: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        has = labels >= 0
        if not has.any():
            return logits.sum() * 0
        smoothing = self.config.label_smoothing
        weight = None if weight is None else weight.to(logits.device)
        loss = nn.functional.cross_entropy(logits[has], labels[has], weight=weight, label_smoothing=smoothing)
        return loss * has.float().mean()

    def _soft(self, logits: Tensor, taught: Tensor) -> Tensor | None:
        """T^2 KL(teacher || pupil) at temperature T (Hinton et al. 2015); None where no row has a teacher's answer."""
        has = ~taught.isnan().any(-1)
        if not has.any():
            return None
        temperature = self.config.soft_temperature
        pupil = nn.functional.log_softmax(logits[has] / temperature, -1)
        teacher = nn.functional.log_softmax(taught[has] / temperature, -1)
        divergence = nn.functional.kl_div(pupil, teacher, reduction="batchmean", log_target=True)
        return temperature**2 * divergence * has.float().mean()


def class_weights(
    examples: Sequence[Example], topics: Sequence[str], config: TrainConfig
) -> Mapping[str, Tensor | None]:
    """Per head, by class, with mean 1. The company's classes are balanced enough."""
    topic = [sum(one.topic == name for one in examples) for name in topics]
    sentiment = [sum(one.sentiment == value for one in examples) for value in range(3)]
    return {
        "topic": _weights(topic, config.topic_weight_power),
        "sentiment": _weights(sentiment, config.sentiment_weight_power),
        "company": None,
    }


def _weights(counts: Sequence[int], power: float) -> Tensor:
    frequency = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    weights = (frequency.sum() / frequency / len(counts)).pow(power)
    return weights / weights.mean()
