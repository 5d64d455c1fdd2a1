"""Memory asked of a scheduler follows from the sizes that decide it."""

import math
from typing import Any

import pytest
import torch

from diffbench.denoisers.base import BATCH
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.dit import Block
from diffbench.denoisers.unet import UnetBlock
from diffbench.planning import memory
from diffbench.planning.memory import memory_mb, network_memory_mb, outputs
from diffbench.settings.models import PRESETS, Dit, TrainedDefinition, Unet
from diffbench.study.file import parse_study

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


def test_memory_grows_with_the_largest_training_set_and_holds_what_was_measured():
    small, large = (study(training={"batch": 64}, sweeps=[{"train_size": [n]}]) for n in (256, 50_000))
    copies = 20 * (50_000 - 256) * math.prod(SHAPE) / 1e6
    gram = 32 * (math.prod(SHAPE) ** 2 - 256**2) / 1e6
    assert memory_mb(large) - memory_mb(small) == pytest.approx(copies + gram, abs=2)
    assert 1447 < network_memory_mb(large) < 2 * 1447  # MB of unet-small's losses, measured
    assert memory_mb(small) < 1100


def test_a_gpu_holds_what_its_network_keeps_itself():
    assert network_memory_mb(study(device="cuda")) == memory_mb(study())
    assert network_memory_mb(study()) > memory_mb(study())


def test_accumulation_saves_memory():
    parts = [network_memory_mb(study(training={"batch": 1024, "accumulation": n})) for n in (1, 4)]
    assert parts[0] > parts[1]
