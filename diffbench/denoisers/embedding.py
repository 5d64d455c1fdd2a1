"""How every network here sees noise level and condition: one vector, the sum of an embedding of each."""

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from diffbench.shapes import Float, Int64


class Fourier(nn.Module):
    """Sines and cosines of the noise level at geometrically spaced frequencies."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-2, 1, features // 2), persistent=False)

    def forward(self, c_noise: Float[Tensor, " m"]) -> Float[Tensor, "m features"]:
        """Cosines, then sines."""
        angles = c_noise[:, None] * self.get_buffer("frequencies")
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class Embedding(nn.Module):
    """silu(linear(Fourier(c_noise)) + table[label]).

    The table has label_count + 1 rows, the last of which is the null label.
    """

    def __init__(self, features: int, label_count: int) -> None:
        super().__init__()
        self.noise = nn.Sequential(Fourier(features), nn.Linear(features, features))
        self.label = nn.Embedding(label_count + 1, features)

    def forward(self, c_noise: Float[Tensor, " m"], label: Int64[Tensor, " m"]) -> Float[Tensor, "m features"]:
        """The embedding of each image's noise level and label."""
        return nnf.silu(self.noise(c_noise) + self.label(label))
