"""What a model's name stands for: one table of presets, and the kinds that a study may define itself.

No torch here, so that a study can be checked and its DAG built without it.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from diffbench.protocol import Count, Fraction, Positive, Strict


class Mlp(Strict):
    """Residual MLP with EDM preconditioning, for flat or small images."""

    trained: ClassVar[bool] = True
    kind: Literal["mlp"] = "mlp"
    width: Count
    blocks: Count


class Optimal(Strict):
    """Closed-form optimal denoiser of the training set: memorizes all that can be."""

    trained: ClassVar[bool] = False
    kind: Literal["optimal"] = "optimal"


class Blurred(Strict):
    """Error-prone denoiser y_delta: the optimum for training data blurred by N(0, delta^2 I)."""

    trained: ClassVar[bool] = False
    kind: Literal["blurred"] = "blurred"
    delta: Positive = Field(description="Error scale, in the units of the data set before scaling.")


class Constant(Strict):
    """Control: a denoiser that ignores its input and returns the training mean."""

    trained: ClassVar[bool] = False
    kind: Literal["constant"] = "constant"


class Planted(Strict):
    """Control: no denoiser; samples are a share of training images, noised, and unseen images for the rest."""

    trained: ClassVar[bool] = False
    kind: Literal["planted"] = "planted"
    copies: Fraction = Field(description="Share of samples that are copies of training images.")
    noise: float = Field(0.0, ge=0, description="Standard deviation of noise added to the copies.")


ModelDefinition = Annotated[Mlp | Optimal | Blurred | Constant | Planted, Field(discriminator="kind")]

PRESETS: dict[str, Mlp | Optimal | Constant] = {
    "mlp-small": Mlp(width=96, blocks=2),
    "mlp-medium": Mlp(width=256, blocks=3),
    "mlp-large": Mlp(width=512, blocks=3),
    "optimal": Optimal(),
    "constant": Constant(),
}
