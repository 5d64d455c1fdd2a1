"""U-Net: the raw network F for images (Ho et al. 2020, arXiv 2006.11239, appendix B; DDPM++ of Song et al. 2021).

Residual blocks of group norm, SiLU and 3x3 convolutions; self-attention at the coarsest resolutions; a skip from every
feature map of the way down to the way up.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from diffbench.denoisers.embedding import Embedding
from diffbench.shapes import Float, Int64

GROUP_CHANNELS = 16
"""Channels that a group norm normalizes together; channel counts are multiples of it."""
HEAD_CHANNELS = 64
"""Channels of an attention head, at most."""


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels, eps=1e-6)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)


def _zeroed(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class PixelLinear(nn.Linear):
    """A 1x1 convolution as a matrix product.

    In channels last no data move, and a CPU spends 5 % (28x28) to 30 % (4x4) less on it, forward and backward.
    """

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Tensor, "m inputs h w"]
    ) -> Float[Tensor, "m outputs h w"]:
        """The linear map of each pixel's channels."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip; the last one starts at 0, so that a fresh block only skips."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.first_norm, self.first = _norm(inputs), _conv(inputs, outputs)
        self.embed = nn.Linear(embedding, outputs)
        self.second_norm, self.second = _norm(outputs), _zeroed(_conv(outputs, outputs))
        self.skip = nn.Identity() if inputs == outputs else PixelLinear(inputs, outputs)
        self.dropout = dropout

    def forward(
        self, x: Float[Tensor, "m inputs h w"], embedding: Float[Tensor, "m features"]
    ) -> Float[Tensor, "m outputs h w"]:
        """The block's feature map."""
        # Sums in place here and below, since the backward of a convolution or product does not need its output.
        hidden = self.first(nnf.silu(self.first_norm(x))).add_(self.embed(embedding)[:, :, None, None])
        hidden = nnf.dropout(nnf.silu(self.second_norm(hidden)), self.dropout, self.training)
        return self.second(hidden).add_(self.skip(x))


class Attention(nn.Module):
    """Self-attention over the pixels, added to its input; starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_CHANNELS)
        self.norm = _norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = _zeroed(nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "m channels h w"]) -> Float[Tensor, "m channels h w"]:
        """What pixels attend to, added to them."""
        m, channels, h, w = x.shape
        parts = self.qkv(self.norm(x).permute(0, 2, 3, 1).reshape(m, h * w, channels)).view(m, h * w, 3, self.heads, -1)
        # Apart before transposed: the gradients of the three come together without another copy.
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))  # (m, heads, h * w, channels / heads)
        mixed = nnf.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(m, h, w, channels)
        return self.out(mixed).add_(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UnetBlock(nn.Module):
    """A residual block, and self-attention after it where the resolution has it."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float, attention: bool) -> None:
        super().__init__()
        self.residual = ResidualBlock(inputs, outputs, embedding, dropout)
        self.attention = Attention(outputs) if attention else nn.Identity()

    def forward(
        self, x: Float[Tensor, "m inputs h w"], embedding: Float[Tensor, "m features"]
    ) -> Float[Tensor, "m outputs h w"]:
        """The block's feature map."""
        return self.attention(self.residual(x, embedding))


@dataclass(frozen=True)
class Architecture:
    """Which blocks a U-Net has: channels and attention by resolution, the finest first, each half as fine as the last.

    blocks: per resolution on the way down; one more on the way up. embedding: features of the embedding.
    """

    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    blocks: int
    embedding: int
    dropout: float

    def block(self, inputs: int, resolution: int) -> UnetBlock:
        """A block at a resolution, from so many channels to its own."""
        return UnetBlock(inputs, self.channels[resolution], self.embedding, self.dropout, self.attention[resolution])

    def way_down(self, width: int) -> tuple[nn.ModuleList, list[int]]:
        """Layers from `width` channels down to the coarsest resolution, and the channels of all feature maps there."""
        layers, maps = nn.ModuleList(), [width]
        for resolution, channels in enumerate(self.channels):
            if resolution > 0:
                layers.append(_conv(maps[-1], maps[-1], stride=2))
                maps.append(maps[-1])
            for _ in range(self.blocks):
                layers.append(self.block(maps[-1], resolution))
                maps.append(channels)
        return layers, maps

    def way_up(self, maps: list[int]) -> nn.ModuleList:
        """Layers from the coarsest resolution up to the finest; each block also takes the last feature map left."""
        layers, skips, width = nn.ModuleList(), list(maps), maps[-1]
        for resolution, channels in reversed(list(enumerate(self.channels))):
            for _ in range(self.blocks + 1):
                layers.append(self.block(width + skips.pop(), resolution))
                width = channels
            if resolution > 0:
                # Convolving before enlarging costs a quarter of the usual order. On digits (unet-tiny, 500 steps, one
                # seed) the loss is 1.7 % higher at equal steps; a step of three resolutions at 28x28 is 9 % faster.
                layers.append(nn.Sequential(_conv(width, width), nn.Upsample(scale_factor=2)))
        return layers


class ResidualUnet(nn.Module):
    """F(x, c_noise, label) for images whose height and width are multiples of 2^(resolutions - 1).

    Resolution i has channels * multipliers[i] channels and, down as up, `blocks` residual blocks (one more on the way
    up); the coarsest `attention_levels` of them have attention. Labels: label_count + 1, the last one null.
    """

    def __init__(
        self,
        image_channels: int,
        label_count: int,
        channels: int,
        multipliers: tuple[int, ...],
        blocks: int,
        attention_levels: int,
        dropout: float = 0.0,
        vectors: Float[Tensor, "labels d"] | None = None,
    ) -> None:
        super().__init__()
        features = 4 * channels
        widths = tuple(channels * multiplier for multiplier in multipliers)
        attention = tuple(index >= len(widths) - attention_levels for index in range(len(widths)))
        architecture = Architecture(widths, attention, blocks, features, dropout)
        self.embedding = Embedding(features, label_count, vectors)
        self.first = _conv(image_channels, channels)
        self.down, maps = architecture.way_down(channels)
        self.middle = nn.ModuleList(
            UnetBlock(widths[-1], widths[-1], features, dropout, attentive)
            for attentive in (attention_levels > 0, False)
        )
        self.up = architecture.way_up(maps)
        self.last_norm, self.last = _norm(widths[0]), _zeroed(_conv(widths[0], image_channels))
        # Channels last spares convolutions a reordering of memory per call, on CPUs and tensor cores alike.
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(
        self, x: Float[Tensor, "m channels h w"], c_noise: Float[Tensor, " m"], label: Int64[Tensor, " m"]
    ) -> Float[Tensor, "m channels h w"]:
        """The raw network's output F."""
        embedding = self.embedding(c_noise, label)
        hidden = self.first(x.contiguous(memory_format=torch.channels_last))
        skips = [hidden]
        for layer in self.down:
            hidden = layer(hidden, embedding) if isinstance(layer, UnetBlock) else layer(hidden)
            skips.append(hidden)
        for layer in self.middle:
            hidden = layer(hidden, embedding)
        for layer in self.up:
            if isinstance(layer, UnetBlock):
                hidden = layer(torch.cat([hidden, skips.pop()], dim=1), embedding)
            else:
                hidden = layer(hidden)
        return self.last(nnf.silu(self.last_norm(hidden))).contiguous()
