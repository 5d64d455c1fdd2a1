"""The closed-form optimum against hand calculation and exact arithmetic, above all near duplicates."""

import math

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.build import ConstantDenoiser, load_denoiser
from diffbench.denoisers.leading import LeadingPoints
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.posterior import posterior
from diffbench.settings.models import Blurred, Constant, Mlp, Optimal, Planted


def exact_weights(x: Tensor, points: Tensor, sigma: float) -> Tensor:
    """Posterior weights (m, n) in 60 decimal digits from exact differences."""
    rows = []
    with mpmath.workdps(60):
        for row in x.tolist():
            logits = [
                -sum((mpmath.mpf(a) - mpmath.mpf(b)) ** 2 for a, b in zip(row, point, strict=True))
                / (2 * mpmath.mpf(sigma) ** 2)
                for point in points.tolist()
            ]
            top = max(logits)
            weights = [mpmath.exp(logit - top) for logit in logits]
            total = mpmath.fsum(weights)
            rows.append([float(weight / total) for weight in weights])
    return torch.tensor(rows, dtype=torch.float64)


def near_duplicates(dimension: int, spacing: float) -> tuple[Tensor, Tensor]:
    """Points (8, d) around one image, `spacing` apart per pixel, and the first of them noised at sigma = 0.002."""
    generator = torch.Generator().manual_seed(0)
    image = 0.5 * torch.randn(1, dimension, generator=generator)
    points = image + spacing * torch.randn(8, dimension, generator=generator)
    return points, points[:4] + 0.002 * torch.randn(4, dimension, generator=generator)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3.0, 80.0])
