"""Feature spaces that are matrices: pixels, PCA, a hidden layer of a classifier. numpy only: many jobs use them.

An encoder (encoder.py) is a feature space too: whatever has a name and turns flat images into features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import PIXELS
from diffbench.measures.neighbors import Images, blocks
from diffbench.shapes import Float, Float32, Float64


@runtime_checkable
class FeatureSpace(Protocol):
    """Where images are compared."""

    @property
    def name(self) -> str:
        """Named beside every value measured in it."""
        ...

    def transform(self, images: Float[Images, "m d"]) -> Float[Images, "m k"]:
        """Flat images to features."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The images themselves."""

    name: str = PIXELS

    def transform(self, images: Float[Images, "m d"]) -> Float[Images, "m d"]:
        """The images, untouched."""
        return images


@dataclass(frozen=True)
class Layer:
    """An affine map, x @ weight + bias."""

    weight: Float64[np.ndarray, "in out"]
    bias: Float64[np.ndarray, " out"]


@dataclass(frozen=True)
class Layered:
    """Affine layers, each followed by max(0, .) if rectified: one plain layer is a PCA, rectified ones a network."""

    name: str
    layers: tuple[Layer, ...]
    rectified: bool

    def transform(self, images: Float[Images, "m d"]) -> Float32[np.ndarray, "m k"]:
        """Flat images to features, block by block in float64. DiffbenchError for images of another size."""
        expected = self.layers[0].weight.shape[0]
        if len(images.shape) != 2 or images.shape[1] != expected:
            raise DiffbenchError(
                f"feature space '{self.name}' takes images of {expected} values, not of shape {tuple(images.shape[1:])}"
            )
        result = np.empty((images.shape[0], self.layers[-1].weight.shape[1]), np.float32)
        for rows in blocks(images):
            values = np.asarray(images[rows], np.float64)
            for layer in self.layers:
                values = values @ layer.weight + layer.bias
                if self.rectified:
                    np.maximum(values, 0, out=values)
            result[rows] = values
        return result

    def arrays(self) -> dict[str, Float64[np.ndarray, "..."]]:
        """The layers by name, for a file."""
        named: dict[str, np.ndarray] = {}
        for index, layer in enumerate(self.layers):
            named |= {f"weight{index}": layer.weight, f"bias{index}": layer.bias}
        return named

    @staticmethod
    def of(name: str, arrays: Mapping[str, Any], rectified: bool) -> "Layered":
        """The space whose `arrays` a file holds."""
        layers: list[Layer] = []
        while f"weight{len(layers)}" in arrays:
            index = len(layers)
            layers.append(Layer(arrays[f"weight{index}"][:], arrays[f"bias{index}"][:]))
        return Layered(name, tuple(layers), rectified)
