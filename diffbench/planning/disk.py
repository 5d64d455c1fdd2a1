"""Bytes that a study's results take, file by file, from the sizes that decide them.

What compression saves is not counted, but for labels and references. What a file holds whatever its sizes was measured.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diffbench.data.catalog import facts
from diffbench.planning.evaluations import PIXELS, Evaluations
from diffbench.planning.flops import weights
from diffbench.planning.standing import files_of
from diffbench.settings.models import TrainedDefinition
from diffbench.study import layout
from diffbench.study.grid import Checkpoint
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
HELD |= {layout.DENOISE: 2.5e4, layout.SAMPLES: 1.2e4, layout.MEMORIZATION: 2.2e4, layout.OVERLAP: 1.4e4}
"""Of a file whatever its sizes."""
OTHER = 1e4
"""The same of other kinds."""
BESIDE = 6e2
"""Of what a job took, and of its log."""
PAGES, PER_CELL = 2e6, 1.5e5
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
    files, held = defaultdict[str, int](int), defaultdict[str, float](float)
    for kind, factors in files_of(study):
        files[kind.stage] += 1
        held[kind.stage] += HELD.get(kind, OTHER) + BESIDE + bytes_of(study, kind, factors)
    held["summary and report"] = PAGES + PER_CELL * len(study.cells)
    runs = [run for run in study.milestones if isinstance(study.definition(run.model), TrainedDefinition)]
    states = sum(RUN_STATE / FLOAT * _weights(study, run.model) for run in runs)
    return Room(dict(files), dict(held), states)


def bytes_of(study: Study, kind: Kind, factors: Mapping[str, Any]) -> float:
    """What grows of a file with sizes of data, model and measures."""
    return sum(_parts(study, kind, factors))


def _parts(study: Study, kind: Kind, factors: Mapping[str, Any]) -> Iterator[float]:
    known, gap, samples = facts(study.data), study.measures.gap, study.sampling.samples
    dimension = math.prod(known.shape)
    images = known.pool + study.data.validation
    counts = Evaluations(study, known, dimension)
    if kind is layout.DATA:
        yield images * (dimension + LABEL)
    elif kind is layout.FEATURES:
        yield images * FEATURES * FLOAT
    elif kind is layout.CONDITIONS:
        yield LABEL * int(factors["train_size"])
    elif kind is layout.CHECKPOINT:
        yield _weights(study, Checkpoint.of(factors).run.model)
    elif kind in (layout.DENOISE, layout.OPTIMUM):
        yield LOSSES * DOUBLE * gap.levels * sum(counts.of_splits(int(factors["train_size"])))
        if kind is layout.OPTIMUM:
            yield REFERENCES * counts.compared(int(factors["train_size"])) * min(PIXELS, dimension)
    elif kind is layout.SAMPLES:
        yield samples * dimension * FLOAT
    elif kind is layout.MEMORIZATION:
        yield 3 * DOUBLE * (samples + int(factors["train_size"]))


def _weights(study: Study, model: str) -> float:
    """Bytes of a network's weights in float32."""
    definition = study.definition(model)
    return FLOAT * weights(definition, facts(study.data).shape) if isinstance(definition, TrainedDefinition) else 0.0
