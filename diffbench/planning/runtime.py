"""Minutes that jobs ask of a scheduler, from what they have to do: operations over rates that a slow machine reaches.

Nothing is measured, so that it costs a run nothing; `diffbench plan` measures this machine, which may be none of the
cluster's. Rates are those of one core of a 2.45 GHz EPYC, rounded down; the study's `runtime_factor` is a site's own.
"""

import math
from collections.abc import Mapping
from functools import cached_property, lru_cache

from diffbench.data.catalog import facts
from diffbench.planning.memory import pictured_values
from diffbench.settings.granularity import Granularity
from diffbench.settings.models import TrainedDefinition
from diffbench.study.evaluations import OPTIMA, Evaluations
from diffbench.study.flops import flops_per_image
from diffbench.study.grid import Checkpoint
from diffbench.study.study import Study

MINUTES_LEAST = 10.0
"""Of the smallest job: twice the start of Snakemake, and that of Python and torch, from a slow shared file system."""
MARGIN = 3.0
"""Times as long as reckoned: for machines and moments slower than those that rates were measured in."""
BATCH_MARGIN = 2.0
"""The same of a batch: one that its time ends goes on at its second try, and of many jobs not all are slow."""

CPU_RATE = 3e10
"""Floating-point operations per second of networks on one core: 3e10 of a small MLP's steps to 8e10 of a U-Net."""
GPU_RATES = {"fp32": 1e13, "bf16": 5e13}
"""The same on a GPU, by precision of training; not measured, and less than half of what an A100 is made for."""
CALL = 1e-3
"""Seconds of a call of a network, however small."""
OPTIMUM_RATE = 1.5e10
"""Of the closed-form optimum, which does four operations per value of a training image."""
PER_PAIR, PER_VALUE = 6e-8, 2e-10
"""Seconds of statistics per pair of images, and per value of a pair."""
PER_IMAGE = 1e-6
"""Seconds of reading and of features, per value of an image."""
ENCODER = 1e10
"""Operations of an encoder of the user's own for one image: an Inception network does about as many."""
DECODER = 6e11
"""The same of a decoder for one latent: an autoencoder does about as many for 256x256 pixels."""
CLUSTERED, ROUNDS = 20_000, 300
"""Images that k-means clusters at most (data/conditions.py), and rounds of all its starts, of which it needs fewer."""
PER_CELL = 0.1
"""Seconds of summary and report per cell."""
PER_LOSS = 1e-4
"""Seconds of a checkpoint's intervals per level and image."""
TOPIC = 120.0
"""Seconds of a topic of the 2D laboratory."""


