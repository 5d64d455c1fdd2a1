"""What jobs do by the protocol, against the calls of real networks and torch's own count of their operations."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from diffbench.data.raw_images import Facts
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.denoisers.attacks import scores_of_splits
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.guidance import Guided
from diffbench.denoisers.jacobian import IMAGES, SIGMA, jacobians, jacobians_of_splits
from diffbench.denoisers.losses import losses_of_splits
from diffbench.denoisers.references import at_pixels
from diffbench.files.store import StageHeader
from diffbench.measures.pictured import pictured
from diffbench.report.tables.work import Protocol, Work
from diffbench.settings.guidance import Guidance
from diffbench.settings.models import PRESETS, Dit, TrainedDefinition, Unet
from diffbench.stages.sample import draw, neighbor_predictions, noised_predictions, sample_labels
from diffbench.study.evaluations import PROBED_AT, Evaluations, levels_of
from diffbench.study.file import parse_study
from diffbench.study.flops import training_flops_per_image
from diffbench.study.study import Study
from tests.test_skill import training_set

CPU = torch.device("cpu")
IMAGES_SHAPE = training_set(2).shape


class Counting:
    """A denoiser that counts the images it is asked about."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        self.images += len(x)
        return x / (1 + sigma.view(-1, *[1] * (x.ndim - 1)))


def study_of(**changes: Any) -> Study:
    raw = {"name": "s", "data": {"name": "digits", "validation": 200}, "seeds": [0], "steps": [10, 30]}
    raw |= {"center": {"model": "mlp-small", "train_size": 30}, "training": {"batch": 16}}
    return parse_study(raw | changes, "s.yaml")


def counts_of(study: Study) -> Evaluations:
    attacks = AttackLevels.of(study.measures.gap).evaluations
    return Evaluations(study, Facts(0, 0, IMAGES_SHAPE), math.prod(IMAGES_SHAPE), attacks)


@pytest.mark.parametrize("solver", ["heun", "euler", "dpmpp-2m"])
@pytest.mark.parametrize(
    "guidance",
    [Guidance(weight=0.0), Guidance(weight=1.0), Guidance(weight=1.0, interval=(0.1, 2.0))],
    ids=lambda guidance: guidance.label,
)
def test_sampling_evaluates_as_often_as_counted(solver: str, guidance: Guidance) -> None:
    study = study_of(sampling={"solver": solver, "steps": 7, "samples": 20, "trajectories": 6})
    settings, data = study.sampling, training_set(30)
    own, guide = Counting(), Counting()
    denoiser = Batched(Guided(own, guide, guidance.weight, guidance.interval))
    labels = sample_labels(data, settings.samples)
    recorded = draw(denoiser, IMAGES_SHAPE, levels_of(settings), labels, settings, CPU)
    samples = recorded.samples
    cell = SimpleNamespace(checkpoint=study.cells[0].checkpoint, guidance=guidance)
    drawn = protocol_of(study).drawn(cell)  # pyright: ignore[reportArgumentType] (a cell of any guidance)
    assert own.images + guide.images == settings.samples * drawn.evaluations
    assert drawn.flops == drawn.evaluations * 1000.0

    noised_predictions(denoiser, data, levels_of(settings), settings.trajectories, CPU)
    chosen = pictured(levels_of(settings), recorded.state, samples[: settings.trajectories], data)
    assert chosen
    neighbor_predictions(denoiser, data, levels_of(settings), chosen, CPU)
    jacobians(denoiser, samples[:IMAGES], labels[:IMAGES], "samples", CPU)
    assert own.images == counts_of(study).sampled()
    assert guide.images == counts_of(study).guided(guidance)
    assert PROBED_AT == SIGMA


def test_measuring_a_checkpoint_evaluates_as_often_as_counted() -> None:
    study = study_of(measures={"gap": {"levels": 9, "images": 25, "noises": 2}})
    gap, data, own = study.measures.gap, training_set(30), Counting()
    losses = losses_of_splits(own, data, gap, CPU)
    jacobians_of_splits(own, data, gap.images, CPU)
    at_pixels(own, data, gap, CPU)
    scores_of_splits(own, data, losses, gap, CPU)
    assert own.images == counts_of(study).measured(30)


@pytest.mark.parametrize(
    ("definition", "shape"),
    [
        (PRESETS["mlp-small"], (1, 8, 8)),
        (Unet(channels=16, multipliers=(1, 2), blocks=2, attention_levels=1), (3, 8, 8)),
        (Dit(width=32, depth=2, heads=2, patch=4), (3, 16, 16)),
    ],
    ids=["mlp", "unet", "dit"],
)
def test_operations_of_training_are_those_that_torch_counts(
    definition: TrainedDefinition, shape: tuple[int, ...]
) -> None:
    network, counter = fresh_network(definition, shape, 3, 0).train(), FlopCounterMode(display=False)
    x, label = torch.randn(2, *shape), torch.tensor([0, 3])
    with counter, sdpa_kernel(SDPBackend.MATH):  # fused attention on a CPU is not counted
        network(x, torch.ones(2), label).sum().backward()
    assert counter.get_total_flops() == 2 * training_flops_per_image(definition, shape)


def protocol_of(study: Study, shape: tuple[int, ...] = (1, 8, 8)) -> Protocol:
    """Of a study whose data file and models are known: every network takes 1,000 operations."""
    models = pd.DataFrame({"model": ["mlp-small", "optimal"], "flops_per_image": [1000, 0]})
    pool = SimpleNamespace(shape=(100, *shape))
    header = StageHeader(Path(), {"pool": pool, "validation": pool}, {})  # pyright: ignore[reportArgumentType]
    reader = SimpleNamespace(header=lambda kind, factors: header)
    results = SimpleNamespace(study=study, reader=reader, table=lambda name: models)
    return Protocol(results)  # pyright: ignore[reportArgumentType] (as much of results as is asked for)


def test_jobs_are_named_and_each_trains_from_the_milestone_before() -> None:
    protocol = protocol_of(study_of(sweeps=[{"model": ["optimal"]}], pairs=True))
    each = training_flops_per_image(PRESETS["mlp-small"], (1, 8, 8))  # pyright: ignore[reportArgumentType]
    run = "mlp-small/n30/classes/seed0"
    assert protocol.jobs[f"{run}/step10/train"] == Work(160, 160, 160.0 * each)
    assert protocol.jobs[f"{run}/step30/train"] == Work(320, 320, 320.0 * each)
    assert protocol.trained(protocol.study.checkpoints[1]).images == 480
    twin = "mlp-small/n30/classes-twin/seed0"
    for job in ("step10/train", "step30/train", "step30/w0/sample"):
        assert protocol.jobs[f"{twin}/{job}"] == protocol.jobs[f"{run}/{job}"]
    assert not [name for name in protocol.jobs if name.startswith("optimal")], "a closed form has no network"
    assert protocol.jobs[f"{run}/step10/denoise"].images == 30 + 200
