"""Networks and their preconditioning: identities, shapes, conditions, refusals, counts."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from diffbench.conventions import SIGMA_DATA, DiffbenchError
from diffbench.denoisers.build import describe, fresh_network
from diffbench.denoisers.dit import grid_positions
from diffbench.denoisers.precond import Preconditioned, loss_weight
from diffbench.settings.models import PRESETS, Dit, Mlp, TrainedDefinition, Unet, check_shape

TINY: dict[str, TrainedDefinition] = {
    "mlp": Mlp(width=12, blocks=2),
    "unet": Unet(channels=16, multipliers=(1, 2, 2), blocks=2, attention_levels=2),
    "dit": Dit(width=16, depth=2, heads=2),
}


def stirred(definition: TrainedDefinition, shape: tuple[int, ...], **options: Any) -> Preconditioned:
    """A network whose weights are all random: a fresh one has zeros that hide what lies behind them."""
    network = fresh_network(definition, shape, 3, seed=0, **options).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return network


class Probe(nn.Module):
    """Records its input and returns a given output."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output
        self.seen: tuple[Tensor, ...] = ()

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        self.seen = (x, c_noise, label)
        return self.output


SIGMAS = torch.logspace(-2.7, 1.9, 7, dtype=torch.float64)


def test_preconditioning_is_edm_table_1() -> None:
    x, raw = torch.randn(2, 7, 1, 2, 2, dtype=torch.float64)
    probe = Probe(raw)
    denoised = Preconditioned(probe, 4)(x, SIGMAS, torch.arange(7) % 4)
    seen, c_noise, label = probe.seen
    assert seen.dtype == torch.float32
    assert denoised.dtype == torch.float64
    assert label.tolist() == [0, 1, 2, 3, 0, 1, 2]
    for index, sigma in enumerate(SIGMAS.tolist()):
        total = sigma**2 + SIGMA_DATA**2
        torch.testing.assert_close(seen[index].double(), x[index] / math.sqrt(total), rtol=1e-6, atol=0)
        assert float(c_noise[index]) == pytest.approx(math.log(sigma) / 4, rel=1e-6)
        expected = SIGMA_DATA**2 / total * x[index] + sigma * SIGMA_DATA / math.sqrt(total) * raw[index]
        torch.testing.assert_close(denoised[index], expected, rtol=1e-12, atol=1e-12)


def test_the_input_has_unit_variance_and_the_loss_unit_scale() -> None:
    """Karras et al. 2022, appendix B.6: c_in scales x to variance 1, and lambda c_out^2 = 1."""
    generator = torch.Generator().manual_seed(0)
    for sigma in (0.05, 0.5, 5.0):
        x = torch.randn(50_000, 1, dtype=torch.float64, generator=generator) * math.hypot(SIGMA_DATA, sigma)
        probe = Probe(torch.ones_like(x))
        zero = torch.zeros_like(x)
        level = torch.full((len(x),), sigma, dtype=torch.float64)
        model = Preconditioned(probe, 1)
        c_out = model(zero, level)
        model(x, level)
        assert float(probe.seen[0].std()) == pytest.approx(1, abs=0.02)
        torch.testing.assert_close(loss_weight(level)[:, None] * c_out**2, torch.ones_like(x))


def test_no_label_means_the_null_label() -> None:
    network = stirred(TINY["mlp"], (5,))
    x, sigma = torch.randn(4, 5), torch.full((4,), 0.3)
    assert torch.equal(network(x, sigma), network(x, sigma, torch.full((4,), 3)))


@pytest.mark.parametrize("kind", list(TINY))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 12)])
def test_networks_map_images_to_images_row_by_row(kind: str, shape: tuple[int, ...]) -> None:
    """An image's result depends on its own noise level and label, and not on the rest of the batch."""
    network = stirred(TINY[kind], shape)
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(3))
    sigma, label = torch.logspace(-2, 1, 6), torch.arange(6) % 4
    whole = network(x, sigma, label)
    assert whole.shape == x.shape
    for row in range(6):
        alone = network(x[row : row + 1], sigma[row : row + 1], label[row : row + 1])
        torch.testing.assert_close(alone[0], whole[row], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(x, sigma, (label + 1) % 4), whole)
    assert not torch.allclose(network(x, sigma * 1.5, label), whole)