def test_two_points_by_hand(sigma: float) -> None:
    """Points at -1 and 1: D = tanh(x / sigma^2)."""
    denoiser = OptimalDenoiser(torch.tensor([[-1.0], [1.0]]))
    x = torch.tensor([[-0.9], [0.0], [0.3], [5.0]], dtype=torch.float64)
    result = denoiser(x, torch.full((4,), sigma, dtype=torch.float64))
    torch.testing.assert_close(result, torch.tanh(x / sigma**2), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("spacing", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("dimension", [64, 784, 3072])
def test_weights_near_duplicates_at_the_lowest_level(dimension: int, spacing: float) -> None:
    points, x = near_duplicates(dimension, spacing)
    weights = posterior(x.double(), points.double(), 0.002, xp=torch).weights
    variation = (weights - exact_weights(x, points, 0.002)).abs().sum(dim=1) / 2
    assert float(variation.max()) < 1e-6


def test_denoiser_near_duplicates_is_the_weighted_mean() -> None:
    points, x = near_duplicates(64, 3e-4)
    weights = exact_weights(x, points, 0.002)
    assert 0.01 < float(weights.max(dim=1).values.min()) < 0.99, "several points must share the weight"
    result = OptimalDenoiser(points)(x.double(), torch.full((4,), 0.002, dtype=torch.float64))
    torch.testing.assert_close(result, weights @ points.double(), rtol=0, atol=1e-8)


def crowd_and_loners() -> tuple[Tensor, Tensor]:
    """200 points close together and 200 far from all, and queries beside both: many share the weight, or one has it."""
    generator = torch.Generator().manual_seed(0)
    crowd = 1e-3 * torch.randn(200, 30, generator=generator)
    points = torch.cat([crowd, 5 * torch.randn(200, 30, generator=generator)])
    return points, points[190:210] + 0.1 * torch.randn(20, 30, generator=generator)


def mean_by_differences(x: Tensor, points: Tensor, sigma: float, allowed: Tensor) -> Tensor:
    """Posterior means from float64 differences."""
    logits = -(x.double()[:, None] - points.double()).square().sum(dim=2) / (2 * sigma**2)
    return logits.masked_fill(~allowed, -math.inf).softmax(dim=1) @ points.double()


@pytest.mark.parametrize("sigma", [0.002, 0.1, 1.0, 4.0, 50.0])
@pytest.mark.parametrize("kinds", [1, 3])
def test_means_of_few_and_of_many_points(sigma: float, kinds: int) -> None:
    points, x = crowd_and_loners()
    labels, label = torch.arange(400) % kinds, torch.arange(20) % kinds
    result = OptimalDenoiser(points, labels)(x.double(), torch.full((20,), sigma, dtype=torch.float64), label)
    expected = mean_by_differences(x, points, sigma, label[:, None] == labels)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-8)


def test_few_points_are_told_from_many() -> None:
    """What is proved to carry no weight carries none, and it is nearly all beside the loners."""
    points, x = crowd_and_loners()
    leading = LeadingPoints(points, points.double().square().sum(dim=1) / 2).of(x.double(), 0.1, None)
    logits = -(x.double()[:, None] - points.double()).square().sum(dim=2) / (2 * 0.1**2)
    weights = logits.softmax(dim=1)
    assert float(weights[~leading].max()) < 1e-17
    assert leading[10:].sum(dim=1).tolist() == [1] * 10
    assert (leading[:10].sum(dim=1) >= 200).all()


def test_an_undefined_image_spoils_no_other() -> None:
    points, x = crowd_and_loners()
    sigma = torch.full((20,), 0.1)
    spoilt = x.clone()
    spoilt[15, 3], spoilt[16, 3] = math.nan, 1e30
    result, expected = OptimalDenoiser(points)(spoilt, sigma), OptimalDenoiser(points)(x, sigma)
    assert result[15].isnan().all()
    assert torch.equal(result[:15], expected[:15])
    assert result[16].isfinite().all()


def test_labels_restrict_the_points() -> None:
    generator = torch.Generator().manual_seed(0)
    points, labels = torch.randn(9, 2, 2, generator=generator), torch.arange(9) % 3
    x, sigma = torch.randn(6, 2, 2, generator=generator), torch.logspace(-1, 1, 6)
    denoiser = OptimalDenoiser(points, labels)
    for label in range(3):
        restricted = OptimalDenoiser(points[labels == label])(x, sigma)
        torch.testing.assert_close(denoiser(x, sigma, torch.full((6,), label)), restricted)
    torch.testing.assert_close(denoiser(x, sigma), OptimalDenoiser(points)(x, sigma))
    assert denoiser(x, sigma).dtype == torch.float32


def test_levels_may_differ_within_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row at its own level, however the work is cut into blocks."""
    generator = torch.Generator().manual_seed(0)
    points, x = torch.randn(20, 3, generator=generator), torch.randn(12, 3, generator=generator)
    sigma = torch.tensor([0.1, 1.0, 10.0]).repeat(4)
    labels = torch.arange(12) % 2
    denoiser = OptimalDenoiser(points, torch.arange(20) % 2)
    alone = [denoiser(x[i : i + 1], sigma[i : i + 1], labels[i : i + 1]) for i in range(12)]
    monkeypatch.setattr("diffbench.denoisers.optimal.BLOCK_ELEMENTS", 40)
    torch.testing.assert_close(denoiser(x, sigma, labels), torch.cat(alone))


def test_limits() -> None:
    """At small noise the nearest training point, at large noise their mean."""
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    denoiser = OptimalDenoiser(points)
    x = torch.tensor([[0.9, 0.2]])
    torch.testing.assert_close(denoiser(x, torch.tensor([0.01])), points[1:2])
    torch.testing.assert_close(denoiser(x, torch.tensor([1e4])), points.mean(dim=0, keepdim=True))


def test_it_minimizes_the_denoising_loss() -> None:
    """No perturbed version has a lower loss over noised training points (Karras et al. 2022, appendix B.3)."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(4, 2, generator=generator)
    clean = points.repeat(4000, 1)
    x = clean + 0.6 * torch.randn(clean.shape, generator=generator)
    best = OptimalDenoiser(points)(x, torch.full((len(x),), 0.6))

    def loss(denoised: Tensor) -> float:
        return float((denoised - clean).double().square().mean())

    for other in (
        1.05 * best,
        0.95 * best,
        best + 0.05,
        0.95 * best + 0.05 * x,
        OptimalDenoiser(points)(x, torch.full((len(x),), 0.7)),
    ):
        assert loss(other) > loss(best)


def training_set() -> TrainingSet:
    images = np.random.default_rng(0).normal(0, 0.5, (6, 1, 2, 2)).astype(np.float32)
    labels = np.arange(6) % 2
    return TrainingSet(
        images, labels, images[:2], labels[:2], 2, images[:2], Scaling(0.0, 0.1), "float32", labels, labels[:2]
    )


def test_constant_denoiser_ignores_its_input() -> None:
    data = training_set()
    denoiser = load_denoiser(Constant(), data, None, torch.device("cpu"))
    assert isinstance(denoiser, ConstantDenoiser)
    expected = torch.from_numpy(data.train.mean(axis=0)).expand(3, 1, 2, 2)
    for x in (torch.zeros(3, 1, 2, 2), torch.randn(3, 1, 2, 2)):
        torch.testing.assert_close(denoiser(x, torch.ones(3), torch.tensor([0, 1, 0])), expected)
    assert denoiser(torch.zeros(3, 1, 2, 2).double(), torch.ones(3)).dtype == torch.float64


def test_closed_forms_are_built_from_the_training_set() -> None:
    """The blurred optimum takes its error scale in raw units: y_delta by its formula."""
    data = training_set()
    points, labels = torch.from_numpy(data.train), torch.from_numpy(data.train_labels)
    x, sigma, label = torch.randn(3, 1, 2, 2), torch.full((3,), 0.4), torch.tensor([0, 1, 0])
    optimal = OptimalDenoiser(points, labels)
    built = load_denoiser(Optimal(), data, None, torch.device("cpu"))
    assert torch.equal(built(x, sigma, label), optimal(x, sigma, label))
    delta = 2.0 * 0.1
    wide = torch.full((3,), math.hypot(0.4, delta))
    expected = (delta**2 * x + 0.4**2 * optimal(x, wide, label)) / (0.4**2 + delta**2)
    blurred = load_denoiser(Blurred(delta=2.0), data, None, torch.device("cpu"))
    torch.testing.assert_close(blurred(x, sigma, label), expected)


def test_what_cannot_be_measured() -> None:
    with pytest.raises(DiffbenchError, match="needs a checkpoint"):
        load_denoiser(Mlp(width=4, blocks=1), training_set(), None, torch.device("cpu"))
    with pytest.raises(DiffbenchError, match="'planted' has no denoiser"):
        load_denoiser(Planted(copies=0.5), training_set(), None, torch.device("cpu"))
