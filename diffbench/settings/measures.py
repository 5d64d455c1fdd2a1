"""How a study is measured."""

from typing import Literal, Self

from pydantic import Field, model_validator

from diffbench.conventions import SIGMA_MAX, SIGMA_MIN
from diffbench.settings.base import MOST, Positive, Size, Strict


class GapSettings(Strict):
    """How the denoising loss is measured."""

    levels: int = Field(default=24, ge=2, le=10_000, description="Noise levels, equally spaced in ln(sigma).")
    sigma_min: Positive = Field(default=SIGMA_MIN, description="Lowest noise level.")
    sigma_max: Positive = Field(default=SIGMA_MAX, description="Highest noise level.")
    images: int = Field(default=512, ge=2, le=MOST, description="At most so many images of each split.")
    noises: Size = Field(default=8, description="Noise draws per image and level, the same for every checkpoint.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError("sigma_min must be below sigma_max")
        return self


class QualitySettings(Strict):
    """In which feature space the quality of samples is measured."""

    space: Literal["auto", "pixels", "pca", "classifier", "encoder"] = Field(
        default="auto", description="auto: classifier where the data have classes, else pca, or pixels if they are few."
    )
    dimensions: int = Field(default=32, ge=2, le=65_536, description="Features of pca and classifier.")
    encoder: str | None = Field(
        default=None, description="File of an encoder, relative to the working directory: TorchScript, or .pt2."
    )

    @model_validator(mode="after")
    def _encoder_for_its_space(self) -> Self:
        if (self.space == "encoder") != (self.encoder is not None):
            raise ValueError("space 'encoder' and the key encoder, a file, go together")
        return self


class MeasuresSettings(Strict):
    """All measures."""

    gap: GapSettings = GapSettings()
    quality: QualitySettings = QualitySettings()