class Runtime:
    """Minutes of each job of a study."""

    def __init__(self, study: Study) -> None:
        self._study, self._facts = study, facts(study.data)
        self._dimension = math.prod(self._facts.shape)
        self._counts = Evaluations(study, self._facts, self._dimension)
        self._image = lru_cache(maxsize=None)(self._seconds_per_image)

    def minutes(self, rule: str, factors: Mapping[str, str]) -> int:
        """Of a job of a rule, asked for with its wildcards, by the site's factor."""
        return self._asked(MARGIN * self.seconds(rule, factors))

    def minutes_of_batch(self, seconds: float) -> int:
        """Of a batch whose jobs take so many seconds, as reckoned."""
        return self._asked(BATCH_MARGIN * seconds)

    def fitting(self, minutes: float) -> float:
        """Seconds of a batch that asks for no more than so many minutes; below 0 if none does."""
        return 60 * (minutes / self._study.runtime_factor - MINUTES_LEAST) / BATCH_MARGIN

    def _asked(self, seconds: float) -> int:
        return math.ceil(self._study.runtime_factor * (MINUTES_LEAST + seconds / 60))

    def seconds(self, rule: str, factors: Mapping[str, str]) -> float:
        """What a job of a rule has to do, at the rates above."""
        reckoned = getattr(self, f"_{rule}", None)
        return 0.0 if reckoned is None else reckoned(factors)

    def _data(self, _: Mapping[str, str]) -> float:
        images = self._facts.pool + self._study.data.validation
        return PER_IMAGE * images * self._dimension + self._pairs(self._study.data.validation * images)

    def _features(self, _: Mapping[str, str]) -> float:
        images = self._facts.pool + self._study.data.validation
        encoded = images * ENCODER / CPU_RATE if self._study.measures.quality.encoder else 0.0
        return encoded + PER_IMAGE * images * self._dimension

    def _pixels(self, _: Mapping[str, str]) -> float:
        return self._decoded(self._facts.pool + self._study.data.validation)

    def _decode(self, _: Mapping[str, str]) -> float:
        return self._decoded(self._study.sampling.samples)

    def _decoded(self, latents: int) -> float:
        return latents * DECODER / (GPU_RATES["fp32"] if self._study.device == "cuda" else CPU_RATE)

    def _conditions(self, factors: Mapping[str, str]) -> float:
        granularity, images = Granularity.parse(factors["granularity"]), min(int(factors["train_size"]), CLUSTERED)
        clusters = granularity.count if granularity.kind == "kmeans" else 0
        clustered = math.prod(self._facts.conditions or self._facts.shape)
        return 2 * ROUNDS * images * clusters * clustered / OPTIMUM_RATE

    def _train(self, factors: Mapping[str, str]) -> float:
        """From its first step: a run's state is not kept where that took no two minutes, and may be damaged."""
        definition, training = self._study.definition(factors["model"]), self._study.training
        assert isinstance(definition, TrainedDefinition)
        operations = 3 * training.batch * flops_per_image(definition, self._facts.shape)
        return int(factors["step"]) * (CALL * training.accumulation + operations / self._rate(training.precision))

    def _optimum(self, factors: Mapping[str, str]) -> float:
        return self._optima(self._counts.of_the_optimum(int(factors["train_size"])))

    def _denoise(self, factors: Mapping[str, str]) -> float:
        size, gap = int(factors["train_size"]), self._study.measures.gap
        statistics = PER_LOSS * gap.levels * sum(self._counts.of_splits(size))
        return statistics + self._counts.measured(size) * self._image(Checkpoint.of(factors))

    def _sample(self, factors: Mapping[str, str]) -> float:
        checkpoint, guidance = Checkpoint.of(factors), self._study.guidances[factors["guidance"]]
        guide = self._image(self._study.guide(checkpoint, guidance)) if guidance.weight else 0.0
        return self._counts.sampled() * (self._image(checkpoint) + guide)

    def _memorization(self, factors: Mapping[str, str]) -> float:
        size = int(factors["train_size"])
        count = size * (size + self._study.sampling.samples + self._counts.held_out(size))
        pictured = pictured_values(self._facts.shape) if self._study.decoded_kinds else 0
        return self._pairs(count) + count * PER_VALUE * pictured

    def _consistency(self, factors: Mapping[str, str]) -> float:
        return self._pairs(2 * int(factors["train_size"]) * self._study.sampling.samples)

    def _overlap(self, factors: Mapping[str, str]) -> float:
        sampling, size = self._study.sampling, int(factors["train_size"])
        populations = 3 * sampling.trajectories
        return sampling.steps * self._pairs(populations * (size + self._counts.held_out(size)))

    def _lab(self, _: Mapping[str, str]) -> float:
        return TOPIC

    def _summary(self, _: Mapping[str, str]) -> float:
        return PER_CELL * len(self._study.cells)

    _report = _summary

    def _pairs(self, count: int) -> float:
        """Seconds of statistics of so many pairs of images."""
        return count * (PER_PAIR + PER_VALUE * self._dimension)

    def _optima(self, count: int) -> float:
        """Seconds of so many pairs of an evaluated and a training image."""
        rate = GPU_RATES["fp32"] if self._study.device == "cuda" else OPTIMUM_RATE
        return count * 4 * self._dimension / rate

    def _seconds_per_image(self, checkpoint: Checkpoint) -> float:
        """Seconds per evaluated image: 0 for what is neither network nor closed form."""
        definition = self._study.definition(checkpoint.run.model)
        if isinstance(definition, TrainedDefinition):
            return flops_per_image(definition, self._facts.shape) / self._rate("fp32")
        return OPTIMA.get(definition.kind, 0) * self._optima(checkpoint.run.train_size)

    def _rate(self, precision: str) -> float:
        """Of networks: on a GPU where the study asks for one; of more threads half of the rest is lost."""
        return GPU_RATES[precision] if self._study.device == "cuda" else CPU_RATE * self._threads

    @cached_property
    def _threads(self) -> float:
        return (1 + self._study.threads) / 2
