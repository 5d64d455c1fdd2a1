"""The one type that everything speaks: a denoiser D(x, sigma, label)."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Int64

BATCH = 512
"""Images per forward pass."""


class NoiseError(DiffbenchError):
    """A denoiser is asked about more noise than it knows, which is sigma = largest."""

    def __init__(self, sigma: float, largest: float) -> None:
        super().__init__(
            f"sigma {sigma:.4g} is beyond the schedule's largest, {largest:.4g};"
            " lower sampling.sigma_max and measures.gap.sigma_max"
        )
        self.largest = largest


@runtime_checkable
class Denoiser(Protocol):
    """Estimate of the clean image x0 from x = x0 + sigma * n."""

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimates (m, *shape) in x's dtype.

        sigma: positive, one per image. label: in [0, labels), or None for no condition.
        """
        ...
