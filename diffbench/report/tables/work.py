"""What jobs do by the protocol of their study: images, evaluations of networks, operations.

No stage records them; they follow from its settings alone, and tests hold them to the calls of real networks.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from diffbench.conventions import DiffbenchError
from diffbench.data.raw_images import Facts
from diffbench.denoisers.attack_levels import AttackLevels
from diffbench.report.tables.results import Results
from diffbench.settings.granularity import TWIN
from diffbench.settings.models import External, TrainedDefinition
from diffbench.study import layout
from diffbench.study.evaluations import Evaluations, acting, solver_levels
from diffbench.study.flops import training_flops_per_image
from diffbench.study.grid import Cell, Checkpoint


@dataclass(frozen=True)
class Work:
    """Of a job, or of a part of one."""

    images: int  # trained on, drawn or measured, as the stage has it
    evaluations: int  # of networks, each of one image: a guide's too, a training step's forward and backward as one
    flops: float  # a multiply-add as two; nan where a network's could not be counted

    def __add__(self, other: "Work") -> "Work":
        return Work(self.images + other.images, self.evaluations + other.evaluations, self.flops + other.flops)


NOTHING = Work(0, 0, 0.0)


class Protocol:
    """Counts of a study's jobs. What has no network, such as a closed form, does none of what is counted here."""

    def __init__(self, results: Results) -> None:
        self.study, self._results = results.study, results
        sizes = results.table("models")
        self._forward = dict(zip(sizes["model"], sizes["flops_per_image"].astype(float), strict=True))

    @cached_property
    def jobs(self) -> Mapping[str, Work]:
        """Of each job of training, denoising and sampling by its name, if it has a network and the images are known."""
        return dict(self._jobs())

    def trained(self, checkpoint: Checkpoint, since: int = 0) -> Work:
        """Training from the step `since` to a checkpoint."""
        run = checkpoint.run
        definition = self.study.definition(run.model)
        if not isinstance(definition, TrainedDefinition):
            return NOTHING
        images = self.study.training_of(run.model).batch * (checkpoint.step - since)
        each = training_flops_per_image(definition, self._facts.shape) if self._facts else math.nan
        return Work(images, images, float(images * each))

    def drawn(self, cell: Cell) -> Work:
        """One sample of a cell."""
        levels = solver_levels(self.study.sampling)
        own = self._evaluated(cell.checkpoint, len(levels))
        return replace(own + self._evaluated(self._guide(cell), acting(cell.guidance, levels)), images=1)

    def has_network(self, model: str) -> bool:
        """Whether a model is a network, rather than a closed form or planted samples."""
        return isinstance(self.study.definition(model), TrainedDefinition | External)

    def _sampled(self, cell: Cell, counts: Evaluations) -> Work:
        """The job that draws the samples of a cell, and evaluates the network for its other measures."""
        own = self._evaluated(cell.checkpoint, counts.sampled())
        guide = self._evaluated(self._guide(cell), counts.guided(cell.guidance))
        return replace(own + guide, images=self.study.sampling.samples)

    def _denoised(self, checkpoint: Checkpoint, counts: Evaluations) -> Work:
        """The job that measures a checkpoint without samples."""
        size = checkpoint.run.train_size
        work = self._evaluated(checkpoint, counts.measured(size))
        return replace(work, images=sum(counts.of_splits(size)))

    def _guide(self, cell: Cell) -> Checkpoint:
        return self.study.guide(cell.checkpoint, cell.guidance)

    def _evaluated(self, checkpoint: Checkpoint, evaluations: int) -> Work:
        model = checkpoint.run.model
        if not (evaluations and self.has_network(model)):
            return NOTHING
        return Work(0, evaluations, evaluations * self._forward.get(model, math.nan))

    @cached_property
    def _facts(self) -> Facts | None:
        """Of the images as they were trained on; None where their file cannot be read."""
        try:
            file = self._results.reader.header(layout.DATA, {})
            return Facts(0, 0, tuple(file["pool"].shape[1:]), equidistant="validation" not in file.arrays)
        except DiffbenchError:
            return None

    def _jobs(self) -> Iterator[tuple[str, Work]]:
        if self._facts is None:
            return
        attacks = AttackLevels.of(self.study.measures.gap).evaluations
        counts = Evaluations(self.study, self._facts, math.prod(self._facts.shape), attacks)
        for run, steps in self.study.milestones.items():
            for since, step in zip([0, *steps], steps, strict=False):
                if self.study.definition(run.model).trained:
                    yield job_of(layout.CHECKPOINT, Checkpoint(run, step)), self.trained(Checkpoint(run, step), since)
        for checkpoint in self.study.checkpoints:
            if self.has_network(checkpoint.run.model):
                yield job_of(layout.DENOISE, checkpoint), self._denoised(checkpoint, counts)
        for cell in self.study.cells:
            if self.has_network(cell.checkpoint.run.model):
                yield job_of(layout.SAMPLES, cell), self._sampled(cell, counts)
        yield from self._of_twins(counts)

    def _of_twins(self, counts: Evaluations) -> Iterator[tuple[str, Work]]:
        """Twins are trained and sampled as their runs are."""
        paired = self.study.paired_cells
        for cell in paired:
            yield job_of(layout.SAMPLES, cell, TWIN), self._sampled(cell, counts)
        for each in {cell.checkpoint for cell in paired} | self.study.guides_of(paired):
            since = max(self.study.milestones_before(each), default=0)
            yield job_of(layout.CHECKPOINT, each, TWIN), self.trained(each, since)


def job_of(kind: layout.Kind, of: Checkpoint | Cell, suffix: str = "") -> str:
    """Name of the job that makes a file of a checkpoint or cell, or of its twin."""
    factors = of.factors
    return kind.cost.format(**factors | {"granularity": f"{factors['granularity']}{suffix}"}).removesuffix(layout.COST)
