"""Residual MLP: the raw network F for small or flat images."""

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn


EMBEDDING = 64
"""Width of the embedding of noise level and label: small, since each block projects it anew."""


class Fourier(nn.Module):
    """Sine and cosine features of the noise level at fixed, geometrically spaced frequencies: (m,) -> (m, features)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-2, 1, features // 2), persistent=False)

    def forward(self, c_noise: Tensor) -> Tensor:
        angles = c_noise[:, None] * self.get_buffer("frequencies")
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class Block(nn.Module):
    """h + W2 silu(W1 norm(h) + embedding); W2 starts at 0, so that a fresh block is the identity."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.embed = nn.Linear(embedding, width, bias=False)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        return hidden + self.second(nnf.silu(self.first(self.norm(hidden)) + self.embed(embedding)))


class ResidualMlp(nn.Module):
    """F(x, c_noise, label) for images of any shape, flattened; label_count + 1 labels, the last one null."""

    def __init__(self, dimension: int, label_count: int, width: int, blocks: int) -> None:
        super().__init__()
        self.noise = nn.Sequential(Fourier(EMBEDDING), nn.Linear(EMBEDDING, EMBEDDING))
        self.label = nn.Embedding(label_count + 1, EMBEDDING)
        self.first = nn.Linear(dimension, width)
        self.blocks = nn.ModuleList(Block(width, EMBEDDING) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, dimension)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        embedding = nnf.silu(self.noise(c_noise) + self.label(label))
        hidden = self.first(x.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, embedding)
        return self.last(nnf.silu(self.norm(hidden))).view(x.shape)
