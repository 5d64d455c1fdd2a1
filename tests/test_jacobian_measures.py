"""What the Jacobian tells of memorization: nulls, a model that memorizes one half of its data, intervals, reasons."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.denoisers.batched import Batched
from diffbench.denoisers.jacobian import SIGMA, jacobians
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.measures.jacobian import FEWEST, sample_estimates, split_estimates

CPU = torch.device("cpu")
VARIANCES = torch.linspace(1.0, 0.05, 36, dtype=torch.float64)


def images(count: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 36)) * VARIANCES.numpy() ** 0.5
    return values.reshape(count, 1, 6, 6).astype(np.float32)


class HalfMemorizing:
    """The posterior mean if one half of all images is Gaussian, and the other half copies of `points`."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = torch.from_numpy(points).flatten(1).double()

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        flat, s = x.flatten(1).double(), sigma.double()[:, None]
        spread = VARIANCES + s**2
        broad = -0.5 * (flat**2 / spread + spread.log()).sum(dim=1, keepdim=True)
        squares = ((flat[:, None] - self.points) ** 2).sum(dim=2)
        narrow = -0.5 * squares / s**2 - 36 * s.log() - math.log(len(self.points))
        weights = torch.cat([broad, narrow], dim=1).softmax(dim=1)
        mean = weights[:, :1] * (VARIANCES / spread) * flat + weights[:, 1:] @ self.points
        return mean.view(x.shape).to(x.dtype)


def measured(denoiser, clean: np.ndarray, purpose: str) -> dict[str, np.ndarray]:
    return jacobians(Batched(denoiser), clean, np.zeros(len(clean), np.int64), purpose, CPU)


def test_copies_are_told_from_others_where_a_model_memorizes_one_half() -> None:
    copied, others = images(30, 0), images(60, 1)
    samples = np.concatenate([copied, others])
    ratios = np.concatenate([np.zeros(30), np.full(60, 0.9)])
    found = sample_estimates(measured(HalfMemorizing(copied), samples, "samples"), ratios)
    assert found["jacobian_auc"].value == 1
    assert found["jacobian_auc"].n == 90
    assert found["flipd_samples"].n == 90


