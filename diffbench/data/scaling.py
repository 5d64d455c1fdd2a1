"""The scale of pixels: every stage works on (raw - mean) * scale, whose standard deviation is SIGMA_DATA."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import SIGMA_DATA, DiffbenchError
from diffbench.data.raw_images import blocks

Lengths = TypeVar("Lengths", float, NDArray[np.float64])
"""Distances, noise levels, or points about the mean."""


@dataclass(frozen=True)
class Scaling:
    """Between raw values and scaled ones, which are (raw - mean) * scale."""

    mean: float
    """Of the training pool, in raw units."""
    scale: float

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self:
        """The scaling that the data file has among its attributes."""
        return cls(attributes["mean"], attributes["scale"])

    @property
    def attributes(self) -> dict[str, float]:
        """As attributes of the data file."""
        return asdict(self)

    def scaled(self, raw: np.ndarray) -> NDArray[np.float32]:
        """Raw values as scaled ones, computed in float64."""
        return ((raw.astype(np.float64) - self.mean) * self.scale).astype(np.float32)

    def raw(self, scaled: np.ndarray) -> NDArray[np.float64]:
        """Scaled values in raw units."""
        return np.asarray(scaled, np.float64) / self.scale + self.mean

    @property
    def to_raw(self) -> tuple[float, float]:
        """Factors (p, q) that take scaled values x to raw ones, p x + q."""
        return 1 / self.scale, self.mean

    def to_range(self, low: float, high: float) -> tuple[float, float]:
        """Factors (p, q) that take scaled values x to p x + q, which is -1 and 1 where raw values are low and high."""
        return 2 / self.scaled_lengths(high - low), 2 * (self.mean - low) / (high - low) - 1

    def scaled_lengths(self, raw: Lengths) -> Lengths:
        """Lengths in raw units as lengths in scaled ones."""
        return raw * self.scale

    def raw_lengths(self, scaled: Lengths) -> Lengths:
        """Lengths in scaled units as lengths in raw ones."""
        return scaled / self.scale


def fitted_scaling(pool: np.ndarray) -> Scaling:
    """The scaling that gives the values of a training pool mean 0 and standard deviation SIGMA_DATA."""
    mean = sum(float(block.sum()) for block in blocks(pool)) / pool.size
    variance = sum(float(np.square(block - mean).sum()) for block in blocks(pool)) / pool.size
    if variance == 0:
        raise DiffbenchError("the training pool is constant: its images cannot be scaled to standard deviation 0.5")
    return Scaling(mean, SIGMA_DATA / variance**0.5)
