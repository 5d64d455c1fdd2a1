"""Memory that a study's jobs ask of a scheduler, in MB, from the sizes that decide it.

Measured job by job, as a cluster runs them, with 20,000 images of 1x28x28 and with 128, and network by network.
"""

import math
from collections.abc import Mapping
from functools import lru_cache

from diffbench.data.catalog import facts
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.study.flops import weights
from diffbench.study.layout import WHOLE
from diffbench.study.study import Study

SNAKEMAKE = 300
"""Of the two Snakemakes and Slurm's own processes that a job consists of beside that which does the work."""
PER_CELL, TABLED = 0.003, 0.03
"""What those take more per cell of the study, and what the job of summary or report does: rows of its tables."""
TORCH = 350
"""Of a process with torch and what stages need beside it."""
CUDA = 3000
"""What a GPU takes of the host's memory, for its libraries: not measured."""
LIBRARIES = {"data": 220, "conditions": 120, "features": 230, "memorization": 180, "overlap": 140, "consistency": 140}
LIBRARIES |= {"plant": 140, "lab": 380, "equivalent": 380, "summary": 450, "report": 500}
"""Of the process of a rule without torch."""
POOL = {"data": 4, "features": 2}
"""Bytes per value of all images."""
NETWORK_COPIES = 8
"""Bytes per value of the training and validation images beside a network: in float32, and once more."""
COPIES = {"conditions": 8, "plant": 16, "memorization": 18, "overlap": 18, "consistency": 18, "optimum": 20}
"""The same of other rules, most of which also work in float64."""
BLOCKS = 250
"""MB of their blocks at most: as many as their copies where images are few."""
EIGEN = 32
"""Bytes per entry of the smaller Gram matrix of the training images: matrix, eigenvectors and work of the solver, in
float64 (denoisers/wiener.py)."""

DECODER = 3000
"""Of a decoder of the user's own and the few latents that it is handed at once: an autoencoder of 80 million weights
and pictures of 256x256 take about as much."""

EVALUATED = 512
"""Images of one evaluation (denoisers/base.py)."""
KEPT_IN_TRAINING = {"mlp": 16, "unet": 16, "dit": 34}
"""Arrays like each block's output that a network keeps for the backward pass."""
KEPT_IN_EVALUATION = {"mlp": 4, "unet": 3, "dit": 4.5}
"""The same where nothing goes back: the skips of a U-Net, and what is at work."""
WEIGHTS_IN_TRAINING, WEIGHTS_IN_EVALUATION = 7, 3
"""Arrays like the weights: gradients, Adam's two moments, their average, and what is read or written."""


class Memory:
    """MB of each job of a study. A GPU's own memory is not counted."""

    def __init__(self, study: Study) -> None:
        known = facts(study.data)
        self._study, self._shape, self._pool = study, known.shape, known.pool + study.data.validation
        self._dimension = math.prod(self._shape)
        self._conditions = math.prod(known.conditions) if known.conditions else 0
        self._pictured = pictured_values(self._shape) if study.decoded_kinds else 0
        self._snakemake = SNAKEMAKE + PER_CELL * len(study.cells)
        self._network = lru_cache(maxsize=None)(self._of_a_network)

    def mb(self, rule: str, factors: Mapping[str, str]) -> int:
        """Of a job of a rule, asked for with its wildcards."""
        return math.ceil(self._snakemake + self.used(rule, factors))

    def used(self, rule: str, factors: Mapping[str, str]) -> float:
        """Of the process that does a job's work."""
        dimension = self._pictured or self._dimension if rule == "features" else self._dimension
        pool = POOL.get(rule, 0) * self._pool * (dimension + self._conditions) / 1e6
        if rule in LIBRARIES:
            tables = TABLED * len(self._study.cells) if rule in WHOLE else 0.0
            return LIBRARIES[rule] + pool + tables + self._images(rule, factors)
        start = TORCH + CUDA * (self._study.device == "cuda")
        if rule == "optimum":
            return start + self._closed_form(factors)
        if rule in ("pixels", "decode"):
            return start + DECODER + 4 * self._study.sampling.samples * self._pictured / 1e6
        models = {factors["model"]}
        if rule == "sample":
            models |= {self._study.guidances[factors["guidance"]].model or factors["model"]}
        return start + sum(self._of_a_model(rule, model, factors) for model in models)

    def _of_a_model(self, rule: str, model: str, factors: Mapping[str, str]) -> float:
        if not isinstance(self._study.definition(model), TrainedDefinition):
            return self._closed_form(factors)
        return self._values(factors) * NETWORK_COPIES / 1e6 + self._network(rule, model)

    def _closed_form(self, factors: Mapping[str, str]) -> float:
        smaller = min(int(factors["train_size"]), self._dimension)
        return self._images("optimum", factors) + EIGEN * smaller**2 / 1e6

    def _images(self, rule: str, factors: Mapping[str, str]) -> float:
        copies = COPIES[rule] * self._values(factors) / 1e6 if rule in COPIES else 0.0
        if rule == "memorization":
            copies *= 1 + self._pictured / self._dimension
        return copies + min(BLOCKS, copies)

    def _values(self, factors: Mapping[str, str]) -> int:
        """Values of the training and validation images of a job, and of their conditions."""
        images = int(factors["train_size"]) + self._study.data.validation
        return images * (self._dimension + self._conditions)

    def _of_a_network(self, rule: str, model: str) -> float:
        """A network's weights and what its blocks put out; on a GPU neither is in the host's memory but to be read."""
        definition, training = self._study.definition(model), self._study.training
        assert isinstance(definition, TrainedDefinition)
        arrays, kept, images = WEIGHTS_IN_EVALUATION, KEPT_IN_EVALUATION[definition.kind], float(EVALUATED)
        if rule == "train":
            arrays, kept = WEIGHTS_IN_TRAINING, KEPT_IN_TRAINING[definition.kind]
            images = training.batch / training.accumulation
        on_host = 0 if self._study.device == "cuda" else images * kept * outputs(definition, self._shape)
        return 4 * (arrays * weights(definition, self._shape) + on_host) / 1e6


def pictured_values(shape: tuple[int, ...]) -> int:
    """Values of the picture that a latent is taken to become: three channels, sides eight times as long."""
    return 3 * 64 * math.prod(shape[1:])


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
