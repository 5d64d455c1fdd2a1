"""The optimal denoiser of a training set, D*(x, sigma) = sum_i w_i x_i with w the posterior weights."""

import torch
from torch import Tensor

from diffbench.denoisers.leading import MOST, LeadingPoints, mean_of_leading
from diffbench.denoisers.posterior import carriers, posterior
from diffbench.shapes import Bool, Float, Float64, Int64

BLOCK_ELEMENTS = 2**24
"""Posterior weights held at once (128 MB in float64)."""

PROBED = 8
"""Queries that tell whether few points carry the weight at a level; where many do, float32 would be in vain."""


class OptimalDenoiser:
    """The minimizer of the denoising loss over a finite training set (Karras et al. 2022, appendix B.3).

    points: the training images. Given a label, a call uses only the images that carry it, or all if none does; without
    a label it uses all.
    Computes in float64 and returns x's dtype; float32 only finds the points whose weight is 0 in float64.
    """

    def __init__(self, points: Float[Tensor, " n *shape"], labels: Int64[Tensor, " n"] | None = None) -> None:
        self.points = points.flatten(1).double()
        self.labels = labels
        self._leading = LeadingPoints(points.flatten(1).float(), self.points.square().sum(dim=1) / 2)

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """The posterior mean over the training images, level by level."""
        flat = x.flatten(1).double()
        result = torch.empty_like(flat)
        rows = max(1, BLOCK_ELEMENTS // len(self.points))
        for level in torch.unique(sigma):
            at_level = torch.nonzero(sigma == level)[:, 0]
            for block in at_level.split(rows):
                allowed = None if label is None or self.labels is None else carriers(label[block], self.labels)
                result[block] = self._mean(flat[block], float(level), allowed)
        return result.view(x.shape).to(x.dtype)

    def _mean(
        self, x: Float64[Tensor, "b d"], sigma: float, allowed: Bool[Tensor, "b n"] | None
    ) -> Float64[Tensor, "b d"]:
        """At one level, from few points where few carry weight, else from all."""
        most = min(MOST, len(self.points) // MOST)
        some = slice(None, None, max(1, len(x) // PROBED))
        probe = self._leading.of(x[some], sigma, None if allowed is None else allowed[some])
        if 2 * int((probe.sum(dim=1) > most).sum()) > len(probe):
            return posterior(x, self.points, sigma, allowed, torch).weights @ self.points
        leading = self._leading.of(x, sigma, allowed)
        counts = leading.sum(dim=1)
        few = (counts > 0) & (counts <= most)
        mean = torch.empty_like(x)
        if few.any():
            mean[few] = mean_of_leading(x[few], self.points, sigma, leading[few])
        if not few.all():
            rest = None if allowed is None else allowed[~few]
            mean[~few] = posterior(x[~few], self.points, sigma, rest, torch).weights @ self.points
        return mean
