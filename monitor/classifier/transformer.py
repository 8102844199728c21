"""The transformer in service: device, precision, packing. One code path for CPU and GPU."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer

from monitor.classifier.network import Adapted, load_network
from monitor.classifier.packed import Heads, PackedNetwork
from monitor.classifier.windows import MAX_WINDOWS, Window, batches, cut_passages, runs_of, windows_of
from monitor.encoders import encoder_folder
from monitor.errors import ModelUnavailable, UsageError
from monitor.registry import Manifest, find_model, read_manifest
from monitor.types import Judgement, Passage, Probabilities

CHUNK_CPU, CHUNK_GPU = 1_024, 8_192
"""Passages tokenised at once; of a call with more, each chunk on a thread of its own while the one before is judged.

Most calls are one chunk. Smaller ones would overlap in each, and lose more than they win on the CPU: tokenising takes
2 % of the time, and fewer texts pack worse (512 a call: 732 a second at once, 670 by 256, 632 by 128; 1 December).
"""
BUDGET_CPU, BUDGET_GPU = 1_024, 65_536
"""Tokens of a batch.

On the CPU each core reads batches of its own, on one thread: threads that share a batch wait for one another after each
of its small operations.
"""
PROBE = (256, 384, 1_536)
"""A layer's matrix product, for choosing the precision by measurement."""
PROBES = 20

log = structlog.get_logger()


class Pooled(NamedTuple):
    """Logits of whole passages: the mean of their windows', each weighted by its tokens."""

    topics: np.ndarray
    """(passages, topics)"""
    sentiments: np.ndarray
    """(passages, 3)"""
    companies: dict[tuple[int, int], np.ndarray]
    """(passage, place among its entities) -> (3,)"""


def load_classifier(name: str, data_dir: Path, device: str = "auto") -> TransformerClassifier:
    """The named version, ready. ModelUnavailable where its artefacts are missing or damaged."""
    folder = find_model(name, data_dir)
    manifest = read_manifest(folder)
    encoder = encoder_folder(manifest.encoder, data_dir) if manifest.adapter_scale else None
    return TransformerClassifier(folder, manifest, choose_device(device), encoder)


def read_tokenizer(folder: Path) -> Tokenizer:
    """A version's, or a pretrained encoder's. ModelUnavailable where it is missing or damaged."""
    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises nothing narrower
        raise damaged(folder / "tokenizer.json", error) from error


def damaged(what: Path, error: Exception) -> ModelUnavailable:
    cause = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelUnavailable(f"{what} is damaged ({cause}); install the model again")


