"""The network in service answers as the network that was trained, whatever way the processor or the GPU goes."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel

from monitor.classifier import attention
from monitor.classifier.attention import answers_right, by_exponent, by_run
from monitor.classifier.fused import FusedLinear, can_fuse
from monitor.classifier.network import Network
from monitor.classifier.packed import PackedEncoder, PackedNetwork, RunByRun
from monitor.classifier.windows import Run

SIZE = {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
RUNS = (Run(3, 40), Run(5, 15), Run(1, 3))
CPU = torch.device("cpu")


def bert() -> nn.Module:
    return BertModel(BertConfig(**SIZE), add_pooling_layer=False)


def mpnet() -> nn.Module:
    return MPNetModel(MPNetConfig(**SIZE), add_pooling_layer=False)


def distilbert() -> nn.Module:
    return DistilBertModel(DistilBertConfig(vocab_size=300, dim=64, n_layers=2, n_heads=4, hidden_dim=96))


def network(encoder: nn.Module) -> Network:
    """With weights as large as trained ones, so that attention is no plain mean."""
    torch.manual_seed(0)
    for parameter in encoder.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.15)
    return Network(encoder, topics=7).eval()


def tokens() -> Tensor:
    return torch.randint(5, 300, (sum(run.tokens for run in RUNS),), generator=torch.Generator().manual_seed(1))


def of_transformers(network: Network, ids: Tensor) -> list[Tensor]:
    """Padded to one rectangle, as in training."""
    rows = [row for part, run in zip(ids.split([r.tokens for r in RUNS]), RUNS, strict=True) for row in part.view(*run)]
    pad = network.encoder.config.pad_token_id  # type: ignore[union-attr]
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return list(network(padded, mask))


def apart(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(ones, others, strict=True))


@pytest.mark.parametrize("build", [bert, mpnet, distilbert])
@torch.inference_mode()
def test_it_answers_as_the_trained_network_does(build) -> None:
    trained, ids = network(build()), tokens()
    known = of_transformers(trained, ids)
    packed = PackedNetwork(copy.deepcopy(trained), 64, CPU, torch.float32)
    assert isinstance(packed._encoder, RunByRun if build is distilbert else PackedEncoder)
    assert apart(packed(ids, RUNS), known) < 1e-5


@pytest.mark.parametrize("build", [bert, mpnet])
@torch.inference_mode()
def test_in_bfloat16_it_answers_nearly_so(build) -> None:
    trained, ids = network(build()), tokens()
    known = of_transformers(trained, ids)
    packed = PackedNetwork(copy.deepcopy(trained), 64, CPU, torch.bfloat16)
    fused = [module for module in packed.modules() if isinstance(module, FusedLinear)]
    assert len(fused) == (8 if can_fuse() else 0)
    assert apart(packed(ids, RUNS), known) < 0.1 * max(float(one.abs().max()) for one in known)


# -- attention


def asked(width: int = 64, size: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return size * torch.randn(sum(run.tokens for run in RUNS), 3 * width, generator=generator)


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_exponents_way_answers_as_pytorchs(with_bias: bool) -> None:
    bias = torch.randn(4, 64, 64) if with_bias else None
    assert torch.allclose(by_exponent(asked(), RUNS, 4, bias), by_run(asked(), RUNS, 4, bias), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_monstrous_scores_give_finite_answers(dtype: torch.dtype) -> None:
    assert by_exponent(asked(size=1e4).to(dtype), RUNS, 4, None).isfinite().all()


def test_variable_lengths_are_used_only_where_they_work_and_answer_right() -> None:
    def right(runs: Sequence[Run]) -> attention.Attend:
        return lambda asked: by_run(asked, runs, 4, None)

    def wrong(runs: Sequence[Run]) -> attention.Attend:
        return lambda asked: by_run(asked, runs, 4, None) + 0.1

    def broken(runs: Sequence[Run]) -> attention.Attend:
        raise RuntimeError(f"no kernel for {len(runs)} runs")

    def exponent(runs: Sequence[Run]) -> attention.Attend:
        return lambda asked: by_exponent(asked, runs, 4, None)

    judged = [answers_right(way, 4, 64, CPU, torch.bfloat16) for way in (right, exponent, wrong, broken)]
    assert judged == [True, True, False, False]


def test_without_a_gpu_the_kernel_of_variable_lengths_is_refused() -> None:
    def varlen(runs: Sequence[Run]) -> attention.Attend:
        return attention.by_varlen(runs, 4, CPU)

    assert not answers_right(varlen, 4, 64, CPU, torch.bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@torch.inference_mode()
def test_on_a_gpu_it_answers_as_on_the_processor() -> None:
    for build in (bert, mpnet):
        trained, ids = network(build()), tokens()
        known = of_transformers(trained, ids)
        packed = PackedNetwork(copy.deepcopy(trained), 64, torch.device("cuda"), torch.bfloat16)
        answers = [one.cpu() for one in packed(ids.cuda(), RUNS)]
        assert apart(answers, known) < 0.1 * max(float(one.abs().max()) for one in known)
