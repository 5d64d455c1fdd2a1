"""Which images a study is about, and how they are split."""

from pathlib import PurePath
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

ARRAY_FILES = (".npy", ".npz", ".h5", ".hdf5")
"""Endings of files that hold arrays."""


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
    conditions: str | None = Field(
        default=None,
        description="Conditions that are vectors, one per image in the order in which images are read: the name of an"
        " array beside the images in their file, or another file, as FILE or FILE:ARRAY.",
    )
    held_out_conditions: str | None = Field(
        default=None,
        description="The same of held_out; left out where conditions names an array beside the images.",
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

    @property
    def files_given(self) -> dict[str, str]:
        """Paths of the files or folders that images are read from, by the keys that name them."""
        given = {"path": self.path, "held_out": self.held_out}
        given |= {key: place_of(getattr(self, key))[0] for key in CONDITIONS.values()}
        return {key: path for key, path in given.items() if path is not None}

    @model_serializer(mode="wrap")
    def _with_what_is_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without keys that came later where they are not given, so that results of before stay what they are."""
        absent = {key for key in (*LATER, *CONDITIONS.values()) if getattr(self, key) is None}
        return {name: value for name, value in handler(self).items() if name not in absent}


CONDITIONS = {"path": "conditions", "held_out": "held_out_conditions"}
"""The key that says where the conditions of the images of either key are."""


def place_of(location: str | None) -> tuple[str | None, str | None]:
    """The file and the array that FILE, FILE:ARRAY or ARRAY names, by the file's ending; None for what it does not."""
    if location is None:
        return None, None
    file, _, array = location.rpartition(":")
    if PurePath(file).suffix in ARRAY_FILES:
        return file, array
    return (location, None) if PurePath(location).suffix in ARRAY_FILES else (None, location)