def choose_device(wanted: str) -> torch.device:
    """`auto`: a GPU where there is one. UsageError for a device that is not here."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {wanted!r}; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"no device {wanted} here; set TOCSIN_DEVICE=auto or cpu")
    return device


class TransformerClassifier:
    """See protocol.Classifier."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        device: torch.device,
        encoder: Path | None = None,
        *,
        precision: torch.dtype | None = None,
    ) -> None:
        """`encoder` is the pretrained one's folder, for a version that holds only an adapter of it."""
        self.manifest, self._device = manifest, device
        adapted = Adapted(encoder, manifest.adapter_scale) if encoder else None
        self._tokenizer = read_tokenizer(folder)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # a text that says "[SEP]" says so in letters
        try:
            network = load_network(folder, len(manifest.topics), adapted)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise damaged(folder, error) from error
        self.dtype = precision or choose_precision(device)
        self._network = PackedNetwork(network, manifest.max_tokens, device, self.dtype)
        self._budget, self._chunk = (BUDGET_GPU, CHUNK_GPU) if device.type == "cuda" else (BUDGET_CPU, CHUNK_CPU)
        self._lanes = torch.get_num_threads() if device.type == "cpu" else 1

    @property
    def version(self) -> str:
        return self.manifest.version

    def classify(self, passages: Sequence[Passage]) -> list[Judgement]:
        chunks = [passages[start : start + self._chunk] for start in range(0, len(passages), self._chunk)]
        judgements: list[Judgement] = []
        with ThreadPoolExecutor(1, "tokenise") as thread:
            ahead = [thread.submit(self._windows, chunk) for chunk in chunks[:1]]
            for index, chunk in enumerate(chunks):
                windows = ahead.pop().result()
                if index + 1 < len(chunks):  # one ahead and no further: memory is bounded
                    ahead.append(thread.submit(self._windows, chunks[index + 1]))
                judgements += self._judge(chunk, self._pool(chunk, windows))
        return judgements

    def pooled(self, passages: Sequence[Passage]) -> Pooled:
        """What `classify` answers from, before the temperatures: for calibration and evaluation."""
        return self._pool(passages, self._windows(passages))

    def logits(self, windows: Sequence[Window]) -> Iterator[tuple[list[Window], list[np.ndarray]]]:
        """Batches of windows with their (topic, sentiment, company) logits, float32, in no particular order."""
        waiting = self._packed(windows)
        flying: deque[tuple[list[Window], Future[Heads]]] = deque()
        with ThreadPoolExecutor(self._lanes, "forward", self._start_lane) as lanes:
            while waiting or flying:
                while waiting and len(flying) < 2 * self._lanes:  # so many and no more: memory is bounded
                    batch = waiting.pop()
                    flying.append((batch, lanes.submit(self._forward, batch)))
                batch, answer = flying.popleft()
                try:
                    answers = answer.result()
                except torch.OutOfMemoryError:
                    if len(batch) == 1:
                        raise
                    self._halve(batch)
                    waiting = self._packed([*batch, *(window for late in waiting for window in late)])
                    continue
                yield batch, [one.float().cpu().numpy() for one in answers]

    def _packed(self, windows: Sequence[Window]) -> list[list[Window]]:
        """The longest last, where it is taken first."""
        tokens = sum(len(window.tokens) for window in windows)
        share = -(-tokens // self._lanes)  # a few texts are work for all lanes, too
        return list(batches(windows, min(self._budget, share)))[::-1]

    def _halve(self, batch: Sequence[Window]) -> None:
        # Without a floor, so that it always ends; other batches of the old size may fail after this one.
        self._budget = min(self._budget, sum(len(window.tokens) for window in batch) // 2)
        log.warning("out of memory on the device; going on with half the batch", tokens=self._budget)
        torch.cuda.empty_cache()

    def _start_lane(self) -> None:
        if self._device.type == "cpu":
            torch.set_num_threads(1)  # of this lane alone

    def _windows(self, passages: Sequence[Passage]) -> list[Window]:
        windows = windows_of(passages, self._tokenizer, self.manifest.max_tokens)
        self._tell_cut(passages, windows)
        return windows

    def _tell_cut(self, passages: Sequence[Passage], windows: Sequence[Window]) -> None:
        for index in cut_passages(windows):
            text = passages[index].text
            log.warning(
                "a text is longer than the model reads; its end is not judged",
                characters=len(text),
                windows_read=MAX_WINDOWS,
                begins=text[:60],
            )

    @torch.inference_mode()
    def _forward(self, batch: Sequence[Window]) -> Heads:
        tokens = torch.from_numpy(np.concatenate([window.tokens for window in batch])).long()
        answer: Heads = self._network(tokens.to(self._device), runs_of(batch))
        return answer

    def _pool(self, passages: Sequence[Passage], windows: Sequence[Window]) -> Pooled:
        topics = np.zeros((len(passages), len(self.manifest.topics)))
        sentiments = np.zeros((len(passages), 3))
        tokens = np.zeros((len(passages), 1))
        companies: dict[tuple[int, int], np.ndarray] = {}
        for batch, (topic, sentiment, company) in self.logits(windows):
            whole = np.array([row for row, window in enumerate(batch) if window.entity < 0], dtype=int)
            into = np.array([batch[row].passage for row in whole], dtype=int)
            weights = np.array([[len(batch[row].tokens)] for row in whole]).reshape(-1, 1)
            np.add.at(topics, into, weights * topic[whole])
            np.add.at(sentiments, into, weights * sentiment[whole])
            np.add.at(tokens, into, weights)
            for row, window in enumerate(batch):
                if window.entity >= 0:
                    companies[window.passage, window.entity] = company[row].astype(np.float64)
        return Pooled(topics / tokens, sentiments / tokens, companies)

    def _judge(self, passages: Sequence[Passage], pooled: Pooled) -> list[Judgement]:
        of_topic, of_sentiment, of_company = self.manifest.temperatures
        topics = softmax(pooled.topics / of_topic)
        sentiments = softmax(pooled.sentiments / of_sentiment)
        asked = {key: softmax(value / of_company) for key, value in pooled.companies.items()}
        return [
            Judgement(
                self.manifest.topics[int(topics[index].argmax())],
                float(topics[index].max()),
                Probabilities(*map(float, sentiments[index])),
                tuple(Probabilities(*map(float, asked[index, place])) for place in range(len(passage.entities))),
            )
            for index, passage in enumerate(passages)
        ]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    result: np.ndarray = raised / raised.sum(-1, keepdims=True)
    return result


def choose_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes it faster, by measurement; emulated bfloat16 is many times slower."""
    if device.type == "cuda":
        is_computed = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if is_computed else torch.float16
    # In turns, and on one thread: on a busy machine threads wait for one another, and the wait would be measured.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rounds = [(_seconds(torch.bfloat16), _seconds(torch.float32)) for _ in range(PROBES)]
    finally:
        torch.set_num_threads(threads)
    half, full = (min(column) for column in zip(*rounds, strict=True))
    return torch.bfloat16 if half < 0.8 * full else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    rows, inner, columns = PROBE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
    started = time.perf_counter()
    left @ right
    return time.perf_counter() - started
