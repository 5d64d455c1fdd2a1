"""What a study costs, stage by stage: counts that the study implies times rates that are measured on this machine."""

import math
from collections import defaultdict
from dataclasses import dataclass

import torch

from diffbench.data.catalog import facts
from diffbench.data.preview import Told
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.devices import pick_device
from diffbench.planning.jobs import jobs
from diffbench.planning.rates import (
    START_SECONDS,
    Clock,
    NetworkRates,
    attack_statistics,
    gap_statistics,
    memorization_seconds,
    network_rates,
    optimum_rate,
    overlap_level,
)
from diffbench.settings.guidance import Guidance
from diffbench.settings.models import TrainedDefinition
from diffbench.settings.sampling import SamplingSettings
from diffbench.study.evaluations import OPTIMA, Evaluations, acting, levels_of
from diffbench.study.grid import Checkpoint
from diffbench.study.study import Study

STATISTICS = ("optimum", "intervals", "overlap", "memorization")
"""What is measured beside networks."""

# Seconds of what no rate tells, measured on the default and the smoke study on a 2.45 GHz EPYC.
START = 5.0
"""Of Snakemake's own start and of data and conditions, before all else."""
PER_JOB = 0.1
"""Of Snakemake, of the shell, and of reading and writing files."""
PER_TOPIC = 2.3
"""Of a topic of the 2D laboratory, on average."""
FEATURES = 1.0
"""Of fitting the feature space."""
SUMMARY, PER_CELL = 6.0, 0.08
"""Of summary and report, after all else: for all, and for each cell."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds by stage, those of what nothing runs beside, at start and end, and how networks were measured."""

    stages: dict[str, float]
    alone: float
    notes: dict[str, str]

    @property
    def total(self) -> float:
        """CPU seconds of the whole study."""
        return sum(self.stages.values()) + self.alone

    def wall(self, cores: int) -> float:
        """Seconds on so many cores."""
        return sum(self.stages.values()) / cores + self.alone


def cost(study: Study, told: Told = lambda *_: None) -> Cost:
    """Measure and add up. Takes seconds, more for each model; reads no data."""
    threads, device = torch.get_num_threads(), pick_device(study.device if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(study.threads)
    try:
        return _Estimate(study, Clock(device, study.threads), told).cost()
    finally:
        torch.set_num_threads(threads)


def guided_share(guidance: Guidance, sampling: SamplingSettings) -> float:
    """The part of the sampler's noise levels at which a cell's guide is evaluated."""
    return acting(guidance, levels_of(sampling)) / sampling.steps


class _Estimate:
    def __init__(self, study: Study, clock: Clock, told: Told) -> None:
        self.study, self.clock, self.facts = study, clock, facts(study.data)
        self.dimension = math.prod(self.facts.shape)
        attacks = AttackLevels.of(study.measures.gap).evaluations
        self.evaluations = Evaluations(study, self.facts, self.dimension, attacks)
        models = {model: study.definition(model) for model in sorted({run.model for run in study.milestones})}
        trained = {model: each for model, each in models.items() if isinstance(each, TrainedDefinition)}
        self._told, self._to_measure = told, [*trained, *STATISTICS]
        self.networks: dict[str, NetworkRates] = {}
        for model, definition in trained.items():
            self._tell(model)
            self.networks[model] = network_rates(definition, self.facts.shape, study.training_of(model), clock)
        self._tell("optimum")
        self.optimum = optimum_rate(self.dimension, clock)

    def _tell(self, name: str) -> None:
        self._told(name, self._to_measure.index(name), len(self._to_measure))

    def cost(self) -> Cost:
        study, seconds = self.study, defaultdict[str, float](float)
        cells = [*study.cells, *study.paired_cells]  # a twin's cells cost what its run's do
        paired = {cell.checkpoint for cell in study.paired_cells} | study.guides_of(study.paired_cells)
        for run, milestones in study.milestones.items():
            if run.model in self.networks:
                twins = run in {checkpoint.run for checkpoint in paired}
                seconds["train"] += milestones[-1] * self.networks[run.model].step * (1 + twins)
        for checkpoint in study.checkpoints:
            size = checkpoint.run.train_size
            seconds["denoise"] += self.evaluations.measured(size) * self._image(checkpoint)
        for cell in cells:
            guide = self._image(study.guide(cell.checkpoint, cell.guidance)) * guided_share(
                cell.guidance, study.sampling
            )
            seconds["sample"] += self.evaluations.sampled() * (self._image(cell.checkpoint) + guide)
        for size, _ in {(run.train_size, run.granularity) for run in study.runs}:
            seconds["optimum"] += self.evaluations.of_the_optimum(size) * self.optimum
        self._add_statistics(seconds)
        self._add_processes(seconds)
        return Cost(
            dict(seconds),
            START + SUMMARY + PER_CELL * len(study.cells),
            {name: rates.note for name, rates in self.networks.items()},
        )

    def _image(self, checkpoint: Checkpoint) -> float:
        """Seconds per evaluated image: 0 for what is neither network nor closed form."""
        model = checkpoint.run.model
        if model in self.networks:
            return self.networks[model].image
        return OPTIMA.get(self.study.definition(model).kind, 0) * self.optimum * checkpoint.run.train_size

    def _add_statistics(self, seconds: dict[str, float]) -> None:
        study, sizes = self.study, {run.train_size for run in self.study.runs}
        held_out, sampling = self.evaluations.held_out(max(sizes)), study.sampling
        images = (min(study.measures.gap.images, max(sizes)), min(study.measures.gap.images, held_out))
        self._tell("intervals")
        intervals = gap_statistics(study.measures.gap.levels, images, self.clock)
        intervals += attack_statistics(study.measures.gap, images, self.clock)
        self._tell("overlap")
        overlap = overlap_level(self.dimension, sizes, sampling.trajectories, held_out, self.clock)
        self._tell("memorization")
        features = min(study.measures.quality.dimensions, self.dimension)
        memorization = memorization_seconds(self.dimension, features, sizes, sampling.samples, held_out, self.clock)
        seconds["denoise"] += intervals * sum(study.denoises(checkpoint.run.model) for checkpoint in study.checkpoints)
        for cell in study.cells:
            seconds["memorization"] += memorization(cell.checkpoint.run.train_size)
            if study.denoises(cell.checkpoint.run.model):
                seconds["overlap"] += sampling.steps * overlap(cell.checkpoint.run.train_size)

    def _add_processes(self, seconds: dict[str, float]) -> None:
        counted = jobs(self.study)
        for stage, count in counted.items():
            seconds[stage] += count * (START_SECONDS + PER_JOB)
        seconds["lab"] += PER_TOPIC * counted["lab"]
        seconds["features"] += FEATURES
