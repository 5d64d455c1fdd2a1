"""The Wiener filter against the covariance written out, ridge regression and closed forms of Gaussian data."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.wiener import WienerDenoiser


def images(count: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Correlated values of standard deviation near 0.5 around a mean that is not 0."""
    generator = torch.Generator().manual_seed(seed)
    d = int(np.prod(shape))
    mixing = torch.randn(d, d, generator=generator) / 2 / d**0.5
    return (0.3 + torch.randn(count, d, generator=generator) @ mixing).view(count, *shape)


def written_out(points: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """The formula with d x d matrices, one image at a time."""
    flat, rows = points.flatten(1).double(), x.flatten(1).double()
    mean, covariance = flat.mean(dim=0), torch.cov(flat.T, correction=0).reshape(flat.shape[1], -1)
    unit = torch.eye(flat.shape[1], dtype=torch.float64)
    results = [
        mean + covariance @ torch.linalg.solve(covariance + s**2 * unit, row - mean)
        for row, s in zip(rows, sigma.double(), strict=True)
    ]
    return torch.stack(results).view(x.shape)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 2, 2)])
@pytest.mark.parametrize("count", [1, 2, 5, 12, 16, 60])
def test_it_is_the_formula_for_few_images_and_many(count: int, shape: tuple[int, ...]) -> None:
    points, x = images(count, shape), images(7, shape, seed=1).double()
    sigma = torch.logspace(-2.7, 1.9, 7, dtype=torch.float64)
    denoiser = WienerDenoiser(points)
    assert isinstance(denoiser, Denoiser)
    torch.testing.assert_close(denoiser(x, sigma), written_out(points, x, sigma), rtol=0, atol=1e-9)
    assert denoiser(x.float(), sigma.float(), torch.zeros(7, dtype=torch.int64)).dtype == torch.float32
    assert denoiser.directions.numel() <= points.numel()


def test_images_that_repeat_or_agree_are_no_trouble() -> None:
    points = images(3, (1, 2, 2))
    x, sigma = images(4, (1, 2, 2), seed=1).double(), torch.full((4,), 0.002, dtype=torch.float64)
    alike = WienerDenoiser(points[:1].expand(9, -1, -1, -1))(x, sigma)
    torch.testing.assert_close(alike, points[:1].double().expand_as(alike), rtol=0, atol=1e-9)
    torch.testing.assert_close(WienerDenoiser(points.repeat(5, 1, 1, 1))(x, sigma), WienerDenoiser(points)(x, sigma))


@pytest.mark.parametrize("count", [3, 6])
def test_regression_finds_the_same_filter(count: int) -> None:
    """Fewer and more images than dimensions; scikit-learn's least squares of clean images on very many noised ones."""
    points, sigma = images(count, (4,)).double(), 0.4
    clean = points.repeat(360_000 // count, 1)
    noised = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    fitted = LinearRegression().fit(noised.numpy(), clean.numpy())
    x = images(50, (4,), seed=1).double()
    expected = torch.from_numpy(fitted.predict(x.numpy()))
    result = WienerDenoiser(points)(x, torch.full((50,), sigma, dtype=torch.float64))
    torch.testing.assert_close(result, expected, rtol=0, atol=0.01)


def test_the_loss_on_gaussian_data_is_its_closed_form() -> None:
    """With the data's own covariance, mean of l s^2 / (l + s^2); a sample of 20,000 estimates it well."""
    variances = torch.tensor([1.0, 0.25, 0.04, 0.0025], dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    train, unseen = (torch.randn(20_000, 4, generator=generator, dtype=torch.float64) * variances.sqrt() for _ in "tu")
    denoiser = WienerDenoiser(train)
    for sigma in (0.01, 0.1, 0.5, 3.0):
        noise = torch.randn(unseen.shape, generator=generator, dtype=torch.float64)
        error = denoiser(unseen + sigma * noise, torch.full((20_000,), sigma, dtype=torch.float64)) - unseen
        expected = (variances * sigma**2 / (variances + sigma**2)).mean()
        assert float(error.square().mean()) == pytest.approx(float(expected), rel=0.02)
