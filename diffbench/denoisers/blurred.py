"""The error-prone denoiser y_delta: the optimum for training data blurred by N(0, delta^2 I).

y_delta(x, s) = [delta^2 x + s^2 y*(x, s~)] / (s^2 + delta^2), s~^2 = s^2 + delta^2 (Kaiser & Kollmann, arXiv
2603.13419). This file needs no torch at run time, so that the two-dimensional laboratory can use the formula
on numpy arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.conventions import DiffbenchError

if TYPE_CHECKING:
    from torch import Tensor

    from diffbench.denoisers.base import Denoiser


def check_delta(delta: float) -> None:
    """Refuse an error scale that is not a positive finite number."""
    if not 0 < delta < float("inf"):
        raise DiffbenchError(f"delta: {delta} is not an error scale; give a number > 0 in the units of the data")


def blend(x: Any, sharp: Any, sigma: Any, delta: float) -> Any:
    """y_delta from the optimum `sharp` = y*(x, s~), by the equation above. numpy arrays or torch tensors,
    sigma a number or broadcast against x.
    """
    return (delta**2 * x + sigma**2 * sharp) / (sigma**2 + delta**2)


class BlurredOptimalDenoiser:
    """y_delta over the optimal denoiser of a training set (any label is passed on to it).

    optimal: the closed-form optimum y*; delta: error scale > 0, in the units of the data.
    """

    def __init__(self, optimal: Denoiser, delta: float) -> None:
        check_delta(delta)
        self.optimal = optimal
        self.delta = delta

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        sharp = self.optimal(x, (sigma**2 + self.delta**2).sqrt(), label)
        return blend(x, sharp, sigma.view(-1, *[1] * (x.ndim - 1)), self.delta).to(x.dtype)
