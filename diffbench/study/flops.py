"""Operations and weights of a network, from its definition alone: without torch, which the DAG would wait for.

Matrix products, convolutions and attention are counted, as is usual, and a multiply-add as two operations.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet

EMBEDDING = 64
"""Width of the MLP's embedding (denoisers/mlp.py)."""


class Product(NamedTuple):
    """Numbers that an image's values are multiplied by, how often each is used, and whether they are learned."""

    numbers: int
    uses: int = 1
    learned: bool = True
    of_data: bool = False
    """Whether what they multiply is an image or a noise level, of which no gradient is asked."""


def flops_per_image(definition: TrainedDefinition, shape: tuple[int, ...]) -> int:
    """Operations of one evaluation of an image of `shape`."""
    return sum(2 * product.numbers * product.uses for product in _products(definition, shape))


def training_flops_per_image(definition: TrainedDefinition, shape: tuple[int, ...]) -> int:
    """Operations of one image of a training step, forward and backward.

    A product's backward is one product for the gradient of the numbers and one for that of what they multiply; for
    both factors of attention likewise. Optimizer and moving average, which do without products, are not counted.
    """
    products = _products(definition, shape)
    return sum((4 if product.of_data else 6) * product.numbers * product.uses for product in products)


def weights(definition: TrainedDefinition, shape: tuple[int, ...]) -> int:
    """Learned numbers of the products: all but biases and the table of labels."""
    return sum(product.numbers for product in _products(definition, shape) if product.learned)


def _products(definition: TrainedDefinition, shape: tuple[int, ...]) -> Iterator[Product]:
    match definition:
        case Mlp():
            yield from _mlp(definition, math.prod(shape))
        case Dit():
            yield from _dit(definition, shape)
        case Unet():
            yield from _unet(definition, shape)


def _mlp(definition: Mlp, dimension: int) -> Iterator[Product]:
    width = definition.width
    yield Product(EMBEDDING**2 + dimension * width, of_data=True)
    yield Product(dimension * width)
    yield Product(definition.blocks * (EMBEDDING * width + 2 * width**2))


def _dit(definition: Dit, shape: tuple[int, ...]) -> Iterator[Product]:
    width, tokens = definition.width, math.prod(shape[1:]) // definition.patch**2
    pixels = shape[0] * definition.patch**2 * width
    yield from (Product(width**2, of_data=True), Product(pixels, tokens, of_data=True))
    yield from (Product(2 * width**2), Product(pixels, tokens))  # last modulation, last layer
    for _ in range(definition.depth):
        yield Product(6 * width**2)  # modulation
        yield Product(12 * width**2, tokens)
        yield _attention(tokens, width)


def _attention(tokens: int, width: int) -> Product:
    """Queries by keys, and values by their weights."""
    return Product(2 * tokens * width, tokens, learned=False)


def _unet(definition: Unet, shape: tuple[int, ...]) -> Iterator[Product]:
    """As denoisers/unet.py puts it together."""
    net, maps = _UnetLayers(definition, shape), [definition.channels]
    channels, last = net.channels, len(net.channels) - 1
    yield from (Product(net.features**2, of_data=True), net.conv(shape[0], maps[0], 0)._replace(of_data=True))
    yield net.conv(channels[0], shape[0], 0)
    for level, width in enumerate(channels):
        if level > 0:
            yield net.conv(maps[-1], maps[-1], level)
            maps.append(maps[-1])
        for _ in range(definition.blocks):
            yield from net.block(maps[-1], level, net.attends(level))
            maps.append(width)
    for attentive in (definition.attention_levels > 0, False):
        yield from net.block(channels[last], last, attentive)
    width = channels[last]
    for level in range(last, -1, -1):
        for _ in range(definition.blocks + 1):
            yield from net.block(width + maps.pop(), level, net.attends(level))
            width = channels[level]
        if level > 0:
            yield net.conv(width, width, level)


class _UnetLayers:
    """Products of a U-Net's layers; level 0 is the finest resolution."""

    def __init__(self, definition: Unet, shape: tuple[int, ...]) -> None:
        self.channels = [definition.channels * multiplier for multiplier in definition.multipliers]
        self.features = 4 * definition.channels
        self._pixels = [math.prod(shape[1:]) // 4**level for level in range(len(self.channels))]
        self._attentive = definition.attention_levels

    def attends(self, level: int) -> bool:
        return level >= len(self.channels) - self._attentive

    def conv(self, inputs: int, outputs: int, level: int) -> Product:
        return Product(9 * inputs * outputs, self._pixels[level])

    def block(self, inputs: int, level: int, attentive: bool) -> Iterator[Product]:
        outputs, pixels = self.channels[level], self._pixels[level]
        yield Product(self.features * outputs)
        yield from (self.conv(inputs, outputs, level), self.conv(outputs, outputs, level))
        if inputs != outputs:
            yield Product(inputs * outputs, pixels)
        if attentive:
            yield from (Product(4 * outputs**2, pixels), _attention(pixels, outputs))
