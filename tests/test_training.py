"""Training: bytes that do not depend on milestones, the EMA against its definition, and each step's draws."""

import hashlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from diffbench.conventions import SIGMA_DATA
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.precond import Preconditioned, loss_weight
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.training.adam import BETAS, EPSILON
from diffbench.training.trainer import Batch, Trainer, batch_indices, ema_exponent, weighted_error

SHAPE = (1, 4, 4)
TINY: dict[str, TrainedDefinition] = {
    "mlp": Mlp(width=8, blocks=1),
    "unet": Unet(channels=16, multipliers=(1, 2), blocks=1),
    "dit": Dit(width=8, depth=1, heads=2),
}
IMAGES = 0.5 * torch.randn(10, *SHAPE, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(10) % 3


def trainer(kind: str = "mlp", **settings: Any) -> Trainer:
    settings = {"batch": 6, "dropout": 0.1, "horizontal_flip": True} | settings
    network = fresh_network(TINY[kind], SHAPE, 3, seed=5, dropout=settings["dropout"])
    return Trainer(network, TrainingSettings(**settings))


def advance(training: Trainer, stop: int) -> list[Tensor]:
    return [record.losses for record in training.run(IMAGES, LABELS, seed=3, stop=stop)]


def digest(state: Any) -> str:
    """Hash of every number of a state: weights, EMA, optimizer, step."""
    sha = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, dict):
            for key in value:
                sha.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            sha.update(value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode())

    add(state)
    return sha.hexdigest()


STRAIGHT: dict[str, str] = {}


def straight(kind: str) -> str:
    if kind not in STRAIGHT:
        whole = trainer(kind)
        advance(whole, 12)
        STRAIGHT[kind] = digest(whole.state())
    return STRAIGHT[kind]


@pytest.mark.parametrize("kind", list(TINY))
@settings(max_examples=5, deadline=None)
@given(milestones=st.sets(st.integers(1, 11), max_size=5))
def test_chains_of_milestones_give_the_same_bytes(kind: str, milestones: set[int]) -> None:
    """Raw weights, EMA and optimizer, whatever the milestones, each segment starting from a new trainer."""
    state: dict[str, Any] | None = None
    for stop in [*sorted(milestones), 12]:
        segment = trainer(kind)
        if state is not None:
            segment.load(state)
        advance(segment, stop)
        state = segment.state()
    assert digest(state) == straight(kind)


def test_training_changes_what_it_should() -> None:
    """The comparison of bytes can fail: seed, step and settings show in the state."""
    changed = trainer()
    list(changed.run(IMAGES, LABELS, seed=4, stop=12))
    longer, without_flips = trainer(), trainer(horizontal_flip=False)
    advance(longer, 13)
    advance(without_flips, 12)
    digests = [digest(training.state()) for training in (changed, longer, without_flips)]
    assert len({straight("mlp"), *digests}) == 4


def test_a_state_is_a_copy() -> None:
    training = trainer()
    advance(training, 2)
    state = training.state()
    before = digest(state)
    advance(training, 4)
    assert digest(state) == before


def test_training_leaves_the_random_state_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    advance(trainer(dropout=0.5), 3)
    assert torch.equal(torch.rand(3), expected)


def plain_losses(denoised: Tensor, clean: Tensor, sigma: Tensor) -> Tensor:
    """The loss as it is written down, for autograd."""
    return loss_weight(sigma) * (denoised - clean).square().flatten(1).mean(dim=1)


