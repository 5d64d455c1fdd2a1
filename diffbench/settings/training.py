"""How the networks of a study are trained."""

from typing import Literal, Self

from pydantic import Field, model_validator

from diffbench.settings.base import Count, Fraction, Positive, Strict


class TrainingSettings(Strict):
    """How every network of the study is trained: by Adam with betas (0.9, 0.99), as EDM2."""

    batch: Count = Field(default=128, description="Images per step.")
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
