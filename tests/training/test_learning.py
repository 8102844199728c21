"""What learns, what is read, what is lost, and a kill in the middle."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from monitor.classifier.network import Network, encoder_from, save_network
from monitor.entities import load_companies
from monitor.errors import UsageError
from monitor.registry import shipped_folder
from monitor.store.labels import Label, LabelledText
from monitor.types import SENTIMENTS
from tests.training.tiny import write_encoder, write_sets
from training.config import TrainConfig
from training.data import Example, read_examples, split
from training.feed import ABSENT, Collate, Feed, Item
from training.freezing import freeze
from training.make import Lesson, Sources, begin, gather
from training.objective import Objective, class_weights
from training.train import CHECKPOINTS, train

TOKENIZER = Tokenizer.from_file(str(shipped_folder() / "small" / "tokenizer.json"))
TOKENIZER.no_padding()
HOUR = timedelta(hours=1)
CLASSES = {"topic": 2, "sentiment": 3, "company": 3}


def learning(network: Network) -> set[str]:
    return {name for name, value in network.named_parameters() if value.requires_grad}


def test_each_policy_lets_its_part_learn_and_always_the_heads(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "tiny", layers=3)
    found = {}
    for policy in ("head", "top-k", "lora", "full"):
        network = Network(encoder_from(encoder, pretrained=True), 2)
        freeze(network, TrainConfig(freeze=policy, top_layers=1, rank=2))
        found[policy] = learning(network)
        assert {"topic.weight", "sentiment.weight", "company.weight"} <= found[policy]
    assert not any(name.startswith("encoder") for name in found["head"])
    assert {name.split(".")[3] for name in found["top-k"] if name.startswith("encoder")} == {"2"}
    assert all("lora_" in name for name in found["lora"] if name.startswith("encoder"))
    assert any("embeddings" in name for name in found["full"])


def test_a_post_is_read_with_and_without_its_cashtag_and_the_same_way_in_the_same_epoch() -> None:
    items = [Item(Example(f"$ACME - Acme soars in {place}", "sentiment", sentiment=2)) for place in "abcdefghij"]
    feed = Feed(items, TOKENIZER, ["one", "two"], TrainConfig(strip_cashtags=0.5), augment=True)

    def epoch(number: int) -> list[int]:
        feed.epoch = number
        return [len(feed[index]["input_ids"]) for index in range(len(feed))]  # type: ignore[arg-type]

    first = epoch(0)
    assert len(set(first)) == 2, "some with the cashtag, some without"
    assert epoch(0) == first
    assert epoch(1) != first
    plain = Feed(items, TOKENIZER, ["one", "two"], TrainConfig(strip_cashtags=0.5), augment=False)
    assert {len(plain[index]["input_ids"]) for index in range(len(plain))} == {max(first)}  # type: ignore[arg-type]


def test_a_swapped_company_takes_its_place_in_the_text_and_in_the_question() -> None:
    items = [
        Item(Example(f"{name} sinks as Initech rises", "company", company=name, company_sentiment=0))
        for name in ("Acme", "Globex")
    ]
    always = TrainConfig(swap_companies=1.0)
    feed = Feed(items, TOKENIZER, ["one"], always, augment=True)
    seen = {TOKENIZER.decode(row["input_ids"]) for row in (feed[0], feed[1])}  # type: ignore[arg-type]
    assert seen <= {f"[ {name} ] sinks as initech rises {name}" for name in ("acme", "globex")}
    assert all(row["company"] == 0 and row["sentiment"] == ABSENT for row in (feed[0], feed[1]))


def test_the_loss_counts_each_head_s_own_rows_and_is_least_at_the_right_answer() -> None:
    examples = [Example("a", "topic", topic="one"), Example("b", "sentiment", sentiment=2)]
    feed = Feed([Item(one) for one in examples], TOKENIZER, ["one", "two"], TrainConfig(), augment=False)
    batch = Collate(CLASSES)([feed[0], feed[1]])
    objective = Objective(dict.fromkeys(CLASSES), TrainConfig(label_smoothing=0.0))
    unsure = {head: torch.zeros(2, classes) for head, classes in CLASSES.items()}
    assert float(objective(unsure, batch)) == pytest.approx(math.log(2) / 2 + math.log(3) / 2)
    sure = {**unsure, "topic": torch.tensor([[9.0, -9.0], [0.0, 0.0]])}
    assert float(objective(sure, batch)) == pytest.approx(math.log(3) / 2, abs=1e-4)


def test_a_teacher_s_answer_pulls_the_pupil_where_there_is_no_label() -> None:
    soft = {"sentiment": np.array([4.0, 0.0, 0.0], dtype=np.float32)}
    feed = Feed([Item(Example("a", "unlabelled"), soft)], TOKENIZER, ["one", "two"], TrainConfig(), augment=False)
    batch = Collate(CLASSES)([feed[0]])
    objective = Objective(dict.fromkeys(CLASSES), TrainConfig())
    same = {head: torch.zeros(1, classes) for head, classes in CLASSES.items()}
    same["sentiment"] = torch.tensor([[4.0, 0.0, 0.0]])
    assert float(objective(same, batch)) == pytest.approx(0.0, abs=1e-6)
    same["sentiment"] = torch.tensor([[0.0, 4.0, 0.0]])
    assert float(objective(same, batch)) > 0.5


def test_rare_classes_weigh_more_and_the_mean_weight_is_one() -> None:
    examples = [Example("x", "topic", topic="one")] * 9 + [Example("y", "topic", topic="two")]
    weights = class_weights(examples, ["one", "two"], TrainConfig(topic_weight_power=0.5))["topic"]
    assert weights is not None
    assert float(weights[1] / weights[0]) == pytest.approx(3.0)
    assert float(weights.mean()) == pytest.approx(1.0)


RUN = """
import sys, torch
from datetime import UTC, datetime
from pathlib import Path
from training.config import TrainConfig
from monitor.entities import load_companies
from training.make import Sources, make_version
torch.set_num_threads(1)
data, encoder, home, epochs = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
config = TrainConfig(epochs=epochs, batch=8, patience=99)
make_version("v", Sources(data, load_companies()), encoder, home, config, datetime(2026, 11, 24, tzinfo=UTC))
"""


def run(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_killed_training_goes_on_and_ends_with_the_weights_of_an_unkilled_one(tmp_path: Path) -> None:
    write_sets(tmp_path / "data")
    encoder = write_encoder(tmp_path / "tiny")
    arguments = (tmp_path / "data", encoder)
    checkpoints = tmp_path / "killed" / "models" / "v" / "checkpoints"
    first = run(*arguments, tmp_path / "killed", 6)
    ends = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*/trainer_state.json")):
        assert first.poll() is None, first.communicate()[1].decode()
        assert time.monotonic() < ends
        time.sleep(0.05)
    first.kill()
    first.communicate()
    said = b"".join(run(*arguments, tmp_path / "killed", 6).communicate())
    assert b"going on from checkpoint-" in said, said.decode()
    run(*arguments, tmp_path / "whole", 6).communicate()
    one, other = (load_file(tmp_path / home / "models" / "v" / "model.safetensors") for home in ("killed", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_run_killed_while_it_saved_goes_on_from_the_checkpoint_before(tmp_path: Path) -> None:
    from training.train import resumable

    for number, state in ((8, "{}"), (12, '{"epoch": 1.'), (16, None)):
        (half := tmp_path / f"checkpoint-{number}").mkdir()
        (half / "model.safetensors").write_bytes(b"weights")
        if state is not None:
            (half / "trainer_state.json").write_text(state)
    assert resumable(tmp_path, {}) == str(tmp_path / "checkpoint-8")
    assert [one.name for one in tmp_path.glob("checkpoint-*")] == ["checkpoint-8"]


def test_a_batch_too_large_for_the_device_is_told_and_a_lower_one_trains(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "tiny")
    write_sets(tmp_path / "data")
    splits = split(read_examples(tmp_path / "data"))
    items, judged = ([Item(one) for one in splits[name]] for name in ("train", "validation"))
    topics = [f"Topic {kind}" for kind in SENTIMENTS]

    def run(batch: int, watch: Callable[[int, float], None] | None) -> None:
        config = TrainConfig(epochs=1, batch=batch)
        train(begin(encoder, topics, config, tmp_path), TOKENIZER, topics, items, judged, tmp_path, config, str, watch)

    def full(*_: float) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    with pytest.raises(UsageError, match=r"out of memory on the device with 64 texts a batch; .* --set batch=N"):
        run(64, full)
    run(32, None)
    TOKENIZER.no_truncation()


def test_a_whole_version_learns_on_with_the_dropout_that_is_asked_for(tmp_path: Path) -> None:
    folder, topics = write_encoder(tmp_path / "whole"), ["one", "two"]
    save_network(Network(encoder_from(folder, pretrained=True), len(topics)), folder)
    said = {"version": "whole", "topics": topics, "max_tokens": 128, "encoder": {"sha256": ""}}
    temperatures = dict.fromkeys(CLASSES, 1.0)
    (folder / "manifest.json").write_text(json.dumps({**said, "temperatures": temperatures}))
    for asked in (0.0, 0.3):
        network = begin(folder, topics, TrainConfig(encoder_dropout=asked), tmp_path)
        assert {one.p for one in network.encoder.modules() if isinstance(one, torch.nn.Dropout)} == {asked}


def test_checkpoints_of_another_configuration_or_other_data_are_refused(tmp_path: Path) -> None:
    from training.train import resumable

    asked = {"epochs": 3, "topic": "a hash"}
    resumable(tmp_path, {**asked, "batch": 65_536})
    assert resumable(tmp_path, asked) is None, "of a run that left no checkpoint nothing is lost"
    (kept := tmp_path / "checkpoint-8").mkdir()
    (kept / "trainer_state.json").write_text("{}")
    assert resumable(tmp_path, asked) == str(kept)
    for other in ({"epochs": 9, "topic": "a hash"}, {"epochs": 3, "topic": "another"}):
        with pytest.raises(UsageError, match="of a run with another configuration or from other data"):
            resumable(tmp_path, other)


def test_a_killed_training_goes_on_with_the_labels_that_it_began_with(tmp_path: Path) -> None:
    write_sets(tmp_path / "data")
    then = datetime(2026, 11, 24, 9, tzinfo=UTC)
    said = [
        LabelledText(
            Label(article=title, task="company", value="negative", company="ACME", who="ann", at=then + n * HOUR),
            title,
            "",
            "Acme",
        )
        for n, title in enumerate(("Acme recalls every toaster it made since May", "A judge fines Acme for false ads"))
    ]

    def gathered(count: int) -> Lesson:
        sources = Sources(tmp_path / "data", load_companies(), said[:count])
        return gather(sources, TrainConfig(), tmp_path / "out", tell=lambda _: None)

    first = gathered(1)
    assert first.persons == {"labels": 1, "until": "2026-11-24T09:00:00+00:00"}
    assert gathered(2) == first, "what was said meanwhile is for the next training"
    shutil.rmtree(tmp_path / "out" / CHECKPOINTS)
    assert gathered(2).persons["labels"] == 2


def test_a_headline_of_one_opinion_and_a_post_on_one_company_are_examples_of_the_other_task_too() -> None:
    from training.transfer import TRANSFERRED, transferred

    examples = [
        Example("Infosys and Wipro slump", "company", company="Infosys", company_sentiment=0),
        Example("Infosys and Wipro slump", "company", company="Wipro", company_sentiment=0),
        Example("Infosys gains as Wipro slumps", "company", company="Infosys", company_sentiment=2),
        Example("Infosys gains as Wipro slumps", "company", company="Wipro", company_sentiment=0),
        Example("Microsoft jumps after results", "sentiment", sentiment=2),
        Example("Microsoft overtakes Alphabet", "sentiment", sentiment=2),
        Example("Stocks sink", "sentiment", sentiment=0),
        Example("Microsoft hires a chairman", "topic", topic="Personnel Change"),
    ]
    assert transferred(examples, load_companies()) == [
        Example("Infosys and Wipro slump", TRANSFERRED, sentiment=0),
        Example("Microsoft jumps after results", TRANSFERRED, company="Microsoft", company_sentiment=2),
    ]
