"""What a model's name stands for: one table of presets, and the kinds that a study may define itself.

No torch here, so that a study can be checked and its DAG built without it.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from diffbench.conventions import DiffbenchError
from diffbench.settings.base import Fraction, Imported, ImportName, Name, Positive, Size, Strict


class Mlp(Strict):
    """Residual MLP with EDM preconditioning, for flat or small images."""

    trained: ClassVar[bool] = True
    kind: Literal["mlp"] = "mlp"
    width: Size
    blocks: Size


class Unet(Strict):
    """U-Net with EDM preconditioning, for images whose sides 2^(levels - 1) divides."""

    trained: ClassVar[bool] = True
    kind: Literal["unet"] = "unet"
    channels: int = Field(ge=16, le=65_536, multiple_of=16, description="Channels at the finest resolution.")
    multipliers: tuple[Size, ...] = Field(
        min_length=1, max_length=16, description="Channels of each resolution, as multiples."
    )
    blocks: Size = Field(description="Residual blocks per resolution on the way down; one more on the way up.")
    attention_levels: int = Field(default=1, ge=0, le=16, description="How many of the coarsest resolutions attend.")

    @property
    def divisor(self) -> int:
        """What must divide both sides of an image."""
        return 2 ** (len(self.multipliers) - 1)


class Dit(Strict):
    """Diffusion transformer with EDM preconditioning, for images whose sides the patch divides."""

    trained: ClassVar[bool] = True
    kind: Literal["dit"] = "dit"
    width: int = Field(ge=4, le=65_536, multiple_of=4, description="Width of a token.")
    depth: Size = Field(description="Number of blocks.")
    heads: Size = Field(description="Attention heads; they divide the width.")
    patch: Size = Field(default=2, description="Side of a patch in pixels.")

    @property
    def divisor(self) -> int:
        """What must divide both sides of an image."""
        return self.patch

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads:
            raise ValueError("heads must divide width")
        return self


class Optimal(Strict):
    """Closed-form optimal denoiser of the training set: memorizes all that can be."""

    trained: ClassVar[bool] = False
    kind: Literal["optimal"] = "optimal"


class Blurred(Strict):
    """Error-prone denoiser y_delta: the optimum for training data blurred by N(0, delta^2 I)."""

    trained: ClassVar[bool] = False
    kind: Literal["blurred"] = "blurred"
    delta: Positive = Field(description="Error scale, in the units of the data set before scaling.")


class Autoguided(Strict):
    """y_delta guided away from the y_delta of a larger error scale: autoguidance in closed form."""

    trained: ClassVar[bool] = False
    kind: Literal["autoguided"] = "autoguided"
    delta: Positive = Field(description="Error scale, in the units of the data set before scaling.")
    guide_delta: Positive = Field(description="Error scale of the denoiser that is guided away from.")
    guidance: float = Field(description="Weight; 0 is off.")


class Constant(Strict):
    """Control: a denoiser that ignores its input and returns the training mean."""

    trained: ClassVar[bool] = False
    kind: Literal["constant"] = "constant"


class Planted(Strict):
    """Control: no denoiser; samples are noised training images for a share, and unseen images for the rest."""

    trained: ClassVar[bool] = False
    kind: Literal["planted"] = "planted"
    copies: Fraction = Field(description="Share of samples that are copies of training images.")
    noise: float = Field(default=0.0, ge=0, description="Standard deviation of noise added to the copies, scaled.")
    rest: Literal["unseen", "validation"] = Field(
        default="unseen", description="The rest: images of the pool beyond the training subset, or validation images."
    )


Scale = Literal["minus-one-one", "zero-one", "raw", "suite"]
"""Pixels that models from outside know."""


class External(Imported):
    """A denoiser made elsewhere, which a Python function returns; it is not trained here."""

    trained: ClassVar[bool] = False
    kind: Literal["external"] = "external"
    factory: ImportName = Field(
        alias="import", description="package.module:factory; the factory returns D(x, sigma, label)."
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="File or folder that the factory gets as `weights`; relative to the working directory.",
    )
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="Keywords of the factory.")
    scale: Scale = Field(
        default="minus-one-one",
        description="Pixels that the model knows: in [-1, 1], in [0, 1], as data hold them, or as the suite has them.",
    )
    range: tuple[float, float] | None = Field(
        default=None,
        description="Raw values that are -1 (or 0) and 1 to the model; needed where pixels are not 0 to 255.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.range is not None and self.scale not in ("minus-one-one", "zero-one"):
            raise ValueError(f"range goes with scale minus-one-one or zero-one, not {self.scale}")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range must be [lower, upper] with lower < upper")
        if "weights" in self.arguments:
            raise ValueError("arguments must not hold weights, which is a key of its own")
        return self


CONTROLS = (Planted, Optimal, Constant)
"""Models whose truth is known: what measures must say of them stands in diffbench/summary/controls.py."""

TrainedDefinition = Mlp | Unet | Dit
"""Models that are trained."""

ModelDefinition = Annotated[
    TrainedDefinition | Optimal | Blurred | Autoguided | Constant | Planted | External, Field(discriminator="kind")
]


class Variant(Strict):
    """Another model with dropout or horizontal flips of its own, so that a sweep of `model` varies them as factors."""

    kind: Literal["variant"] = "variant"
    of: Name = Field(description="A trained model: a preset, or one of the study that is no variant.")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="In the place of training.dropout.")
    horizontal_flip: bool | None = Field(default=None, description="In the place of training.horizontal_flip.")


PRESETS: dict[str, TrainedDefinition | Optimal | Constant] = {
    "mlp-small": Mlp(width=96, blocks=2),
    "mlp-medium": Mlp(width=256, blocks=3),
    "mlp-large": Mlp(width=384, blocks=4),
    "mlp-huge": Mlp(width=1024, blocks=4),
    "unet-tiny": Unet(channels=16, multipliers=(1, 2), blocks=1),
    "unet-small": Unet(channels=32, multipliers=(1, 2), blocks=2),
    "unet-medium": Unet(channels=64, multipliers=(1, 2, 2), blocks=2),
    "unet-large": Unet(channels=128, multipliers=(2, 2, 2), blocks=4),  # the size of EDM's network for 32x32
    "dit-tiny": Dit(width=96, depth=4, heads=3),
    "dit-s": Dit(width=384, depth=12, heads=6),  # S, B and L are Peebles & Xie's sizes
    "dit-b": Dit(width=768, depth=12, heads=12),
    "dit-l": Dit(width=1024, depth=24, heads=16),
    "optimal": Optimal(),
    "constant": Constant(),
}


def check_shape(definition: TrainedDefinition, shape: tuple[int, ...]) -> None:
    """Refuse images of a shape that the network cannot take. DiffbenchError says which sizes it can."""
    if isinstance(definition, Mlp):
        return
    size, divisor = "x".join(map(str, shape)), definition.divisor
    if len(shape) != 3:
        raise DiffbenchError(f"model of kind '{definition.kind}': data of shape {size} are no images; use kind mlp")
    if any(side % divisor for side in shape[1:]):
        raise DiffbenchError(
            f"model of kind '{definition.kind}': images of {size} have sides that {divisor} does not divide;"
            f" {_remedy(definition)}"
        )


def check_conditions(shape: tuple[int, ...] | None) -> None:
    """Refuse conditions that are no plain vectors: networks that are trained here take no sequences of tokens."""
    if shape is not None and len(shape) > 1:
        size = "x".join(map(str, shape))
        raise DiffbenchError(f"conditions of {size} are tokens; to train on them give their mean, one vector per image")


def _remedy(definition: Unet | Dit) -> str:
    return "give fewer multipliers" if isinstance(definition, Unet) else "give another patch"
