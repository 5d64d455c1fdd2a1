"""U-Net: the raw network F for images (Ho et al. 2020, arXiv 2006.11239, appendix B; Song et al. 2021,
DDPM++).

Residual blocks of group norm, SiLU and 3x3 convolutions; self-attention at the coarsest levels; a skip from
every feature map of the way down to the way up.
"""

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from diffbench.denoisers.embedding import Embedding

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
    """A 1x1 convolution (m, inputs, h, w) -> (m, outputs, h, w) as a matrix product: in channels last no data move, and
    a CPU spends 5 % (28x28) to 30 % (4x4) less on it, forward and backward.
    """

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """(m, inputs, h, w) -> (m, outputs, h, w); the last convolution starts at 0, so that a fresh block only
    skips."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.first_norm, self.first = _norm(inputs), _conv(inputs, outputs)
        self.embed = nn.Linear(embedding, outputs)
        self.second_norm, self.second = _norm(outputs), _zeroed(_conv(outputs, outputs))
        self.skip = nn.Identity() if inputs == outputs else PixelLinear(inputs, outputs)
        self.dropout = dropout

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        # Sums in place here and below, since the backward of a convolution or product does not need its output.
        hidden = self.first(nnf.silu(self.first_norm(x))).add_(self.embed(embedding)[:, :, None, None])
        hidden = nnf.dropout(nnf.silu(self.second_norm(hidden)), self.dropout, self.training)
        return self.second(hidden).add_(self.skip(x))


class Attention(nn.Module):
    """Self-attention over the pixels of (m, channels, h, w), added to its input; starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_CHANNELS)
        self.norm = _norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = _zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        m, channels, h, w = x.shape
        parts = self.qkv(self.norm(x).permute(0, 2, 3, 1).reshape(m, h * w, channels)).view(m, h * w, 3, self.heads, -1)
        # Apart before transposed: the gradients of the three come together without another copy.
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))  # (m, heads, h * w, channels / heads)
        mixed = nnf.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(m, h, w, channels)
        return self.out(mixed).add_(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """A residual block, and self-attention after it where the level has it."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float, attention: bool) -> None:
        super().__init__()
        self.residual = ResidualBlock(inputs, outputs, embedding, dropout)
        self.attention = Attention(outputs) if attention else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.attention(self.residual(x, embedding))


class ResidualUnet(nn.Module):
    """F(x, c_noise, label) for images (m, image_channels, h, w); h and w are multiples of 2^(levels - 1).

    Level i has channels * multipliers[i] channels and, down as up, `blocks` residual blocks (one more on the
    way up); the coarsest `attention_levels` levels have attention. Labels: label_count + 1, the last one
    null.
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
    ) -> None:
        super().__init__()
        features = 4 * channels
        widths = [channels * multiplier for multiplier in multipliers]
        levels = list(range(len(widths)))
        attentive = {level: level >= len(levels) - attention_levels for level in levels}
        self.embedding = Embedding(features, label_count)
        self.first = _conv(image_channels, channels)

        skips, width = [channels], channels
        self.down = nn.ModuleList()
        for level in levels:
            for _ in range(blocks):
                self.down.append(Stage(width, widths[level], features, dropout, attentive[level]))
                width = widths[level]
                skips.append(width)
            if level < levels[-1]:
                self.down.append(_conv(width, width, stride=2))
                skips.append(width)

        self.middle = nn.ModuleList(
            Stage(width, width, features, dropout, attention) for attention in (attention_levels > 0, False)
        )

        self.up = nn.ModuleList()
        for level in reversed(levels):
            for _ in range(blocks + 1):
                self.up.append(Stage(width + skips.pop(), widths[level], features, dropout, attentive[level]))
                width = widths[level]
            if level > 0:
                # Convolving before enlarging costs a quarter of the usual order. On digits (unet-tiny, 500 steps,
                # one seed) the loss is 1.7 % higher at equal steps; a step of three levels at 28x28 is 9 % faster.
                self.up.append(nn.Sequential(_conv(width, width), nn.Upsample(scale_factor=2)))

        self.last_norm, self.last = _norm(width), _zeroed(_conv(width, image_channels))
        # Channels last spares convolutions a reordering of memory per call, on CPUs and tensor cores alike.
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        embedding = self.embedding(c_noise, label)
        hidden = self.first(x.contiguous(memory_format=torch.channels_last))
        skips = [hidden]
        for layer in self.down:
            hidden = layer(hidden, embedding) if isinstance(layer, Stage) else layer(hidden)
            skips.append(hidden)
        for layer in self.middle:
            hidden = layer(hidden, embedding)
        for layer in self.up:
            if isinstance(layer, Stage):
                hidden = layer(torch.cat([hidden, skips.pop()], dim=1), embedding)
            else:
                hidden = layer(hidden)
        return self.last(nnf.silu(self.last_norm(hidden))).contiguous()
