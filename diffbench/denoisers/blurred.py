"""The error-prone denoiser y_delta: the optimum for training data blurred by N(0, delta^2 I)."""

from torch import Tensor

from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.blends import blur, check_delta
from diffbench.shapes import Float, Int64


class BlurredOptimalDenoiser:
    """y_delta over the optimal denoiser of a training set (any label is passed on to it).

    optimal: the closed-form optimum y*; delta: error scale > 0, in the units of the data.
    """

    def __init__(self, optimal: Denoiser, delta: float) -> None:
        check_delta(delta)
        self.optimal = optimal
        self.delta = delta

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """The posterior mean for the blurred training data."""
        sharp = self.optimal(x, (sigma**2 + self.delta**2).sqrt(), label)
        return blur(x, sharp, sigma.view(-1, *[1] * (x.ndim - 1)), self.delta).to(x.dtype)
