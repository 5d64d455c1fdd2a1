"""PCA-locality: for each output pixel an optimum of its own, which sees only the pixels that a linear filter uses."""

import torch
from torch import Tensor

from diffbench.denoisers.posterior import half_squares, posterior_of_scores
from diffbench.denoisers.progress import evaluated
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.shapes import Bool, Float, Float64, Int64

THRESHOLD = 0.02
"""Share of the largest sensitivity from which on a pixel is seen."""

BLOCK_ELEMENTS = 2**22
"""Values of training images that are held at once in float64 (32 MB)."""

SCORES = 2**24
"""Posterior weights that are held at once (128 MB)."""


class LocalityDenoiser:
    """D_p(x, sigma) = sum_i w_ip x_ip, w_ip = softmax_i(-sum_q m_pq (x_q - x_iq)^2 / 2 sigma^2), m of `mask`.

    Lukoianov et al., Locality in Image Diffusion Models Emerges from Data Statistics, NeurIPS 2025 (arXiv 2509.09672).
    points: the training images; wiener: their Wiener filter. Labels play no part. It computes in float64, and only the
    output pixels that are asked for, since each costs what the optimum does for a whole image.
    """

    def __init__(self, points: Float[Tensor, " n *shape"], wiener: WienerDenoiser) -> None:
        self.points = points.flatten(1)
        self.wiener = wiener

    def at_level(
        self, x: Float[Tensor, " m *shape"], sigma: float, pixels: Int64[Tensor, " p"]
    ) -> Float64[Tensor, "m p"]:
        """The estimates of some pixels, indices into a flat image, of images that are all at one noise level."""
        return masked_means(x.flatten(1).double(), self.points, sigma, pixels, self.mask(sigma, pixels))

    def mask(self, sigma: float, pixels: Int64[Tensor, " p"]) -> Bool[Tensor, "p d"]:
        """Which pixels q each pixel p sees: |P_pq| >= THRESHOLD max_q |P_pq| in the filter P = S (S + sigma^2 I)^-1.

        A pixel that is the same in all training images sees none: it needs none. The authors' program, by others who
        describe it, divides P_pq by P_pp and takes the largest of all entries; then one nearly constant pixel leaves
        the others blind (of Fashion-MNIST's 96 % and more).
        """
        directions = self.wiener.directions
        gains = self.wiener.variances / (self.wiener.variances + sigma**2)
        sensitivity = ((directions[pixels] * gains) @ directions.mT).abs()
        largest = sensitivity.amax(dim=1, keepdim=True)
        return (sensitivity >= THRESHOLD * largest) & (largest > torch.finfo(torch.float64).eps)


def masked_means(
    x: Float64[Tensor, "m d"],
    points: Float[Tensor, "n d"],
    sigma: float,
    pixels: Int64[Tensor, " p"],
    mask: Bool[Tensor, "p d"],
) -> Float64[Tensor, "m p"]:
    """For each of `pixels` the posterior mean of the points' values there, given x where its row of `mask` sees it."""
    means, most = torch.empty(len(x), len(pixels), dtype=x.dtype, device=x.device), max(1, SCORES // len(points))
    for column, (pixel, seen) in enumerate(zip(pixels, mask, strict=True)):
        inside = torch.nonzero(seen)[:, 0]
        value = points[:, pixel].double()
        for part, block in zip(x[:, inside].split(most), means[:, column].split(most), strict=True):
            block.copy_(posterior_of_scores(part, _scores(part, points, inside), sigma, None, torch).weights @ value)
        evaluated(len(x))
    return means


def _scores(
    x: Float64[Tensor, "b k"], points: Float[Tensor, "n d"], inside: Int64[Tensor, " k"]
) -> Float64[Tensor, "b n"]:
    """x.x_i - ||x_i||^2 / 2 over the pixels `inside`: in float64 it loses no digits that tell points apart."""
    blocks = (block[:, inside].double() for block in points.split(max(1, BLOCK_ELEMENTS // points.shape[1])))
    return torch.cat([x @ block.mT - half_squares(block) for block in blocks], dim=1)
