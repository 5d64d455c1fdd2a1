"""The PCA-locality denoiser against loops in numpy, the optimum that it is under a mask of ones, and known masks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.denoisers.locality import LocalityDenoiser, masked_means
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.wiener import WienerDenoiser

SIGMAS = (0.002, 0.05, 0.4, 3.0, 80.0)


def images(count: int, d: int = 16, seed: int = 0) -> Tensor:
    """Values of standard deviation 0.5 around a mean that is not 0, correlated by 0.7^distance."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(d)
    mixing = 0.5 * torch.linalg.cholesky(0.7 ** (place[:, None] - place).abs())
    return (0.3 + torch.randn(count, d, generator=generator) @ mixing.mT).view(count, 1, 4, d // 4)


def locality(points: Tensor) -> LocalityDenoiser:
    return LocalityDenoiser(points, WienerDenoiser(points))


def written_out(points: np.ndarray, x: np.ndarray, sigma: float) -> np.ndarray:
    """The formula from covariance and inverse, one image, pixel and training image at a time."""
    d = points.shape[1]
    covariance = np.cov(points.T, bias=True)
    filtered = covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(d))
    result = np.empty(x.shape)
    for row, image in enumerate(x):
        for p in range(d):
            seen = np.abs(filtered[p]) >= 0.02 * np.abs(filtered[p]).max()
            logits = np.array([-np.square(image - point)[seen].sum() / (2 * sigma**2) for point in points])
            weights = np.exp(logits - logits.max())
            result[row, p] = weights @ points[:, p] / weights.sum()
    return result


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("count", [17, 60])
def test_it_is_the_formula(count: int, sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    points = images(count)
    x = images(5, seed=1) + sigma * images(5, seed=2)
    pixels = torch.tensor([0, 3, 9, 15])
    expected = written_out(points.flatten(1).double().numpy(), x.flatten(1).double().numpy(), sigma)[:, pixels]
    result = locality(points).at_level(x, sigma, pixels)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-9)
    monkeypatch.setattr("diffbench.denoisers.locality.BLOCK_ELEMENTS", 100)
    monkeypatch.setattr("diffbench.denoisers.locality.SCORES", 2 * count)
    torch.testing.assert_close(locality(points).at_level(x, sigma, pixels), result, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_who_sees_all_is_the_optimum(sigma: float) -> None:
    points, x = images(40), images(6, seed=1).double()
    everything = torch.ones(16, 16, dtype=torch.bool)
    result = masked_means(x.flatten(1), points.flatten(1), sigma, torch.arange(16), everything)
    expected = OptimalDenoiser(points)(x, torch.full((6,), sigma, dtype=torch.float64))
    torch.testing.assert_close(result, expected.flatten(1), rtol=0, atol=1e-9)


def test_one_training_image_is_all_there_is() -> None:
    points, x = images(1), images(4, seed=1)
    for sigma in SIGMAS:
        result = locality(points).at_level(x, sigma, torch.arange(16))
        torch.testing.assert_close(result, points.flatten(1).double().expand(4, -1))


def test_independent_pixels_see_themselves_alone() -> None:
    """Then each pixel has the posterior mean of its own values, at any noise; one without variance is its value."""
    points = torch.tensor([[a, b, 0.3] for a in (-1.0, 1.0) for b in (-0.5, 0.1, 0.4)])
    denoiser = locality(points)
    x = torch.tensor([[0.2, 0.0, 5.0], [-3.0, 1.0, -5.0]], dtype=torch.float64)
    for sigma in (0.1, 0.7, 4.0):
        assert denoiser.mask(sigma, torch.arange(3)).tolist() == [
            [True, False, False],
            [False, True, False],
            [False] * 3,
        ]
        result = denoiser.at_level(x, sigma, torch.arange(3))
        torch.testing.assert_close(result[:, 0], torch.tanh(x[:, 0] / sigma**2))
        torch.testing.assert_close(result[:, 2], torch.full((2,), 0.3, dtype=torch.float64), rtol=0, atol=1e-7)


def test_less_noise_makes_it_more_local() -> None:
    denoiser, pixels = locality(images(500)), torch.arange(16)
    seen = [denoiser.mask(sigma, pixels).sum(dim=1).double().mean() for sigma in SIGMAS]
    assert seen == sorted(seen)
    assert seen[0] < 2
    assert seen[-1] > 6
    assert denoiser.mask(0.05, pixels).diagonal().all()


def test_near_duplicates_are_told_apart_at_the_lowest_level() -> None:
    """64-bit scores tell points apart that differ by 1e-4 per pixel, in 3,072 pixels."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3072, generator=generator) / 2
    points = image + 1e-4 * torch.randn(8, 3072, generator=generator)
    x = points[:3].double() + 0.002 * torch.randn(3, 3072, generator=generator, dtype=torch.float64)
    everything = torch.ones(4, 3072, dtype=torch.bool)
    result = masked_means(x, points, 0.002, torch.arange(4), everything)
    logits = -(x[:, None] - points.double()).square().sum(dim=2) / (2 * 0.002**2)
    torch.testing.assert_close(result, (logits.softmax(dim=1) @ points.double())[:, :4], rtol=0, atol=1e-10)
