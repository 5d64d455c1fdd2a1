"""The grid of a study: a centre and sweeps around it, and the points that they mean.

A run is a training: model x train size x granularity x seed. A checkpoint is a run at a training step. A cell is a
checkpoint sampled at one value of the guidance factor.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from diffbench.settings.base import Count, Name, Strict
from diffbench.settings.granularity import PATTERN
from diffbench.settings.guidance import Guidance
from diffbench.study.layout import CELL_FOLDER, CHECKPOINT_FOLDER, RUN_FOLDER


@dataclass(frozen=True, order=True, slots=True)
class Run:
    """One training."""

    model: str
    train_size: int
    granularity: str
    seed: int

    @property
    def factors(self) -> dict[str, Any]:
        """Its factors by name, in the order in which tables show them."""
        return {
            "model": self.model,
            "train_size": self.train_size,
            "granularity": self.granularity,
            "seed": self.seed,
        }

    @property
    def path(self) -> str:
        """Folder of the run inside the study's results."""
        return RUN_FOLDER.format(**self.factors)


@dataclass(frozen=True, order=True, slots=True)
class Checkpoint:
    """A run at a training step; step 0 for models that are not trained."""

    run: Run
    step: int

    @classmethod
    def of(cls, factors: Mapping[str, Any]) -> Self:
        """The checkpoint with these factors, numbers or text; others that are given do not matter."""
        size, seed = int(factors["train_size"]), int(factors["seed"])
        return cls(Run(str(factors["model"]), size, str(factors["granularity"]), seed), int(factors["step"]))

    @property
    def factors(self) -> dict[str, Any]:
        """Its factors by name."""
        return self.run.factors | {"step": self.step}

    @property
    def path(self) -> str:
        """Folder of the checkpoint inside the study's results."""
        return CHECKPOINT_FOLDER.format(**self.factors)


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """A checkpoint sampled at one value of the guidance factor."""

    checkpoint: Checkpoint
    guidance: Guidance

    @property
    def factors(self) -> dict[str, Any]:
        """All factors by name, the guidance by its label."""
        return self.checkpoint.factors | {"guidance": self.guidance.label}

    @property
    def path(self) -> str:
        """Folder of the cell inside the study's results."""
        return CELL_FOLDER.format(**self.factors)


GranularityName = Annotated[str, Field(pattern=PATTERN)]


class Center(Strict):
    """One value per factor: the point around which the sweeps vary."""

    model: Name = "mlp-medium"
    train_size: int = Field(default=256, ge=2)
    granularity: GranularityName = "classes"
    guidance: Guidance = Guidance(weight=0.0)

    @property
    def factors(self) -> dict[str, Any]:
        """The values as tables show them."""
        return dict(self) | {"guidance": self.guidance.label}


class Sweep(Strict):
    """Values of one or more factors; several factors in one sweep mean their product."""

    model: list[Name] | None = Field(default=None, min_length=1)
    train_size: list[Annotated[int, Field(ge=2)]] | None = Field(default=None, min_length=1)
    granularity: list[GranularityName] | None = Field(default=None, min_length=1)
    step: list[Count] | None = Field(default=None, min_length=1, description="Among steps; left out: all of them.")
    guidance: list[Guidance] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _varies_something(self) -> Self:
        if not self.varied:
            raise ValueError("an empty sweep: give at least one factor with at least one value")
        return self

    @property
    def varied(self) -> dict[str, list[Any]]:
        """The factors that this sweep varies, with their values."""
        return {name: values for name, values in self if values is not None}


def combinations(center: Center, sweeps: Iterable[Sweep]) -> Iterator[dict[str, Any]]:
    """Values of all factors but the seed; step is None where all milestones are meant."""
    at_center = dict(center) | {"step": None}
    yield at_center
    for sweep in sweeps:
        names, values = zip(*sweep.varied.items(), strict=True)
        for combination in product(*values):
            yield at_center | dict(zip(names, combination, strict=True))
