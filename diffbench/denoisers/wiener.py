"""The best affine denoiser of a training set: what a network must beat to have learned more than second moments."""

import torch
from torch import Tensor

from diffbench.shapes import Float, Int64


class WienerDenoiser:
    """D_lin(x, sigma) = mu + S (S + sigma^2 I)^-1 (x - mu), the Wiener filter.

    points: the training images; mu and S are their mean and covariance (over n, not n - 1), so that no affine denoiser
    has a lower expected loss on them. Labels are not used. Computes in float64 and returns x's dtype. Holds min(n, d)
    eigenvectors, no more values than the images or d x d.
    """

    def __init__(self, points: Float[Tensor, " n *shape"]) -> None:
        flat = points.flatten(1).double()
        self.mean = flat.mean(dim=0)
        centred = flat - self.mean
        n, d = centred.shape
        if n < d:
            _, singular, basis = torch.linalg.svd(centred, full_matrices=False)
            self.variances, self.basis = singular**2 / n, basis  # (n,), (n, d)
        else:
            values, vectors = torch.linalg.eigh(centred.T @ centred / n)
            self.variances, self.basis = values.clamp_min(0), vectors.T  # (d,), (d, d)

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """The filtered images; directions in which the training images do not vary come out at the mean."""
        along = (x.flatten(1).double() - self.mean) @ self.basis.T
        kept = self.variances / (self.variances + sigma.double()[:, None] ** 2)
        return (self.mean + (along * kept) @ self.basis).view(x.shape).to(x.dtype)
