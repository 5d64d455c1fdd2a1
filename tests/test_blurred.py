"""The error-prone denoiser y_delta against Bayes by summation, and against the laboratory's."""

import numpy as np
import pytest
import torch

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.blurred import BlurredOptimalDenoiser
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.lab.ideal import blurred


def test_gaussian_mixture_posterior_mean() -> None:
    """y_delta is the posterior mean for data of density mean_i N(x_i, delta^2 I): Bayes by summation."""
    points, delta, sigma = np.array([[-1.0], [0.5], [2.0]]), 0.4, 0.7
    grid = np.linspace(-12, 14, 200_001)
    prior = np.exp(-((grid[:, None] - points[:, 0]) ** 2) / (2 * delta**2)).sum(axis=1)
    noised = np.array([[-3.0], [0.1], [1.2]])
    likelihood = np.exp(-((noised - grid) ** 2) / (2 * sigma**2))
    expected = (likelihood * prior) @ grid / (likelihood @ prior)
    denoiser = BlurredOptimalDenoiser(OptimalDenoiser(torch.from_numpy(points)), delta)
    result = denoiser(torch.from_numpy(noised), torch.full((3,), sigma, dtype=torch.float64))
    np.testing.assert_allclose(result[:, 0].numpy(), expected, rtol=1e-9)


def test_images_labels_and_mixed_levels_agree_with_the_laboratory() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, 1, 2, 1, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    x = torch.randn(4, 1, 2, 1, generator=generator, dtype=torch.float64)
    sigma, label = torch.tensor([0.1, 2.0, 0.1, 0.5], dtype=torch.float64), torch.tensor([0, 0, 1, 1])
    result = BlurredOptimalDenoiser(OptimalDenoiser(images, labels), 0.3)(x, sigma, label)
    assert result.shape == x.shape
    for row in range(4):
        train = images[labels == label[row]].flatten(1).numpy()
        expected = blurred(train, 0.3)(x[row].reshape(1, 2).numpy(), float(sigma[row]))
        np.testing.assert_allclose(result[row].flatten().numpy(), expected[0], rtol=1e-12)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_error_scale_is_refused(delta: float) -> None:
    with pytest.raises(DiffbenchError, match="delta"):
        BlurredOptimalDenoiser(OptimalDenoiser(torch.zeros(1, 2)), delta)