def test_a_linear_model_tells_nothing() -> None:
    """Its Jacobian is the same everywhere, so only the probes differ: AUC 1/2 whichever samples are called copies."""
    samples, rng = images(200, 0), np.random.default_rng(0)

    def filtered(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        gains = VARIANCES / (VARIANCES + sigma.double()[:, None] ** 2)
        turned = torch.linalg.qr(torch.randn(36, 36, generator=torch.Generator().manual_seed(0)).double())[0]
        return ((x.flatten(1) @ turned * gains) @ turned.T).view(x.shape)

    values = measured(filtered, samples, "samples")
    assert values["jacobian_norm"].std() > 0
    found = [sample_estimates(values, rng.permutation(np.repeat([0.1, 0.9], 100))) for _ in range(200)]
    inside = np.mean([each["jacobian_auc"].low <= 0.5 <= each["jacobian_auc"].high for each in found])
    assert 0.90 <= inside <= 0.99


def test_the_sign_is_fixed_in_advance() -> None:
    """Memorized samples with the larger Jacobian speak against the theory: 0, not 1."""
    values = {"jacobian_norm": np.arange(40.0), "flipd": np.zeros(40)}
    assert sample_estimates(values, np.repeat([0.1, 0.9], 20))["jacobian_auc"].value == 1
    assert sample_estimates(values, np.repeat([0.9, 0.1], 20))["jacobian_auc"].value == 0


def test_only_the_first_samples_were_measured() -> None:
    values = {"jacobian_norm": np.arange(20.0), "flipd": np.full(20, 3.0)}
    found = sample_estimates(values, np.concatenate([np.repeat([0.1, 0.9], 10), np.zeros(500)]))
    assert (found["jacobian_auc"].value, found["jacobian_auc"].n) == (1, 20)
    assert (found["flipd_samples"].value, found["flipd_samples"].n) == (3, 20)


@pytest.mark.parametrize("copies", [0, FEWEST - 1, 41 - FEWEST, 40])
def test_one_kind_alone_leaves_the_auc_undefined(copies: int) -> None:
    values = {"jacobian_norm": np.arange(40.0), "flipd": np.ones(40)}
    found = sample_estimates(values, np.where(np.arange(40) < copies, 0.1, 0.9))
    assert math.isnan(found["jacobian_auc"].value)
    assert found["jacobian_auc"].reason == f"needs 5 memorized samples and 5 others, got {copies} and {40 - copies}"
    assert found["flipd_samples"].value == 1


def test_planted_samples_and_coarse_denoisers_are_undefined() -> None:
    planted = sample_estimates({"samples": np.zeros((9, 2))}, np.zeros(9))
    assert {each.reason for each in planted.values()} == {"samples of no denoiser"}
    unknown = {"jacobian_norm": np.full(9, np.nan), "flipd": np.full(9, np.nan)}
    for each in sample_estimates(unknown, np.zeros(9)).values():
        assert "too coarsely rounded" in each.reason
    splits = split_estimates({"train": unknown, "validation": {"jacobian_norm": np.ones(9), "flipd": np.ones(9)}})
    assert math.isnan(splits["flipd_train"].value)
    assert splits["flipd_validation"].value == 1
    assert "too coarsely rounded" in splits["flipd_gap"].reason


def test_the_optimum_has_no_dimension_at_its_images_and_fits_no_others() -> None:
    train, unseen = images(50, 0), images(50, 1)
    denoiser = OptimalDenoiser(torch.from_numpy(train))
    found = split_estimates(
        {"train": measured(denoiser, train, "train"), "validation": measured(denoiser, unseen, "v")}
    )
    assert found["flipd_train"].high < 0.01
    assert found["jacobian_norm_train"].high < 0.01
    assert found["flipd_gap"].low > 36
    assert SIGMA == 0.2


@pytest.mark.parametrize(("images", "least"), [(3, 0.87), (5, 0.88), (16, 0.91), (60, 0.92)])
def test_intervals_cover_also_of_few_training_images_and_the_null_is_0(images: int, least: float) -> None:
    """Two sets of unseen images, of unequal size and skewed, such as FLIPD is: gamma values of shape 2."""
    rng, held = np.random.default_rng(0), {"null": 0, "shifted": 0, "train": 0}
    for _ in range(500):
        one, other = rng.gamma(2, 1, images), rng.gamma(2, 1, 200)
        for name, shift in (("null", 0.0), ("shifted", 1.5)):
            found = split_estimates({"train": {"flipd": one}, "validation": {"flipd": other + shift}})
            assert found["flipd_gap"].value == pytest.approx(other.mean() + shift - one.mean())
            held[name] += found["flipd_gap"].low <= shift <= found["flipd_gap"].high
        held["train"] += found["flipd_train"].low <= 2 <= found["flipd_train"].high
    assert all(least <= count / 500 <= 0.98 for count in held.values()), held


@pytest.mark.parametrize("copies", [FEWEST, 15])
@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0])
def test_intervals_of_the_auc_cover_from_few_memorized_samples_on(copies: int, apart: float) -> None:
    """Normal norms, lower by `apart` standard deviations at the memorized ones of 256 samples."""
    rng, truth = np.random.default_rng(0), 0.5 * math.erfc(-apart / 2)
    ratios, inside = np.where(np.arange(256) < copies, 0.1, 0.9), 0
    for _ in range(400):
        norms = rng.normal(0, 1, 256) - apart * (ratios < 0.5)
        found = sample_estimates({"jacobian_norm": norms, "flipd": norms}, ratios)["jacobian_auc"]
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 400 <= 0.99
