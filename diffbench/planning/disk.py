"""Bytes that a study's results take, file by file, from the sizes that decide them.

What compression saves is not counted, but for labels and references. What a file holds whatever its sizes was measured.
Images are taken for bytes, though other values take more; images that a decoder makes are not counted.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from diffbench.data.catalog import facts
from diffbench.data.pictured import kept_bytes
from diffbench.data.raw_images import are_latents
from diffbench.planning.memory import pictured_values
from diffbench.planning.standing import files_of
from diffbench.settings.models import TrainedDefinition
from diffbench.study import layout
from diffbench.study.evaluations import PIXELS, Evaluations
from diffbench.study.flops import weights
from diffbench.study.layout import Kind
from diffbench.study.study import Study

FLOAT, DOUBLE = 4, 8
RUN_STATE = 16
"""Bytes for each weight of what a training goes on from: weights, their average, and both moments of Adam."""
LABEL = 4
"""Of an image's number and label, compressed."""
FEATURES = 32
"""Values of an image in the feature space."""
LOSSES = 4
"""Arrays of a value for each level and image in denoise.h5."""
REFERENCES = 4 * 2.5
"""Bytes of what four closed forms make of a pixel, compressed, in optimum/."""
HELD = {layout.DATA: 6e3, layout.FEATURES: 1e5, layout.CONDITIONS: 8e3, layout.OPTIMUM: 7e3, layout.CHECKPOINT: 5e3}
HELD |= {layout.DENOISE: 2.5e4, layout.SAMPLES: 1.2e4, layout.MEMORIZATION: 2.2e4, layout.OVERLAP: 2.5e4}
"""Of a file whatever its sizes."""
OTHER = 1e4
"""The same of other kinds."""
BESIDE = 6e2
"""Of what a job took, and of its log."""
PAGES, PER_CELL = 6.4e6, 1.5e5
"""Of summary, report and caches: for all, and for each cell."""


@dataclass(frozen=True)
class Room:
    """Files and bytes by kind of file, by the stage that makes it; states: of trainings, while they are kept."""

    files: dict[str, int]
    bytes: dict[str, float]
    states: float

    @property
    def kept(self) -> float:
        """Bytes when all is done, beside states."""
        return sum(self.bytes.values())


def room(study: Study) -> Room:
    """What a study's results take. Reads no data."""
    sizes = _Sizes(study)
    files, held = defaultdict[str, int](int), defaultdict[str, float](float)
    for kind, factors in files_of(study):
        files[kind.stage] += 1
        held[kind.stage] += HELD.get(kind, OTHER) + BESIDE + sum(sizes.parts(kind, factors))
    held["summary and report"] = PAGES + PER_CELL * len(study.cells)
    states = sum(RUN_STATE * sizes.weights(run.model) for run in study.milestones)
    return Room(dict(files), dict(held), states)


class _Sizes:
    """What grows of a file with the sizes of data, model and measures."""

    def __init__(self, study: Study) -> None:
        self._study, self._facts = study, facts(study.data)
        self._dimension = math.prod(self._facts.shape)
        self._images = self._facts.pool + study.data.validation
        self._counts = Evaluations(study, self._facts, self._dimension)
        self.weights = lru_cache(maxsize=None)(self._weights)

    def parts(self, kind: Kind, factors: Mapping[str, Any]) -> Iterator[float]:
        """Bytes of a file's parts."""
        levels, samples = self._study.measures.gap.levels, self._study.sampling.samples
        if kind in self._study.decoded_kinds:
            images = {layout.PIXELS: self._images, layout.DECODED: samples}[kind]
            yield images * pictured_values(self._facts.shape) * FLOAT
        elif kind is layout.DATA:
            yield self._images * (self._dimension * (1, FLOAT)[are_latents(self._facts.shape)] + LABEL)
        elif kind is layout.FEATURES:
            yield self._images * FEATURES * FLOAT
        elif kind is layout.CONDITIONS:
            yield LABEL * int(factors["train_size"])
        elif kind is layout.CHECKPOINT:
            yield FLOAT * self.weights(factors["model"])
        elif kind in (layout.DENOISE, layout.OPTIMUM):
            size = int(factors["train_size"])
            yield LOSSES * DOUBLE * levels * sum(self._counts.of_splits(size))
            if kind is layout.OPTIMUM:
                yield REFERENCES * self._counts.compared(size) * min(PIXELS, self._dimension)
        else:
            yield self._of_samples(kind, factors)

    def _of_samples(self, kind: Kind, factors: Mapping[str, Any]) -> float:
        """Bytes of what is made of a cell's samples."""
        sampling = self._study.sampling
        match kind:
            case layout.SAMPLES:
                return sampling.samples * self._dimension * FLOAT
            case layout.MEMORIZATION:
                return 3 * DOUBLE * (sampling.samples + int(factors["train_size"]))
            case layout.OVERLAP:
                return kept_bytes(self._facts.shape, sampling.trajectories, sampling.steps)
        return 0

    def _weights(self, model: str) -> int:
        definition = self._study.definition(model)
        return weights(definition, self._facts.shape) if isinstance(definition, TrainedDefinition) else 0
