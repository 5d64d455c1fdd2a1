"""EDM preconditioning: from a network F to a denoiser D (Karras et al. 2022, arXiv 2206.00364, table 1)."""

import torch
from torch import Tensor, nn

from diffbench.conventions import SIGMA_DATA
from diffbench.shapes import Float, Int64


class Preconditioned(nn.Module):
    """D(x, sigma, label) = c_skip x + c_out F(c_in x, c_noise, label).

    The network F takes (x, c_noise (m,), label (m,) int64) with labels in [0, label_count], the last of which is the
    null label that stands for "no condition". F computes in float32; the rest keeps x's dtype.
    """

    def __init__(self, network: nn.Module, label_count: int) -> None:
        super().__init__()
        self.network = network
        self.null_label = label_count

    def forward(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimate of x0 in x's dtype."""
        if label is None:
            label = torch.full((len(x),), self.null_label, device=x.device)
        s = sigma.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        total = (s**2 + SIGMA_DATA**2).sqrt()
        c_skip, c_out, c_in = (SIGMA_DATA / total) ** 2, s * SIGMA_DATA / total, 1 / total
        raw = self.network((c_in * x).float(), (sigma.log() / 4).float(), label)
        return c_skip * x + c_out * raw.to(x.dtype)


def loss_weight(sigma: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Weight of the denoising loss, (sigma^2 + sd^2) / (sigma sd)^2 = 1 / c_out^2."""
    return (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
