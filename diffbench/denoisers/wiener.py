"""The Wiener filter of a training set: the best affine denoiser, from mean and covariance alone."""

import torch
from torch import Tensor

from diffbench.shapes import Float, Float64, Int64


class WienerDenoiser:
    """D(x, sigma) = mu + S (S + sigma^2 I)^-1 (x - mu), with mean mu and covariance S (1/n) of the training images.

    Of all affine maps it has the least denoising loss over the training set (Wiener 1949), and of all maps if the
    images are Gaussian. points: the training images, at least one; labels play no part.
    Computes in float64 and returns x's dtype. With r = min(n, d) it keeps d r values at most, no more than the images
    have, and takes one more copy of the images and about 4 r^2 values while it is made, from the eigenvectors of the
    smaller of the two Gram matrices.
    """

    def __init__(self, points: Float[Tensor, " n *shape"]) -> None:
        self.mean = points.flatten(1).double().mean(dim=0)
        self.variances, self.directions = _principal(points.flatten(1) - self.mean)

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """The linear estimate; whatever lies outside the span of the training images becomes the mean's."""
        parts = (x.flatten(1).double() - self.mean) @ self.directions  # (m, r)
        gains = self.variances / (self.variances + sigma.double()[:, None] ** 2)
        return (self.mean + (gains * parts) @ self.directions.mT).view(x.shape).to(x.dtype)


def _principal(centered: Float64[Tensor, "n d"]) -> tuple[Float64[Tensor, " r"], Float64[Tensor, "d r"]]:
    """Variances above rounding, and their directions as orthonormal columns."""
    n, d = centered.shape
    gram = centered @ centered.mT if n < d else centered.mT @ centered
    variances, vectors = torch.linalg.eigh(gram / n)
    kept = variances > max(n, d) * torch.finfo(torch.float64).eps * variances[-1]
    variances, vectors = variances[kept], vectors[:, kept]
    return variances, centered.mT @ (vectors / (n * variances).sqrt()) if n < d else vectors
