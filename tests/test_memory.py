"""Memory asked of a scheduler follows from the sizes that decide it."""

from typing import Any

import pytest
import torch

from diffbench.denoisers.base import BATCH
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.dit import Block
from diffbench.denoisers.unet import UnetBlock
from diffbench.planning import memory
from diffbench.planning.memory import Memory, outputs
from diffbench.settings.models import PRESETS, Dit, TrainedDefinition, Unet
from diffbench.study.file import parse_study
from diffbench.study.flops import weights

SHAPE = (1, 28, 28)


@pytest.mark.parametrize(
    "definition",
    [
        PRESETS["unet-small"],
        Unet(channels=16, multipliers=(1, 2, 4), blocks=1),
        Dit(width=32, depth=3, heads=2, patch=4),
    ],
    ids=["small", "three-levels", "dit"],
)
def test_outputs_of_blocks_are_those_of_a_real_network(definition: TrainedDefinition):
    seen: list[int] = []
    network = fresh_network(definition, SHAPE, 1, seed=0)
    for module in network.modules():
        if isinstance(module, UnetBlock | Block):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0].numel()))
    network(torch.zeros(1, *SHAPE), torch.ones(1))
    assert outputs(definition, SHAPE) == sum(seen)


def test_losses_are_evaluated_in_batches_of_the_size_reckoned_with():
    assert memory.EVALUATED == BATCH


def study(**changes: Any):
    fashion = {"name": "t", "steps": [1], "data": {"name": "mnist"}, "center": {"model": "unet-small"}}
    return parse_study(fashion | changes, "t.yaml")


JOB = {"model": "unet-tiny", "train_size": "20000", "granularity": "classes", "seed": "0", "step": "2", "guidance": "0"}
MEASURED = {  # MB in *.cost.json of jobs as a cluster runs them, with 20,000 and with 128 images of 1x28x28
    ("data", "unet-tiny", 20_000): 283.3,
    ("features", "unet-tiny", 20_000): 270.7,
    ("conditions", "unet-tiny", 20_000): 182.8,
    ("train", "unet-tiny", 20_000): 885.5,
    ("train", "mlp-small", 20_000): 404.5,
    ("denoise", "unet-tiny", 20_000): 405.3,
    ("denoise", "mlp-small", 20_000): 396.1,
    ("sample", "unet-tiny", 20_000): 389.1,
    ("sample", "mlp-small", 20_000): 380.1,
    ("memorization", "mlp-small", 20_000): 627.2,
    ("overlap", "mlp-small", 20_000): 557.7,
    ("optimum", "mlp-small", 20_000): 634.4,
    ("conditions", "unet-tiny", 128): 76.7,
    ("train", "unet-tiny", 128): 856.9,
    ("denoise", "unet-tiny", 128): 314.3,
    ("sample", "unet-tiny", 128): 323.9,
    ("memorization", "unet-tiny", 128): 130.1,
    ("overlap", "unet-tiny", 128): 99.3,
    ("optimum", "unet-tiny", 128): 326.5,
}
SNAKEMAKES = 280
"""MB of the processes of a job beside the one that was measured, as `ps` shows them on Slurm."""


@pytest.mark.parametrize(("rule", "model", "size"), MEASURED)
def test_twice_what_was_measured_is_asked_at_most_and_what_was_measured_at_least(rule: str, model: str, size: int):
    asked = Memory(study(data={"name": "fashion-mnist", "validation": 1000}))
    used = MEASURED[rule, model, size]
    factors = JOB | {"model": model, "train_size": str(size)}
    assert used < asked.used(rule, factors)
    assert asked.mb(rule, factors) < 2 * (used + SNAKEMAKES)


def test_memory_grows_with_a_job_s_own_training_set_and_holds_what_was_measured():
    asked = Memory(study())
    small, large = (JOB | {"model": "unet-small", "train_size": size} for size in ("256", "50000"))
    earlier = {"memorization": 900, "overlap": 1000, "optimum": 1300, "denoise": 1447}  # MB, measured with 50,000
    for rule, measured in earlier.items():
        assert measured < asked.mb(rule, large) - SNAKEMAKES < 2 * measured
        assert asked.mb(rule, small) < asked.mb(rule, large) - 250


def test_summary_and_report_of_ten_thousand_cells_get_what_they_took():
    many = study(seeds=list(range(1000)), steps=list(range(1, 11)))
    assert len(many.cells) == 10_000
    for rule, took in {"summary": 467, "report": 665}.items():  # MB by benchmarks/summary.py
        assert took < Memory(many).used(rule, {})
        assert Memory(many).mb(rule, {}) < 2 * (took + SNAKEMAKES)


def test_a_gpu_holds_what_its_network_keeps_itself():
    large = {"models": {"large": {"kind": "unet", "channels": 256, "multipliers": [2, 2], "blocks": 4}}}
    factors = JOB | {"model": "large"}
    on_cpu, on_gpu = (Memory(study(device=device, **large)).mb("train", factors) for device in ("cpu", "cuda"))
    assert on_gpu < on_cpu


def test_accumulation_saves_memory():
    parts = [Memory(study(training={"batch": 1024, "accumulation": n})).mb("train", JOB) for n in (1, 4)]
    assert parts[0] > parts[1]


def test_weights_are_those_of_a_real_network_but_for_biases_and_labels():
    for name in ("mlp-small", "unet-tiny", "dit-tiny"):
        definition = PRESETS[name]
        network = fresh_network(definition, SHAPE, 1, seed=0)  # pyright: ignore[reportArgumentType]
        real = sum(parameter.numel() for parameter in network.parameters())
        assert 0.95 * real < weights(definition, SHAPE) < real  # pyright: ignore[reportArgumentType]
