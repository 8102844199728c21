"""Items -> a network. Reads top to bottom; measures nothing but the validation score that it stops by.

One encoder and three heads learn together: each batch holds examples of all sets, and each head's loss counts only the
examples that carry its label. The loop, its checkpoints and its devices are transformers' Trainer (accelerate); ours
are what is read (feed), what learns (freezing) and what is lost (objective). A checkpoint after each epoch holds
everything, so a killed run goes on from there.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments
from transformers import get_linear_schedule_with_warmup as linear_schedule
from transformers.trainer_utils import EvalPrediction, get_last_checkpoint

from monitor.classifier.network import SENTIMENT_CLASSES, Network, save_network
from monitor.classifier.transformer import choose_device, choose_precision
from monitor.errors import UsageError
from training.config import TrainConfig
from training.feed import ABSENT, HEADS, Collate, Feed, Item
from training.freezing import hold_lighter
from training.objective import Objective, class_weights
from training.tell import Tell

CHECKPOINTS = "checkpoints"
BEST = "mean_macro_f1"
Watch = Callable[[int, float], None]


def train(
    network: Network,
    tokenizer: Tokenizer,
    topics: Sequence[str],
    items: Sequence[Item],
    validation: Sequence[Item],
    out: Path,
    config: TrainConfig,
    tell: Tell = print,
    watch: Watch | None = None,
    made_from: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Network:
    """Train, keep the epoch with the best validation score, write its weights to `out`; resumes a killed run.

    `network` already says which of its weights learn (freezing.freeze). UsageError where `out` holds the checkpoints
    of a run with another configuration, or `made_from` something else (hashes of data, encoder, teacher). The
    checkpoints stay, for whoever has made sure of the result to remove. `watch` is told the epoch and its score, and
    may end the run by an exception.
    """
    checkpoints = out / CHECKPOINTS
    resumed = resumable(checkpoints, {**asdict(config), **(made_from or {})})
    if resumed:
        tell(f"going on from {Path(resumed).name}")
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.max_tokens)
    feed = Feed(items, tokenizer, topics, config, augment=True)
    told = arguments(checkpoints, config, training_device(device))
    if told.bf16:
        hold_lighter(network, torch.bfloat16)
    steps = config.epochs * math.ceil(len(feed) / (told.train_batch_size * told.world_size))  # over all devices
    trainer = HeadsTrainer(
        network,
        told,
        train_dataset=feed,
        eval_dataset=Feed(validation, tokenizer, topics, config, augment=False),
        data_collator=Collate({"topic": len(topics), "sentiment": SENTIMENT_CLASSES, "company": SENTIMENT_CLASSES}),
        compute_metrics=macro_f1s,
        callbacks=[EarlyStoppingCallback(config.patience), NextEpoch(feed), Teller(tell, watch)],
        optimizers=optimizer(network, config, steps),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Bar)
    trainer.objective = Objective(class_weights([item.example for item in items], topics, config), config)
    try:
        trainer.train(resume_from_checkpoint=resumed)
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"out of memory on the device with {config.batch} texts a batch; set a lower one with --set batch=N"
        ) from error
    save_network(network, out)
    return network


class HeadsTrainer(Trainer):
    """Trainer with our loss over three heads."""

    objective: Objective

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002
    ) -> Tensor | tuple[Tensor, Any]:
        logits = dict(zip(HEADS, model(inputs["input_ids"], inputs["attention_mask"]), strict=True))
        loss = self.objective(logits, inputs)
        return (loss, logits) if return_outputs else loss


class Bar(ProgressCallback):
    """The bar over all steps, without one for each validation and without the losses between."""

    def on_prediction_step(self, *_: Any, **__: Any) -> None:
        """Validation takes seconds."""

    def on_log(self, *_: Any, **__: Any) -> None:
        """The line an epoch says it."""


class NextEpoch(TrainerCallback):
    """Tells the feed which epoch it is, so that each reads the texts a little differently, and again after a kill."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._feed.epoch = round(state.epoch or 0)


