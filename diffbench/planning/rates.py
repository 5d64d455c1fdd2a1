"""Rates of this machine: seconds that networks, the closed-form optimum, statistics and start-up take, measured now.

Each is measured at the size it has in the study or, where that would take long, at a smaller one and scaled.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diffbench.conventions import SIGMA_MAX, log_sigmas
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.denoisers.attacks import AttackScores
from diffbench.denoisers.base import BATCH
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.losses import DIMS, Losses
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.measures.battery import memorization_battery
from diffbench.measures.membership_battery import membership_battery
from diffbench.measures.quality_battery import quality_battery
from diffbench.measures.trajectories import Population, References, level_estimates
from diffbench.settings.measures import GapSettings
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.shapes import Float32
from diffbench.stages.denoise import estimates
from diffbench.study.flops import flops_per_image
from diffbench.training.trainer import Trainer

CALL_FLOPS = {"cpu": 1e10, "cuda": 3e13}
"""Floating-point operations of one measured call, at most: a fraction of a second."""
MEASURED_SECONDS = 0.1
"""Per measured rate, after one call that warms up; what takes longer is called once more."""
POINTS_MAXIMUM = 2048
"""Training images of measured statistics; what grows with them is extrapolated."""
QUERIES = 128
START_SECONDS = 0.05
"""Of a job's own process, a fork of one that has imported what it needs, measured on a 2.45 GHz EPYC."""


@dataclass(frozen=True)
class NetworkRates:
    """Seconds of a network on one device."""

    step: float  # of one training step on a whole batch
    image: float  # of one evaluated image
    note: str  # what was measured


@dataclass(frozen=True)
class Line:
    """Seconds that grow with the number of training images n: at + slope n."""

    at: float
    slope: float

    def __call__(self, n: int) -> float:
        """Seconds beside n training images."""
        return self.at + self.slope * n


class Clock:
    """Measures calls: by CPU time per thread, which other load does not change, or on a GPU by waiting for it."""

    def __init__(self, device: torch.device, threads: int) -> None:
        self.device = device
        self.threads = threads

    def now(self) -> float:
        """Seconds, of which differences tell."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time() / self.threads

    def seconds(self, action: Callable[[], Any]) -> float:
        """The median of several calls, after one that warms up."""
        action()
        return self.warm_seconds(action)

    def warm_seconds(self, action: Callable[[], Any]) -> float:
        """The median of several calls of what needs no warming up any more."""
        times: list[float] = []
        while not times or (sum(times) < MEASURED_SECONDS and len(times) < 50):
            start = self.now()
            action()
            times.append(self.now() - start)
        return statistics.median(times)


def network_rates(
    definition: TrainedDefinition, shape: tuple[int, ...], training: TrainingSettings, clock: Clock
) -> NetworkRates:
    """Rates of a network for images of `shape`. Too large a one is measured with one block and scaled by its FLOPs."""
    limit, flops = CALL_FLOPS[clock.device.type], flops_per_image(definition, shape)
    measured, note = definition, ""
    if 3 * flops > limit:
        measured = _shallow(definition)
        note = f"measured with one block, scaled by {flops / flops_per_image(measured, shape):.1f}; "
    cost = flops_per_image(measured, shape)
    together = math.ceil(training.batch / training.accumulation)
    batch, evaluated = (max(1, min(most, int(limit / share / cost))) for most, share in ((together, 3), (BATCH, 1)))
    trainer = Trainer(
        fresh_network(measured, shape, 1, 0, training.dropout).to(clock.device),
        training.model_copy(update={"batch": batch, "accumulation": 1}),
    )
    images = torch.zeros(batch, *shape, device=clock.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=clock.device)
    steps = trainer.run(images, labels, 0, sys.maxsize)
    step = clock.seconds(lambda: next(steps)) * training.batch / batch
    network = trainer.network.eval().requires_grad_(False)
    x, sigma = torch.zeros(evaluated, *shape, device=clock.device), torch.ones(evaluated, device=clock.device)
    image = clock.seconds(lambda: network(x, sigma)) / evaluated
    note += f"steps of {batch} images, evaluations of {evaluated}"
    return NetworkRates(step * flops / cost, image * flops / cost, note)


def _shallow(definition: TrainedDefinition) -> TrainedDefinition:
    match definition:
        case Dit():
            return definition.model_copy(update={"depth": 1})
        case Mlp() | Unet():
            return definition.model_copy(update={"blocks": 1})


def optimum_rate(dimension: int, clock: Clock) -> float:
    """Seconds of the closed-form optimum per evaluated and training image, at noise where all of these carry weight."""
    points = torch.randn(POINTS_MAXIMUM, dimension, device=clock.device)
    labels = torch.zeros(POINTS_MAXIMUM, dtype=torch.int64, device=clock.device)
    optimal, sigma = OptimalDenoiser(points, labels), torch.full((QUERIES,), SIGMA_MAX, device=clock.device)
    return clock.seconds(lambda: optimal(points[:QUERIES], sigma, labels[:QUERIES])) / QUERIES / POINTS_MAXIMUM


def gap_statistics(levels: int, images: tuple[int, int], clock: Clock) -> float:
    """Seconds of a checkpoint's intervals over `levels`, from losses of so many training and validation images."""
    few = min(levels, 4)
    train, validation = (1 + np.random.default_rng(0).random((few, count)) for count in images)
    losses = Losses({"train": train, "validation": 2 * validation}, {"train": train, "validation": validation})
    closed = {"train": train / 2, "validation": validation}
    sigmas = log_sigmas(few, 0.01, 1.0)
    return clock.seconds(lambda: estimates(losses, closed, closed, sigmas)) * levels / few


