"""A search on written sentences: it goes on where it stopped, ends what lags, and compares only what is comparable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch

from monitor.errors import UsageError
from tests.training.tiny import write_encoder, write_sets
from training.data import read_examples, split
from training.tune import BEFORE, Search, open_study, sampled, tune


@pytest.fixture
def search(tmp_path: Path) -> Search:
    torch.set_num_threads(1)
    write_sets(tmp_path / "data")
    encoder = write_encoder(tmp_path / "encoders" / "tiny")
    return Search("small", tmp_path / "data", encoder, epochs=1, share=0.3)


def log_of(tmp_path: Path) -> Path:
    return tmp_path / "tune" / "small" / "trials.log"


def test_a_search_goes_on_where_it_was_killed_with_the_very_trial(search: Search, tmp_path: Path) -> None:
    told: list[str] = []

    def dies(line: str) -> None:
        if line.startswith("trial 2"):
            raise KeyboardInterrupt
        told.append(line)

    with pytest.raises(KeyboardInterrupt):
        tune(search, 3, tmp_path, dies)
    killed = [
        one.system_attrs["fixed_params"]
        for one in open_study(log_of(tmp_path), search).get_trials()
        if one.state.name == "WAITING"
    ]
    assert len(killed) == 1
    again: list[str] = []
    best = tune(search, 3, tmp_path, again.append)
    assert [line[:12] for line in again if line.startswith("trial ")] == ["trial 2 of 3", "trial 3 of 3"]
    study = open_study(log_of(tmp_path), search)
    done = [one for one in study.get_trials() if one.state.name == "COMPLETE"]
    assert [one.params for one in done][1] == killed[0]
    said = json.loads((tmp_path / "tune" / "small" / "best.json").read_text())
    assert said["score"] == max(one.value for one in done if one.value is not None)
    assert best.batch == said["batch"]
    assert sorted(path.name for path in (tmp_path / "tune" / "small").iterdir()) == ["best.json", "trials.log"]
    assert not [line for line in tuned_again(search, tmp_path) if line.startswith("trial ")], "three are done"


def tuned_again(search: Search, tmp_path: Path) -> list[str]:
    told: list[str] = []
    tune(search, 3, tmp_path, told.append)
    return told


def test_a_trial_that_lags_the_median_is_ended_early_and_leaves_nothing(search: Search, tmp_path: Path) -> None:
    log_of(tmp_path).parent.mkdir(parents=True)
    study = open_study(log_of(tmp_path), search)
    for _ in range(5):
        study.add_trial(optuna.trial.create_trial(value=1.1, intermediate_values={1: 1.1}))
    told: list[str] = []
    tune(search, 6, tmp_path, told.append)
    assert "ended early: below the median" in told
    assert sorted(path.name for path in log_of(tmp_path).parent.iterdir()) == ["best.json", "trials.log"]


def test_scores_from_before_a_kill_count(search: Search, tmp_path: Path) -> None:
    log_of(tmp_path).parent.mkdir(parents=True)
    study = open_study(log_of(tmp_path), search)
    killed = study.ask()
    killed.suggest_float("head_rate", 2e-4, 5e-3, log=True)
    killed.report(0.7, 1)
    waiting = [one for one in open_study(log_of(tmp_path), search).get_trials() if one.state.name == "WAITING"]
    assert waiting[0].user_attrs[BEFORE] == [0.7]
    again = study.ask()
    again.suggest_float("head_rate", 2e-4, 5e-3, log=True)
    again.report(0.8, 1)
    waiting = [one for one in open_study(log_of(tmp_path), search).get_trials() if one.state.name == "WAITING"]
    assert waiting[0].user_attrs[BEFORE] == [0.7, 0.8], "a second kill forgets what came before the first"


def test_a_search_that_is_gone_on_with_draws_no_trial_again(search: Search, tmp_path: Path) -> None:
    log_of(tmp_path).parent.mkdir(parents=True)
    drawn = []
    for _ in range(3):
        study = open_study(log_of(tmp_path), search)
        trial = study.ask()
        drawn.append(trial.suggest_float("head_rate", 2e-4, 5e-3, log=True))
        study.tell(trial, 0.5)
    assert len(set(drawn)) == 3


def test_another_search_in_the_same_file_is_refused(search: Search, tmp_path: Path) -> None:
    log_of(tmp_path).parent.mkdir(parents=True)
    open_study(log_of(tmp_path), search)
    with pytest.raises(UsageError, match="remove it or use them"):
        open_study(log_of(tmp_path), replace(search, share=0.5))
    with pytest.raises(UsageError, match="no recipe"):
        tune(replace(search, recipe="huge"), 1, tmp_path)


def test_a_share_is_the_same_at_every_call_and_holds_every_topic(search: Search) -> None:
    everything = split(read_examples(search.data))["train"]
    some = sampled(everything, replace(search, share=0.05))
    assert some == sampled(everything, replace(search, share=0.05))
    assert {one.topic for one in some} == {one.topic for one in everything}
    assert len(some) == round(0.05 * len(everything))