def test_gradient_of_the_loss_by_hand_is_autograds_bit_for_bit() -> None:
    """With sizes that no power of two divides; and both are that of float64."""
    generator = torch.Generator().manual_seed(2)
    denoised, clean = torch.randn(2, 7, 3, 5, 5, generator=generator)
    sigma = torch.rand(7, generator=generator) + 0.1
    losses, gradient = weighted_error(denoised, clean, sigma, 1 / 7)
    expected = plain_losses(denoised.requires_grad_(), clean, sigma)
    (expected.sum() / 7).backward()
    assert denoised.grad is not None
    assert torch.equal(losses, expected)
    assert torch.equal(gradient, denoised.grad)
    exact = (denoised.double() - clean.double()) * (loss_weight(sigma.double()) * 2 / 75 / 7).view(-1, 1, 1, 1)
    torch.testing.assert_close(gradient.double(), exact.detach(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", list(TINY))
def test_a_step_is_that_of_torch_adam(kind: str) -> None:
    """Each weight gets its own gradient, whatever the order of its dimensions in memory."""
    ours, theirs = trainer(kind, dropout=0.0), trainer(kind, dropout=0.0).network
    optimizer = torch.optim.Adam(theirs.parameters(), lr=ours.settings.learning_rate, betas=BETAS, eps=EPSILON)
    for _ in range(3):
        batch = ours._draw(IMAGES, LABELS, seed=3)
        losses = plain_losses(theirs(batch.noised, batch.sigma, batch.label), batch.clean, batch.sigma)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
        advance(ours, ours.step + 1)
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(ours.state()["weights"][name], weight.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("length", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_ema_exponent_is_the_published_one(length: float, gamma: float) -> None:
    """EDM2, section 3.2."""
    assert ema_exponent(length) == pytest.approx(gamma, abs=0.005)


@given(length=st.floats(0.005, 0.27))
def test_ema_profile_has_the_width_asked_for(length: float) -> None:
    """Standard deviation of the density proportional to t^gamma on [0, 1]."""
    exponent = ema_exponent(length)
    moments = [1 / (exponent + 1 + power) for power in (0, 1, 2)]
    mean = moments[1] / moments[0]
    assert math.sqrt(moments[2] / moments[0] - mean**2) == pytest.approx(length, rel=1e-6)


def test_ema_is_the_weighted_average_of_the_weights() -> None:
    """Weights of step t at step N: (1 - beta_t) prod_{u > t} beta_u, with beta_t = (1 - 1/t)^(gamma + 1)."""
    training = trainer(ema_length=0.1)
    history = []
    for _ in training.run(IMAGES, LABELS, seed=3, stop=15):
        history.append({name: weight.double() for name, weight in training.state()["weights"].items()})
    power = ema_exponent(0.1) + 1
    shares = [(t / 15) ** power - ((t - 1) / 15) ** power for t in range(1, 16)]
    assert sum(shares) == pytest.approx(1)
    for name, average in training.state()["ema"].items():
        expected = sum(share * weights[name] for share, weights in zip(shares, history, strict=True))
        torch.testing.assert_close(average.double(), expected, rtol=1e-4, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(images=st.integers(1, 40), batch=st.integers(1, 60), seed=st.integers(0, 5))
def test_every_epoch_visits_each_image_once(images: int, batch: int, seed: int) -> None:
    steps = math.ceil(3 * images / batch)
    stream = np.concatenate([batch_indices(images, batch, seed, step) for step in range(steps)])
    for epoch in range(3):
        assert sorted(stream[epoch * images : (epoch + 1) * images]) == list(range(images))


def test_epochs_differ_and_seeds_differ() -> None:
    orders = [tuple(batch_indices(20, 20, seed, step)) for seed, step in itertools.product((0, 1), (0, 1))]
    assert len(set(orders)) == 4


def batches(training: Trainer, count: int) -> list[Any]:
    drawn = []
    original = training._draw
    training._draw = lambda *arguments: drawn.append(original(*arguments)) or drawn[-1]  # type: ignore[method-assign]
    advance(training, count)
    return drawn


def test_noise_levels_and_noise_follow_the_settings() -> None:
    drawn = batches(trainer(batch=500, sigma_log_mean=-0.7, sigma_log_std=0.9), 10)
    logs = torch.cat([batch.sigma for batch in drawn]).log()
    noise = torch.cat([batch.noise for batch in drawn])
    assert float(logs.mean()) == pytest.approx(-0.7, abs=0.05)
    assert float(logs.std()) == pytest.approx(0.9, abs=0.04)
    assert float(noise.mean()) == pytest.approx(0, abs=0.015)
    assert float(noise.std()) == pytest.approx(1, abs=0.015)


def test_labels_are_dropped_at_the_rate_asked_for() -> None:
    labels = torch.cat([batch.label for batch in batches(trainer(batch=500, label_dropout=0.3), 10)])
    assert float((labels == 3).double().mean()) == pytest.approx(0.3, abs=0.03)
    assert set(labels.tolist()) == {0, 1, 2, 3}


def test_without_conditions_no_label_is_dropped() -> None:
    training = Trainer(fresh_network(TINY["mlp"], SHAPE, 1, seed=0), TrainingSettings(batch=200))
    drawn = training._draw(IMAGES, torch.zeros(10, dtype=torch.int64), 0)
    assert not drawn.label.any()


def test_flips_mirror_half_of_the_images() -> None:
    plain = batches(trainer(batch=400, horizontal_flip=False), 5)
    flipped = batches(trainer(batch=400, horizontal_flip=True), 5)
    mirrored = []
    for a, b in zip(plain, flipped, strict=True):
        assert torch.equal(a.noise, b.noise)
        for before, after in zip(a.clean, b.clean, strict=True):
            mirrored.append(torch.equal(before.flip(-1), after))
            assert mirrored[-1] or torch.equal(before, after)
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", list(TINY))
@pytest.mark.parametrize("parts", [2, 3, 6])
def test_accumulation_gives_the_result_of_one_batch(kind: str, parts: int) -> None:
    whole, split = trainer(kind, dropout=0.0), trainer(kind, dropout=0.0, accumulation=parts)
    for a, b in zip(advance(whole, 4), advance(split, 4), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    # Adam divides gradients by their own size, which blows rounding up where they are almost 0.
    for a, b in zip(whole.state()["weights"].values(), split.state()["weights"].values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", list(TINY))
def test_bf16_stays_near_float32_and_keeps_float32_weights(kind: str) -> None:
    exact, rounded = trainer(kind, dropout=0.0), trainer(kind, dropout=0.0, precision="bf16")
    for a, b in zip(advance(exact, 3), advance(rounded, 3), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.02)
    assert {weight.dtype for weight in rounded.state()["weights"].values()} == {torch.float32}


class Affine(nn.Module):
    """A stand-in network with a known value: F = weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        return self.weight.expand_as(x)


def test_loss_is_that_of_the_raw_network() -> None:
    """lambda(s) ||D - x0||^2 / d = ||F - (x0 - c_skip x) / c_out||^2 / d (EDM, eq. 8), per sample."""
    clean, noise = IMAGES.double(), torch.randn(IMAGES.shape, dtype=torch.float64)
    sigma = torch.logspace(-2.7, 1.9, 10, dtype=torch.float64)
    batch = Batch(clean, noise, sigma, torch.ones(10, dtype=torch.int64))
    losses, _ = weighted_error(Preconditioned(Affine(), 1)(batch.noised, sigma), clean, sigma, 1.0)
    for index in range(10):
        s = float(sigma[index])
        total = s**2 + SIGMA_DATA**2
        noised = clean[index] + s * noise[index]
        target = (clean[index] - SIGMA_DATA**2 / total * noised) / (s * SIGMA_DATA / math.sqrt(total))
        expected = ((0.3 - target) ** 2).mean()
        assert float(losses[index].detach()) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("kind", list(TINY))
def test_training_learns_a_constant(kind: str) -> None:
    """Ten copies of one image: the optimum has loss 0, from which these tiny networks stay far."""
    training = trainer(kind, batch=16, dropout=0.0, horizontal_flip=False)
    same = IMAGES[:1].expand(10, *SHAPE)
    losses = [float(record.losses.mean()) for record in training.run(same, LABELS, seed=0, stop=70)]
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
