"""The one type that everything speaks: a denoiser D(x, sigma, label) -> estimate of the clean image."""

from typing import Protocol

from torch import Tensor


class Denoiser(Protocol):
    """Estimate of x0 from x = x0 + sigma * n.

    x: (m, *shape); sigma: (m,) positive; label: (m,) int64 in [0, labels), or None for no condition.
    Returns a tensor of x's shape and dtype.
    """

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor: ...