class Teller(TrainerCallback):
    """A line an epoch."""

    def __init__(self, tell: Tell, watch: Watch | None) -> None:
        self._tell, self._watch = tell, watch

    def on_evaluate(self, args: Any, state: Any, control: Any, **said: Any) -> None:  # noqa: ARG002
        metrics: dict[str, float] = said["metrics"]
        scores = {head: metrics.get(f"eval_{head}_macro_f1") for head in HEADS}
        told = ", ".join(f"{head} {score:.4f}" for head, score in scores.items() if score is not None)
        self._tell(f"epoch {state.epoch:.0f}: validation macro-F1 {told}")
        if self._watch is not None:
            self._watch(round(state.epoch), metrics[f"eval_{BEST}"])


def training_device(wanted: str) -> torch.device:
    """As service chooses it. UsageError for what is not here, and for a GPU but the first: the Trainer takes that."""
    device = choose_device(wanted)
    if device.index:
        raise UsageError(
            f"a training takes the first GPU that it sees, not {wanted}; set CUDA_VISIBLE_DEVICES={device.index} and"
            " TOCSIN_DEVICE=cuda"
        )
    return device


def arguments(checkpoints: Path, config: TrainConfig, device: torch.device) -> TrainingArguments:
    """Of the Trainer: length-grouped batches, one checkpoint and one validation an epoch, bf16 where it is faster."""
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch,
        per_device_eval_batch_size=4 * config.batch,
        train_sampling_strategy="group_by_length",
        max_grad_norm=1.0,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        restore_callback_states_from_checkpoint=True,  # else a resumed run forgets how long nothing got better
        load_best_model_at_end=True,
        metric_for_best_model=BEST,
        greater_is_better=True,
        label_names=list(HEADS),
        remove_unused_columns=False,
        bf16=choose_precision(device) is torch.bfloat16,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        logging_steps=50,
        report_to="none",
        seed=config.seed,
        data_seed=config.seed,
    )


def optimizer(
    network: Network, config: TrainConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW over what learns, with another rate for the heads; the rate rises over `warm_up`, then falls to 0."""
    learning = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    encoder = [value for name, value in learning if name.startswith("encoder")]
    heads = [value for name, value in learning if not name.startswith("encoder")]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": config.encoder_rate, "weight_decay": config.weight_decay},
        {"params": heads, "lr": config.head_rate, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW([group for group in groups if group["params"]])
    schedule: torch.optim.lr_scheduler.LambdaLR = linear_schedule(  # type: ignore[no-untyped-call]
        adamw, round(config.warm_up * steps), steps
    )
    return adamw, schedule


def macro_f1s(said: EvalPrediction) -> dict[str, float]:
    """Macro-F1 per head over the examples that carry its label, and their mean."""
    scores = {}
    for head, logits, labels in zip(HEADS, said.predictions, said.label_ids, strict=True):
        has = labels != ABSENT
        if has.any():
            scores[f"{head}_macro_f1"] = float(f1_score(labels[has], logits[has].argmax(-1), average="macro"))
    return {**scores, BEST: float(np.mean(list(scores.values())))}


def resumable(checkpoints: Path, asked: Mapping[str, Any]) -> str | None:
    """The checkpoint to go on from, if a run of the same configuration, from the same things, left one."""
    checkpoints.mkdir(parents=True, exist_ok=True)
    for checkpoint in checkpoints.glob("checkpoint-*"):
        if not _is_whole(checkpoint):
            shutil.rmtree(checkpoint)
    found: str | None = get_last_checkpoint(str(checkpoints))  # type: ignore[no-untyped-call]
    stated = checkpoints / "configuration.json"
    # Of a run that left none, as one whose first batch was too large, nothing is lost.
    if found and stated.is_file() and json.loads(stated.read_text(encoding="utf-8")) != asked:
        raise UsageError(
            f"{checkpoints} is of a run with another configuration or from other data; remove it or use its options"
        )
    stated.write_text(json.dumps(asked), encoding="utf-8")
    return found


def _is_whole(checkpoint: Path) -> bool:
    """The Trainer writes its state last: a kill while it saves leaves a checkpoint without, beside the one before."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
