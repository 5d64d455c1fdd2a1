"""How samples are drawn from a checkpoint."""

from typing import Literal, Self

from pydantic import Field, model_validator

from diffbench.conventions import RHO, SIGMA_MAX, SIGMA_MIN
from diffbench.settings.base import Positive, Strict


class SamplingSettings(Strict):
    """How samples are drawn from a checkpoint, and what is recorded on the way."""

    solver: Literal["heun", "euler", "dpmpp-2m"] = Field(
        default="heun", description="Solver of the probability-flow ODE; dpmpp-2m halves Heun's evaluations."
    )
    steps: int = Field(default=18, ge=2, le=10_000, description="Noise levels of the Karras grid.")
    sigma_min: Positive = Field(default=SIGMA_MIN, description="Lowest noise level.")
    sigma_max: Positive = Field(default=SIGMA_MAX, description="Highest noise level.")
    rho: Positive = Field(default=RHO, description="Exponent of the Karras grid.")
    samples: int = Field(default=512, ge=2, le=100_000_000, description="Samples per cell.")
    trajectories: int = Field(
        default=256, ge=2, le=1_000_000, description="Samples whose states are recorded at every level."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError("sigma_min must be below sigma_max")
        if self.trajectories > self.samples:
            raise ValueError("trajectories must not exceed samples")
        return self
