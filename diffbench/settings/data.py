"""Which images a study is about, and how they are split."""

from typing import Any, Literal

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from diffbench.settings.base import MOST, Imported, ImportName, Seed, Size, Strict

LATENTS = "latents"
"""Name of the data set that is the user's own latents."""

Layout = Literal["CHW", "HWC", "HW"]
"""Axes of one image: channels, height, width."""


class Decoder(Imported):
    """What turns latents into pictures, made elsewhere."""

    factory: ImportName = Field(
        alias="import", description="package.module:factory; the factory returns a function of latents (m, C, H, W)."
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="File or folder that the factory gets as `weights`; relative to the working directory.",
    )
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="Keywords of the factory.")


LATER = ("layout", "channels", "decoder")
"""Keys that studies of version 1 did not have."""


class DataSettings(Strict):
    """Which images, and how they are split. The split has a seed of its own: all seeds of a study share it.

    Which of the optional keys a data set takes stands in diffbench/data/sources.py.
    """

    name: str = Field(default="digits", description="Name of a data set in diffbench/data/sources.py.")
    path: str | None = Field(
        default=None, description="File or folder of the data set; relative to the working directory."
    )
    images: str | None = Field(default=None, description="Name of the array of images in a file.")
    labels: str | None = Field(default=None, description="Name of the array of class labels in a file.")
    layout: Layout | None = Field(
        default=None, description="Axes of each image in an array, where its shape does not tell them."
    )
    channels: Size | None = Field(
        default=None, description="Take the first so many channels: of moments, the means without the deviations."
    )
    decoder: ImportName | Decoder | None = Field(
        default=None, description="What turns latents into pictures: package.module:factory, or with its weights."
    )
    resize: Size | None = Field(
        default=None, description="Side in pixels that images are reduced to, by area averaging."
    )
    held_out: str | None = Field(
        default=None,
        description="File or folder of held-out images like those of path, all of which then are the training pool.",
    )
    points: int | None = Field(
        default=None, ge=4, le=100_000_000, description="Points of the plane to draw, for planar sets."
    )
    noise: float | None = Field(default=None, ge=0, description="Standard deviation added to points of the plane.")
    validation: int = Field(
        default=512,
        ge=2,
        le=MOST,
        description="Number of held-out images, class-balanced; at most so many of held_out.",
    )
    split_seed: Seed = Field(
        default=0, description="Seed of the split into validation and training pool, or of the draw."
    )

    @property
    def decoding(self) -> Decoder | None:
        """The decoder, however it was given."""
        return Decoder.model_validate({"import": self.decoder}) if isinstance(self.decoder, str) else self.decoder

    @model_serializer(mode="wrap")
    def _without_later_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that came later are left out where they are not given, so that a study's results stay its own."""
        return {name: value for name, value in handler(self).items() if value is not None or name not in LATER}

    @property
    def files_given(self) -> dict[str, str]:
        """Paths of the files or folders that images are read from, by the keys that name them."""
        given = {"path": self.path, "held_out": self.held_out}
        return {key: path for key, path in given.items() if path is not None}
