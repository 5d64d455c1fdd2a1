"""Diffusion transformer: the raw network F on patches of images (Peebles & Xie 2022, arXiv 2212.09748)."""

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from diffbench.denoisers.embedding import Embedding
from diffbench.shapes import Float, Int64


def grid_positions(rows: int, columns: int, width: int) -> Float[Tensor, "{rows*columns} {width}"]:
    """Sines and cosines of each patch's row and column; width is a multiple of 4."""
    frequencies = 10000 ** -(torch.arange(width // 4) / (width // 4))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = torch.cat([row.reshape(-1, 1) * frequencies, column.reshape(-1, 1) * frequencies], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Modulation(nn.Module):
    """Maps the embedding to `parts` vectors of the tokens' width; starts at 0."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, embedding: Float[Tensor, "m width"]) -> tuple[Float[Tensor, "m 1 width"], ...]:
        """The vectors, in the order that the block uses them."""
        return self.linear(embedding)[:, None].chunk(self.parts, dim=-1)


def modulated_norm(
    tokens: Float[Tensor, "m tokens width"], shift: Float[Tensor, "m 1 width"], scale: Float[Tensor, "m 1 width"]
) -> Float[Tensor, "m tokens width"]:
    """Layer norm whose gain and bias come from the embedding: norm(tokens) (1 + scale) + shift."""
    return torch.addcmul(shift, nnf.layer_norm(tokens, tokens.shape[-1:]), 1 + scale)


class Block(nn.Module):
    """Gated attention and gated MLP over tokens; gates start at 0 (adaLN-Zero).

    The MLP's SiLU stands for GELU, which x sigmoid(1.702 x) approximates (Hendrycks & Gimpel, arXiv 1606.08415): equal
    up to a factor that the weights absorb, at an eighth of its cost on a CPU.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = Modulation(width, parts=6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.dropout = dropout

    def forward(
        self, tokens: Float[Tensor, "m tokens width"], embedding: Float[Tensor, "m width"]
    ) -> Float[Tensor, "m tokens width"]:
        """The block's tokens."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(embedding)
        tokens = torch.addcmul(tokens, gate_a, self._attend(modulated_norm(tokens, shift_a, scale_a)))
        inner = nnf.silu(self.expand(modulated_norm(tokens, shift_m, scale_m)))
        inner = nnf.dropout(inner, self.dropout, self.training)
        return torch.addcmul(tokens, gate_m, self.contract(inner))

    def _attend(self, tokens: Float[Tensor, "m tokens width"]) -> Float[Tensor, "m tokens width"]:
        m, count, _ = tokens.shape
        # Apart before transposed: the gradients of the three come together without another copy.
        parts = self.qkv(tokens).view(m, count, 3, self.heads, -1).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        mixed = nnf.scaled_dot_product_attention(query, key, value)  # (m, heads, tokens, width / heads)
        return self.out(mixed.transpose(1, 2).reshape(tokens.shape))


class DiffusionTransformer(nn.Module):
    """F(x, c_noise, label) for images whose height and width are multiples of `patch`.

    shape: of one image, (channels, h, w). Labels: label_count + 1, the last one null.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        label_count: int,
        width: int,
        depth: int,
        heads: int,
        patch: int,
        dropout: float = 0.0,
        vectors: Float[Tensor, "labels d"] | None = None,
    ) -> None:
        super().__init__()
        channels, rows, columns = shape
        self.patch = patch
        self.grid = (rows // patch, columns // patch)
        self.embedding = Embedding(width, label_count, vectors)
        self.first = nn.Linear(channels * patch**2, width)
        self.register_buffer("positions", grid_positions(*self.grid, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.modulation = Modulation(width, parts=2)
        self.last = nn.Linear(width, channels * patch**2)
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear) and "modulation" not in name:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)

    def forward(
        self, x: Float[Tensor, "m channels h w"], c_noise: Float[Tensor, " m"], label: Int64[Tensor, " m"]
    ) -> Float[Tensor, "m channels h w"]:
        """The raw network's output F."""
        embedding = self.embedding(c_noise, label)
        tokens = self.first(self._to_patches(x)) + self.get_buffer("positions")
        for block in self.blocks:
            tokens = block(tokens, embedding)
        shift, scale = self.modulation(embedding)
        return self._to_images(self.last(modulated_norm(tokens, shift, scale)))

    def _to_patches(self, x: Float[Tensor, "m channels h w"]) -> Float[Tensor, "m patches values"]:
        """Each patch's values, channels * patch^2."""
        return nnf.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2)

    def _to_images(self, patches: Float[Tensor, "m patches values"]) -> Float[Tensor, "m channels h w"]:
        return nnf.pixel_shuffle(patches.transpose(1, 2).unflatten(2, self.grid), self.patch)
