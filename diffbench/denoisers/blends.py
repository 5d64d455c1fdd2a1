"""Two estimates of an image become one: formulas that take numpy arrays or torch tensors, and import neither.

The two-dimensional laboratory computes with arrays and loads no torch; the denoisers of images compute with tensors.
"""

from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float


def check_delta(delta: float) -> None:
    """Refuse an error scale that is not a positive finite number."""
    if not 0 < delta < float("inf"):
        raise DiffbenchError(f"delta: {delta} is not an error scale; give a number > 0 in the units of the data")


def blur(
    x: Float[Any, " m *shape"], sharp: Float[Any, " m *shape"], sigma: float | Float[Any, "..."], delta: float
) -> Float[Any, " m *shape"]:
    """The error-prone y_delta(x, s) = [delta^2 x + s^2 y*(x, s~)] / (s^2 + delta^2), s~^2 = s^2 + delta^2.

    sharp: the optimum y*(x, s~). sigma: s, a number or broadcast against x. Kaiser & Kollmann, arXiv 2603.13419.
    """
    return (delta**2 * x + sigma**2 * sharp) / (sigma**2 + delta**2)


def extrapolate(
    positive: Float[Any, " m *shape"], negative: Float[Any, " m *shape"], weight: float
) -> Float[Any, " m *shape"]:
    """D + w * (D - D_neg): away from the worse of two estimates."""
    return positive + weight * (positive - negative)