def attack_statistics(gap: GapSettings, images: tuple[int, int], clock: Clock) -> float:
    """Seconds of what a checkpoint's attacks tell of so many training and validation images."""
    levels = AttackLevels.of(gap)
    classes = {split: np.zeros(count, np.int64) for split, count in zip(DIMS, images, strict=True)}
    scores = {
        name: AttackScores(sigmas, *(1 + np.random.default_rng(0).random((len(sigmas), count)) for count in images))
        for name, sigmas in ({"loss": levels.loss} | levels.by_attack).items()
    }
    return clock.seconds(lambda: membership_battery(scores, classes, seed=0))


def overlap_level(dimension: int, sizes: Iterable[int], points: int, held_out: int, clock: Clock) -> Line:
    """Seconds of the overlap at one noise level of `points` trajectories, beside training sets of these sizes."""

    def at(n: int) -> float:
        train, validation = _images(n, dimension), _images(held_out, dimension)
        zeros = np.zeros(points, np.int64)
        population = Population(_images(points, dimension), _images(points, dimension), zeros)
        populations = {"states": population, "train": population, "validation": population}
        references = References(train, np.zeros(n, np.int64), validation)
        return clock.warm_seconds(lambda: level_estimates(populations, references, 0.5, seed=0))

    return _line(at, sizes)


def memorization_seconds(
    dimension: int, features: int, sizes: Iterable[int], samples: int, held_out: int, clock: Clock
) -> Line:
    """Seconds of the memorization of `samples` images, measured beside training sets of these sizes."""

    def at(n: int) -> float:
        def measure() -> None:
            memorization_battery(_images(samples, dimension), _images(n, dimension), _images(held_out, dimension))
            quality_battery(_images(samples, features), _images(n, features), _images(held_out, features))

        return clock.warm_seconds(measure)

    return _line(at, sizes)


def _images(count: int, dimension: int) -> Float32[np.ndarray, "n d"]:
    return np.random.default_rng(count).standard_normal((count, dimension), np.float32)


def _line(at: Callable[[int], float], sizes: Iterable[int]) -> Line:
    """The line through the smallest and the largest size."""
    measured = sorted({min(size, POINTS_MAXIMUM) for size in sizes})
    at(measured[0])  # warms up
    first, last = at(measured[0]), at(measured[-1])
    slope = max(0.0, (last - first) / (measured[-1] - measured[0])) if len(measured) > 1 else 0.0
    return Line(first - slope * measured[0], slope)
