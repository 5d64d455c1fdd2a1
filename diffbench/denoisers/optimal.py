"""The optimal denoiser of a training set, D*(x, sigma) = sum_i w_i x_i with w the posterior weights."""

import torch
from torch import Tensor

from diffbench.denoisers.posterior import carriers, posterior
from diffbench.shapes import Float, Int64

BLOCK_ELEMENTS = 2**24
"""Posterior weights held at once (128 MB in float64)."""


class OptimalDenoiser:
    """The minimizer of the denoising loss over a finite training set (Karras et al. 2022, appendix B.3).

    points: the training images. Given a label, a call uses only the images that carry it, or all if none does; without
    a label it uses all.
    Computes in float64 and returns x's dtype.
    """

    def __init__(self, points: Float[Tensor, " n *shape"], labels: Int64[Tensor, " n"] | None = None) -> None:
        self.points = points.flatten(1).double()
        self.labels = labels

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
                weights = posterior(flat[block], self.points, float(level), allowed, torch).weights
                result[block] = weights @ self.points
        return result.view(x.shape).to(x.dtype)
