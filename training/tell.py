"""How a training talks to whoever started it: a line at a time."""

from __future__ import annotations

from collections.abc import Callable

from training.data import Example, balance

Tell = Callable[[str], None]


def show_balance(splits: dict[str, list[Example]], tell: Tell) -> None:
    """How often each class stands in each split."""
    counted = {name: balance(examples) for name, examples in splits.items()}
    tell(f"{'':42}" + "".join(f"{name:>12}" for name in splits))
    for head, classes in counted["train"].items():
        for label in sorted(classes):
            cells = "".join(f"{counted[name][head][label]:>12,}" for name in splits)
            tell(f"{head + ': ' + label:42}{cells}")
