"""Residual MLP: the raw network F for small or flat images."""

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from diffbench.denoisers.embedding import Embedding
from diffbench.shapes import Float, Int64

EMBEDDING = 64
"""Width of the embedding of noise level and label: small, since each block projects it anew."""


class Block(nn.Module):
    """h + W2 silu(W1 norm(h) + embed(embedding)); W2 starts at 0, so that a fresh block is the identity.

    Norms have no gain or bias, which the matrix after them would absorb. Both sums ride on a matrix product (addmm)
    instead of passing over memory once more.
    """

    def __init__(self, width: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Linear(embedding, width)
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)
        self.dropout = dropout
        nn.init.zeros_(self.second.weight)

    def forward(
        self, hidden: Float[Tensor, "m width"], embedding: Float[Tensor, "m features"]
    ) -> Float[Tensor, "m width"]:
        """The block's output."""
        normed = nnf.layer_norm(hidden, hidden.shape[1:])
        inner = nnf.silu(torch.addmm(self.embed(embedding), normed, self.first.weight.T))
        inner = nnf.dropout(inner, self.dropout, self.training)
        return torch.addmm(hidden, inner, self.second.weight.T)


class ResidualMlp(nn.Module):
    """F(x, c_noise, label) for images of any shape, flattened; label_count + 1 labels, the last one null."""

    def __init__(
        self,
        dimension: int,
        label_count: int,
        width: int,
        blocks: int,
        dropout: float = 0.0,
        vectors: Float[Tensor, "labels d"] | None = None,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(EMBEDDING, label_count, vectors)
        self.first = nn.Linear(dimension, width)
        self.blocks = nn.ModuleList(Block(width, EMBEDDING, dropout) for _ in range(blocks))
        self.last = nn.Linear(width, dimension)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, x: Float[Tensor, " m *shape"], c_noise: Float[Tensor, " m"], label: Int64[Tensor, " m"]
    ) -> Float[Tensor, " m *shape"]:
        """The raw network's output F."""
        embedding = self.embedding(c_noise, label)
        hidden = self.first(x.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, embedding)
        return self.last(nnf.silu(nnf.layer_norm(hidden, hidden.shape[1:]))).view(x.shape)
