"""The protocols of a study: typed, strict, and the single source of defaults, checks and the JSON schema.

A stage is handed exactly the protocol that it reads, so that changing one setting reruns only the stages that read it.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from diffbench.conventions import RHO, SIGMA_MAX, SIGMA_MIN, DiffbenchError


class Strict(BaseModel):
    """A frozen record that refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, raw: Any, origin: str) -> Self:
        """Validate plain YAML or JSON values, or raise a DiffbenchError that names `origin` and every bad key."""
        try:
            text = json.dumps(raw)
        except TypeError as error:
            raise DiffbenchError(f"{origin}: not plain YAML: {error}") from None
        return cls.parse_json(text, origin)

    @classmethod
    def parse_json(cls, text: str, origin: str) -> Self:
        """Validate JSON text as `parse` does values."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DiffbenchError("; ".join(f"{origin}: {_explain(detail)}" for detail in error.errors())) from None


def _explain(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "(top level)"
    if detail["type"] == "extra_forbidden":
        return f"key '{key}' is unknown: check its spelling against config/README.md"
    message = detail["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message[0].lower()}{message[1:]} (got {detail['input']!r})"


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]


class DataProtocol(Strict):
    """Which images, and how they are split. The split has a seed of its own: all seeds of a study share it.

    Which of the optional keys a data set takes stands in diffbench/data/sources.py.
    """

    name: str = Field(default="digits", description="Name of a data set in diffbench/data/sources.py.")
    path: str | None = Field(
        default=None, description="File or folder of the data set; relative to the working directory."
    )
    images: str | None = Field(default=None, description="Name of the array of images in a file.")
    labels: str | None = Field(default=None, description="Name of the array of class labels in a file.")
    resize: Count | None = Field(
        default=None, description="Side in pixels that images are reduced to, by area averaging."
    )
    held_out: str | None = Field(
        default=None,
        description="File or folder of held-out images like those of path, all of which then are the training pool.",
    )
    points: int | None = Field(default=None, ge=4, description="Points of the plane to draw, for planar sets.")
    noise: float | None = Field(default=None, ge=0, description="Standard deviation added to points of the plane.")
    validation: int = Field(
        default=512, ge=2, description="Number of held-out images, class-balanced; at most so many of held_out."
    )
    split_seed: Seed = Field(
        default=0, description="Seed of the split into validation and training pool, or of the draw."
    )


class TrainingProtocol(Strict):
    """How every network of the study is trained."""

    batch: Count = Field(default=128, description="Images per step.")
    optimizer: Literal["adam"] = Field(default="adam", description="Adam with betas (0.9, 0.99), as EDM.")
    learning_rate: Positive = Field(
        default=2e-3, description="Constant: no schedule may know the total number of steps."
    )
    ema_length: float = Field(
        default=0.05,
        gt=0,
        lt=0.28,
        description="Width of the power-function EMA as a share of the steps so far (EDM2).",
    )
    label_dropout: Fraction = Field(default=0.1, description="Share of images that lose their label, for guidance.")
    sigma_log_mean: float = Field(default=-1.2, description="Mean of ln(sigma) in training.")
    sigma_log_std: Positive = Field(default=1.2, description="Standard deviation of ln(sigma) in training.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of hidden units dropped inside each block.")
    horizontal_flip: bool = Field(default=False, description="Mirror each image with probability 1/2.")
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description="bf16: matrix products of training in bfloat16; weights and measures stay float32.",
    )
    accumulation: Count = Field(
        default=1,
        description="Parts that a batch is computed in, to save memory; changes the result by rounding only.",
    )

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.accumulation > self.batch:
            raise ValueError("accumulation must not exceed batch")
        return self


class SamplingProtocol(Strict):
    """How samples are drawn from a checkpoint, and what is recorded on the way."""

    solver: Literal["heun", "euler", "dpmpp-2m"] = Field(
        default="heun", description="Solver of the probability-flow ODE; dpmpp-2m halves Heun's evaluations."
    )
    steps: int = Field(default=18, ge=2, description="Noise levels of the Karras grid.")
    sigma_min: Positive = Field(default=SIGMA_MIN, description="Lowest noise level.")
    sigma_max: Positive = Field(default=SIGMA_MAX, description="Highest noise level.")
    rho: Positive = Field(default=RHO, description="Exponent of the Karras grid.")
    samples: int = Field(default=512, ge=2, description="Samples per cell.")
    trajectories: int = Field(default=256, ge=2, description="Samples whose states are recorded at every level.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError("sigma_min must be below sigma_max")
        if self.trajectories > self.samples:
            raise ValueError("trajectories must not exceed samples")
        return self


class GapProtocol(Strict):
    """How the denoising loss is measured."""

    levels: int = Field(default=24, ge=2, description="Noise levels, equally spaced in ln(sigma).")
    sigma_min: Positive = Field(default=SIGMA_MIN, description="Lowest noise level.")
    sigma_max: Positive = Field(default=SIGMA_MAX, description="Highest noise level.")
    images: int = Field(default=512, ge=2, description="At most so many images of each split.")
    noises: Count = Field(default=8, description="Noise draws per image and level, the same for every checkpoint.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError("sigma_min must be below sigma_max")
        return self


class QualityProtocol(Strict):
    """In which feature space the quality of samples is measured."""

    space: Literal["auto", "pixels", "pca", "classifier", "encoder"] = Field(
        default="auto", description="auto: classifier where the data have classes, else pca, or pixels if they are few."
    )
    dimensions: int = Field(default=32, ge=2, description="Features of pca and classifier.")
    encoder: str | None = Field(
        default=None, description="File of an encoder, relative to the working directory: TorchScript, or .pt2."
    )

    @model_validator(mode="after")
    def _encoder_for_its_space(self) -> Self:
        if (self.space == "encoder") != (self.encoder is not None):
            raise ValueError("space 'encoder' and the key encoder, a file, go together")
        return self


class MeasuresProtocol(Strict):
    """All measures."""

    gap: GapProtocol = GapProtocol()
    quality: QualityProtocol = QualityProtocol()


class ReportProtocol(Strict):
    """How the report looks. Changing it recomputes no measure."""

    chart_width: int = Field(default=520, ge=200, le=2000, description="Width of a chart in pixels.")
    pictured_samples: Count = Field(
        default=12, description="Samples pictured beside their nearest training images, per cell."
    )