@pytest.mark.parametrize("kind", ["unet", "dit"])
def test_every_pixel_reaches_every_pixel(kind: str) -> None:
    """Attention and the coarse levels carry a change in one corner to the opposite one."""
    network = stirred(TINY[kind], (1, 8, 8))
    x = torch.randn(1, 1, 8, 8, requires_grad=True)
    network(x, torch.ones(1))[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert float(x.grad[0, 0, -1, -1].abs()) > 0


@pytest.mark.parametrize("kind", list(TINY))
def test_fresh_networks_return_zero_and_depend_on_the_seed_alone(kind: str) -> None:
    shape = (1, 8, 8)
    first, again, other = (fresh_network(TINY[kind], shape, 3, seed) for seed in (1, 1, 2))
    x = torch.randn(2, *shape)
    assert not first.network(x, torch.zeros(2), torch.zeros(2, dtype=torch.int64)).any()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("kind", list(TINY))
def test_every_weight_gets_a_gradient(kind: str) -> None:
    network = stirred(TINY[kind], (1, 8, 8))
    network(torch.randn(4, 1, 8, 8), torch.ones(4), torch.arange(4)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("kind", list(TINY))
def test_dropout_acts_in_training_only(kind: str) -> None:
    network = stirred(TINY[kind], (1, 8, 8), dropout=0.5)
    x, sigma = torch.randn(2, 1, 8, 8), torch.ones(2)
    assert torch.equal(network(x, sigma), network(x, sigma))
    network.train()
    assert not torch.equal(network(x, sigma), network(x, sigma))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("unet-medium", (1, 30, 28), "1x30x28 have sides that 4 does not divide; give fewer multipliers"),
        ("dit-s", (3, 8, 7), "3x8x7 have sides that 2 does not divide; give another patch"),
        ("unet-tiny", (2,), "data of shape 2 are no images; use kind mlp"),
    ],
)
def test_shapes_that_a_network_cannot_take(name: str, shape: tuple[int, ...], message: str) -> None:
    definition = PRESETS[name]
    assert isinstance(definition, Unet | Dit)
    with pytest.raises(DiffbenchError, match=message):
        fresh_network(definition, shape, 3, seed=0)


@pytest.mark.parametrize("name", [name for name, definition in PRESETS.items() if definition.trained])
def test_presets_take_the_usual_images(name: str) -> None:
    """8x8 digits, 28x28 Fashion-MNIST and 32x32 colour images; no network is built."""
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet | Dit)
    for shape in ((1, 8, 8), (1, 28, 28), (3, 32, 32)):
        check_shape(definition, shape)


def test_each_kind_has_four_sizes() -> None:
    kinds = [definition.kind for definition in PRESETS.values()]
    assert min(kinds.count(kind) for kind in ("mlp", "unet", "dit")) >= 4


def test_description_counts_parameters_and_operations() -> None:
    """By hand: an MLP's matrices, each entry once per image, two operations each."""
    width, blocks, dimension, embedding, labels = 12, 2, 16, 64, 3
    matrices = dimension * width * 2 + blocks * (2 * width**2 + embedding * width) + embedding**2
    biases = width + dimension + blocks * width + embedding
    described = describe(fresh_network(TINY["mlp"], (1, 4, 4), labels, seed=0), (1, 4, 4))
    assert described == {
        "parameters": matrices + biases + (labels + 1) * embedding,
        "flops_per_image": 2 * matrices,
    }


def test_description_counts_attention() -> None:
    """By hand: per token 12 width^2 entries and 2 tokens width for attention per block, and both ends."""
    width, depth, tokens, patch = 16, 2, 4, 4
    per_block = tokens * (12 * width**2 + 2 * tokens * width) + 6 * width**2
    ends = 2 * tokens * patch * width + 2 * width**2 + width**2
    described = describe(fresh_network(TINY["dit"], (1, 4, 4), 3, seed=0), (1, 4, 4))
    assert described["flops_per_image"] == 2 * (depth * per_block + ends)


def test_description_of_a_denoiser_without_a_network() -> None:
    assert describe(lambda x, sigma, label=None: x, (1, 4, 4)) == {}


def test_published_size_of_dit_s() -> None:
    """Peebles & Xie, table 4: 33 M parameters for DiT-S, patches of a 32x32 latent aside."""
    described = describe(fresh_network(PRESETS["dit-s"], (4, 32, 32), 1000, seed=0), (4, 32, 32))  # type: ignore[arg-type]
    assert described["parameters"] == pytest.approx(33e6, rel=0.02)


def test_grid_positions_tell_all_patches_apart() -> None:
    positions = grid_positions(3, 5, 16)
    assert positions.shape == (15, 16)
    distances = torch.cdist(positions, positions) + 10 * torch.eye(15)
    assert float(distances.min()) > 0.1
