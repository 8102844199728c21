"""A search over configurations by validation score, in a file that a stopped search goes on from. Never sees the test.

Each trial trains a version on a share of the training split and is ended early where it lags the median of the others
at the same epoch. Nothing is kept of a trial but its score; the best configuration is printed for `tocsin train`.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from tokenizers import Tokenizer

from monitor.errors import UsageError
from training.config import TrainConfig, configuration
from training.data import Example, file_hashes, read_examples, refuse_gaps, split
from training.feed import Item
from training.make import begin, check_encoder, sha256
from training.tell import Tell
from training.train import train, training_device

STARTUP_TRIALS = 4
"""Before so many are done there is no median worth to be measured against, and configurations are drawn at random."""
BEFORE = "scores before the kill"


@dataclass(frozen=True, slots=True)
class Search:
    """What makes the scores of two trials comparable."""

    recipe: str
    data: Path
    encoder: Path
    epochs: int
    share: float
    """Of the training examples that a trial learns from."""
    seed: int = 0

    def named(self) -> dict[str, Any]:
        """As it is kept beside the trials: hashes instead of paths."""
        said = {"recipe": self.recipe, "epochs": self.epochs, "share": self.share, "seed": self.seed}
        return {**said, "data": file_hashes(self.data), "encoder": sha256(self.encoder / "model.safetensors")}


def tune(search: Search, trials: int, data_dir: Path, tell: Tell = print, device: str = "auto") -> TrainConfig:
    """Until `trials` are done, those of earlier runs counted; the best configuration. UsageError on another search."""
    configuration(search.recipe, {})
    check_encoder(search.encoder)
    training_device(device)
    splits = split(read_examples(search.data))
    refuse_gaps(splits)
    home = data_dir / "tune" / search.recipe
    home.mkdir(parents=True, exist_ok=True)
    study = open_study(home / "trials.log", search)
    learned = sampled(splits["train"], search)
    tell(f"{len(learned):,} of {len(splits['train']):,} training examples a trial, {search.epochs} epochs each")
    while (done := finished(study)) < trials:
        trial = study.ask()
        config = suggest(trial, search)
        tell(f"trial {done + 1} of {trials}: {_told(config, search.recipe)}")
        try:
            score = run(trial, config, learned, splits["validation"], search, home, device)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            tell("ended early: below the median")
            continue
        study.tell(trial, score)
        tell(f"validation macro-F1 {score:.4f}, best so far {study.best_value:.4f}")
    return _answer(study, search, home, tell)


def open_study(path: Path, search: Search) -> optuna.Study:
    """The search in the file, new or gone on with; a trial that was killed waits as the next one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=search.recipe,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
    )
    # Each start draws from a stream of its own: the same one anew would draw the trials of the first start again.
    seed = search.seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    before = study.user_attrs.get("search")
    if before is not None and before != search.named():
        raise UsageError(
            f"{path} holds a search over other data, another encoder or other options; remove it or use them"
        )
    study.set_user_attr("search", search.named())
    for killed in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
        if killed.params:  # the same configuration finds its own checkpoints, and its scores go on from these
            scores = [*killed.user_attrs.get(BEFORE, ()), *killed.intermediate_values.values()]
            study.enqueue_trial(killed.params, user_attrs={BEFORE: scores})
    return study


def finished(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def suggest(trial: optuna.Trial, search: Search) -> TrainConfig:
    """The recipe with what is searched for drawn anew."""
    recipe = configuration(search.recipe, {"epochs": search.epochs, "seed": search.seed})
    rate = recipe.encoder_rate
    drawn: dict[str, Any] = {
        "encoder_rate": trial.suggest_float("encoder_rate", rate / 4, rate * 4, log=True),
        "head_rate": trial.suggest_float("head_rate", 2e-4, 5e-3, log=True),
        "batch": trial.suggest_categorical("batch", [16, 32, 64]),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.1),
        "topic_weight_power": trial.suggest_float("topic_weight_power", 0.0, 1.0),
        "sentiment_weight_power": trial.suggest_float("sentiment_weight_power", 0.0, 1.0),
        "strip_cashtags": trial.suggest_float("strip_cashtags", 0.0, 0.6),
        "swap_companies": trial.suggest_float("swap_companies", 0.0, 0.4),
    }
    if recipe.freeze == "lora":
        drawn["rank"] = trial.suggest_categorical("rank", [8, 16, 32])
        drawn["alpha"] = 2 * drawn["rank"]
    return replace(recipe, **drawn)


def run(
    trial: optuna.Trial,
    config: TrainConfig,
    learned: list[Example],
    validation: list[Example],
    search: Search,
    home: Path,
    device: str,
) -> float:
    """The score of the best epoch. TrialPruned where it lags."""
    topics = sorted({one.topic for one in learned if one.topic is not None})
    scores: list[float] = list(trial.user_attrs.get(BEFORE, []))

    def watch(epoch: int, score: float) -> None:
        scores.append(score)
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    name = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()[:12]
    folder, tokenizer = home / f"trial-{name}", Tokenizer.from_file(str(search.encoder / "tokenizer.json"))
    network = begin(search.encoder, topics, config, home)
    try:
        items, judged = [Item(one) for one in learned], [Item(one) for one in validation]
        train(network, tokenizer, topics, items, judged, folder, config, lambda _: None, watch, device=device)
    except optuna.TrialPruned:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return max(scores, default=0.0)


def sampled(examples: list[Example], search: Search) -> list[Example]:
    """The same share at every call. All topics stay: of each, at least one example."""
    size = round(search.share * len(examples))
    drawn = random.Random(search.seed).sample(examples, len(examples))
    first = {one.topic: one for one in reversed(drawn) if one.topic is not None}
    return list(dict.fromkeys([*first.values(), *drawn]))[: max(size, len(first))]


def best_of(trials: list[FrozenTrial], count: int) -> list[FrozenTrial]:
    done = [one for one in trials if one.state is TrialState.COMPLETE and one.value is not None]
    return sorted(done, key=lambda one: -(one.value or 0.0))[:count]


def _answer(study: optuna.Study, search: Search, home: Path, tell: Tell) -> TrainConfig:
    best = study.best_trial
    options = _options(best.params)
    (home / "best.json").write_text(json.dumps({"score": best.value, **options}, indent=1) + "\n", encoding="utf-8")
    for one in best_of(study.get_trials(deepcopy=False), 5):
        tell(f"{one.value:.4f}  trial {one.number}  {json.dumps(_options(one.params))}")
    tell(f"the best of {finished(study)} trials, {best.value:.4f}, is in {home / 'best.json'}")
    return configuration(search.recipe, options)


def _options(drawn: Mapping[str, Any]) -> dict[str, Any]:
    rank = {"alpha": 2 * drawn["rank"]} if "rank" in drawn else {}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in drawn.items()} | rank


def _told(config: TrainConfig, recipe: str) -> str:
    usual = asdict(configuration(recipe, {}))
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in asdict(config).items()
        if value != usual[name] and name not in ("seed", "epochs")
    )
