"""What decides a version's weights besides its data: one frozen configuration, and a recipe for each shipped model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

from monitor.errors import UsageError

Freeze = Literal["head", "top-k", "lora", "full"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The defaults are those of a whole fine-tuning."""

    freeze: Freeze = "full"
    """What learns besides the heads: nothing, the topmost layers, low-rank adapters on all linear layers, or all."""
    top_layers: int = 2
    """How many layers learn under `top-k`."""
    rank: int = 16
    alpha: int = 32
    """Of `lora`: a layer's weights become W + alpha / rank * B A (Hu et al. 2021)."""
    epochs: int = 4
    patience: int = 2
    """Epochs without a better validation score after which the training ends."""
    batch: int = 32
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.06
    """Share of the steps in which the rate rises; afterwards it falls linearly to 0."""
    label_smoothing: float = 0.05
    encoder_dropout: float = 0.1
    topic_weight_power: float = 0.3
    """Class weights are (1 / frequency) ** power: 0 is none, 1 makes every class count the same."""
    sentiment_weight_power: float = 0.5
    strip_cashtags: float = 0.3
    """Share of posts read without "$TICK", anew each epoch: news names companies by name."""
    swap_companies: float = 0.15
    """Share of company headlines read with another company's name, anew each epoch: the tone decides, not the name."""
    soft_share: float = 0.5
    """Where a teacher's answers are at hand: their share of the loss; the labels have the rest."""
    soft_temperature: float = 2.0
    unlabelled: int = 30_000
    """How many texts without labels a pupil reads with its teacher's answers."""
    max_tokens: int = 128
    seed: int = 0


RANGES: Mapping[str, tuple[float, float]] = {
    "top_layers": (1, 1_000),
    "rank": (1, 4_096),
    "alpha": (1, 65_536),
    "epochs": (1, 10_000),
    "patience": (1, 10_000),
    "batch": (1, 65_536),
    "encoder_rate": (0, 1),
    "head_rate": (0, 1),
    "weight_decay": (0, 1),
    "warm_up": (0, 1),
    "label_smoothing": (0, 0.9),
    "encoder_dropout": (0, 0.9),
    "topic_weight_power": (0, 2),
    "sentiment_weight_power": (0, 2),
    "strip_cashtags": (0, 1),
    "swap_companies": (0, 1),
    "soft_share": (0, 1),
    "soft_temperature": (0.1, 100),
    "unlabelled": (0, 100_000_000),
    "max_tokens": (16, 512),
    "seed": (0, 2**32 - 1),
}
"""Beyond them a training ends after hours in an error, or in weights that mean nothing."""

RECIPES: Mapping[str, TrainConfig] = {
    "base": TrainConfig(
        freeze="lora", epochs=4, encoder_rate=5e-4, label_smoothing=0.0, encoder_dropout=0.0, sentiment_weight_power=0.3
    ),
    "small": TrainConfig(epochs=3, label_smoothing=0.0),
}
"""`base` on all-mpnet-base-v2 is small's teacher; `small` on all-MiniLM-L6-v2 learns from it."""


def read_changes(lines: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` lines as values of their field's type. UsageError names what is no such thing."""
    kinds = get_type_hints(TrainConfig)
    changes: dict[str, Any] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name not in kinds:
            raise UsageError(f"--set {line!r}: give NAME=VALUE with one of {', '.join(kinds)}")
        kind = kinds[name] if kinds[name] in (int, float) else str
        try:
            changes[name] = kind(value)
        except ValueError as error:
            raise UsageError(f"--set {line!r}: {name} is a number ({kind.__name__})") from error
    return changes


def configuration(recipe: str, options: Mapping[str, Any]) -> TrainConfig:
    """A recipe with some values changed. UsageError names what there is no such thing of."""
    if recipe not in RECIPES:
        raise UsageError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    try:
        config = replace(RECIPES[recipe], **options)
    except TypeError as error:
        raise UsageError(f"unknown option of a training: {error}") from error
    if config.freeze not in get_args(Freeze):
        raise UsageError(f"freeze is one of {', '.join(get_args(Freeze))}, not {config.freeze!r}")
    for name, (least, most) in RANGES.items():
        if not least <= (value := getattr(config, name)) <= most:  # NaN is not, either
            raise UsageError(f"{name} lies between {least} and {most}, not at {value}")
    return config
