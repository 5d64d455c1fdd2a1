"""Feature spaces that are matrices: pixels, PCA, a hidden layer of a classifier. numpy only: many jobs use them.

An encoder (encoder.py) is a feature space too: whatever has a name and turns flat images into features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import PIXELS
from diffbench.measures.neighbors import Images, blocks

Floats = NDArray[np.float64]
Features = NDArray[np.float32]


class FeatureSpace(Protocol):
    """Where images are compared."""

    @property
    def name(self) -> str:
        """Named beside every value measured in it."""
        ...

    def transform(self, images: Images) -> Any:
        """Flat images (m, d) to features (m, k)."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The images themselves."""

    name: str = PIXELS

    def transform(self, images: Images) -> Images:
        """The images, untouched."""
        return images


@dataclass(frozen=True)
class Layer:
    """x @ weight + bias."""

    weight: Floats  # (in, out)
    bias: Floats  # (out,)


@dataclass(frozen=True)
class Layered:
    """Affine layers, each followed by max(0, .) if rectified: one plain layer is a PCA, rectified ones a network."""

    name: str
    layers: tuple[Layer, ...]
    rectified: bool

    def transform(self, images: Images) -> Features:
        """Flat images (m, d) to features (m, k), block by block in float64. DiffbenchError for another d."""
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

    def arrays(self) -> dict[str, Floats]:
        """The layers by name, for a file."""
        named: dict[str, Floats] = {}
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
