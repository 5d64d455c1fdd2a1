"""Guidance: D_w = D + w * (D - D_neg), with w = 0 off, optionally only for sigma in (lo, hi].

Classifier-free guidance: D_neg is the same network without its label (Ho & Salimans, arXiv 2207.12598).
Autoguidance: D_neg is a smaller or less trained network with the same label (Karras et al., arXiv 2406.02507).
Interval: Kynkaanniemi et al., arXiv 2404.07724. In their notation the weight is 1 + w.
"""

from typing import Literal

from torch import Tensor

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.blends import extrapolate
from diffbench.shapes import Float, Int64


class Guided:
    """A denoiser pushed away from a worse one.

    weight: w; 0 is off, and then `negative` is never evaluated.
    interval: (lo, hi): w acts only for lo < sigma <= hi, sample by sample; None: at every sigma.
    negative_label: "none" withholds the label from `negative`: classifier-free guidance; "same" passes it on to it:
    autoguidance.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        negative: Denoiser,
        weight: float,
        interval: tuple[float, float] | None = None,
        negative_label: Literal["same", "none"] = "same",
    ) -> None:
        if interval is not None and not 0 <= interval[0] < interval[1]:
            raise DiffbenchError(f"guidance interval: {interval} is empty; give 0 <= lo < hi in units of sigma")
        self.denoiser = denoiser
        self.negative = negative
        self.weight = weight
        self.interval = interval
        self.negative_label = negative_label

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """D_w in the interval, D outside it."""
        positive = self.denoiser(x, sigma, label)
        if self.weight == 0:
            return positive
        other = None if self.negative_label == "none" else label
        if self.interval is None:
            return extrapolate(positive, self.negative(x, sigma, other), self.weight)
        active = (sigma > self.interval[0]) & (sigma <= self.interval[1])
        if not active.any():
            return positive
        negative = self.negative(x[active], sigma[active], None if other is None else other[active])
        guided = positive.clone()
        guided[active] = extrapolate(positive[active], negative, self.weight)
        return guided
