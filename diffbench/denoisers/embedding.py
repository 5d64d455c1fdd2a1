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


class VectorEmbedding(nn.Module):
    """linear(vectors[label]), in the place of a table; the label after the last vector is null and has its own row.

    vectors (labels, d) are given, not learned, and no part of the weights.
    """

    def __init__(self, features: int, vectors: Float[Tensor, "labels d"]) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors, persistent=False)
        self.linear = nn.Linear(vectors.shape[1], features)
        self.null = nn.Parameter(torch.randn(features))

    def forward(self, label: Int64[Tensor, " m"]) -> Float[Tensor, "m features"]:
        """The embedding of each label."""
        vectors = self.get_buffer("vectors")
        given = self.linear(vectors[label.clamp(max=len(vectors) - 1)])
        return torch.where((label < len(vectors))[:, None], given, self.null)


class Embedding(nn.Module):
    """silu(linear(Fourier(c_noise)) + table[label]), or the map of `vectors`, where labels stand for such.

    The table has label_count + 1 rows, the last of which is the null label.
    """

    def __init__(self, features: int, label_count: int, vectors: Float[Tensor, "labels d"] | None = None) -> None:
        super().__init__()
        self.noise = nn.Sequential(Fourier(features), nn.Linear(features, features))
        table = vectors is None
        self.label = nn.Embedding(label_count + 1, features) if table else VectorEmbedding(features, vectors)

    def forward(self, c_noise: Float[Tensor, " m"], label: Int64[Tensor, " m"]) -> Float[Tensor, "m features"]:
        """The embedding of each image's noise level and label."""
        return nnf.silu(self.noise(c_noise) + self.label(label))
