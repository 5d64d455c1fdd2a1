"""Memory that a study's jobs ask of a scheduler, in MB, from the sizes that decide it. Rules ask for it once per study.

Measured with 50,000 images of 1x28x28: 0.9 GB in memorization, 1.0 in overlap, 1.3 in the optimum, and 1.4 GB in the
losses of unet-small.
"""

import math

from diffbench.data.catalog import facts
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.study.study import Study

BASE = 1000
"""Libraries, and blocks of bounded size."""
COPIES = 20
"""Bytes per value of the training images: once in float32 and twice in float64."""
EIGEN = 32
"""Bytes per entry of the smaller Gram matrix of the training images: matrix, eigenvectors and work of the solver, in
float64 (denoisers/wiener.py)."""
EVALUATED = 512
"""Images of one evaluation (denoisers/base.py)."""
KEPT_IN_TRAINING = 12
"""Arrays that each block of a network keeps for the backward pass."""
KEPT_IN_EVALUATION = 2
"""The same where nothing goes back: the skips of a U-Net, and what is at work."""


def memory_mb(study: Study) -> int:
    """Of a job without a network."""
    known = facts(study.data)
    largest, dimension = max(run.train_size for run in study.runs), math.prod(known.shape)
    return BASE + math.ceil((COPIES * largest * dimension + EIGEN * min(largest, dimension) ** 2) / 1e6)


def network_memory_mb(study: Study) -> int:
    """Of a job that trains, evaluates or samples. A GPU's own memory is not counted here."""
    if study.device == "cuda":
        return memory_mb(study)
    shape = facts(study.data).shape
    images = max(EVALUATED * KEPT_IN_EVALUATION, KEPT_IN_TRAINING * study.training.batch / study.training.accumulation)
    definitions = [study.definition(run.model) for run in study.milestones]  # guides included
    largest = max((outputs(d, shape) for d in definitions if isinstance(d, TrainedDefinition)), default=0)
    return memory_mb(study) + math.ceil(4 * images * largest / 1e6)


def outputs(definition: TrainedDefinition, shape: tuple[int, ...]) -> int:
    """Values that the blocks of a network put out for one image, all together."""
    match definition:
        case Mlp():
            return definition.width * definition.blocks
        case Dit():
            return math.prod(shape[1:]) // definition.patch**2 * definition.width * definition.depth
        case Unet():
            maps = [
                definition.channels * multiplier * math.prod(shape[1:]) // 4**halvings
                for halvings, multiplier in enumerate(definition.multipliers)
            ]
            return (2 * definition.blocks + 1) * sum(maps) + 2 * maps[-1]
