"""The Wiener filter against closed forms and linear regression, and skill: 0 for itself, planted truth else."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.measures.skill import skill

SIGMA = 0.3


def losses(denoiser, images, sigma=SIGMA, noises=8, seed=0):
    """Mean square error per image, (1, n)."""
    rng = np.random.default_rng(seed)
    clean = torch.from_numpy(images)
    total = np.zeros(len(images))
    for _ in range(noises):
        noised = clean + sigma * torch.from_numpy(rng.standard_normal(images.shape))
        error = denoiser(noised, torch.full((len(images),), sigma)) - clean
        total += error.flatten(1).square().mean(dim=1).numpy() / noises
    return total[None]


def images_of(seed, count, dimension=6):
    mix = np.random.default_rng(99).normal(size=(dimension, dimension)) / 3
    return np.random.default_rng(seed).normal(size=(count, dimension)) @ mix + 0.4, mix.T @ mix


def test_error_on_gaussian_data_is_the_closed_form():
    """mean_i l_i sigma^2 / (l_i + sigma^2), l the eigenvalues of the covariance."""
    train, covariance = images_of(0, 20_000)
    fresh, _ = images_of(1, 20_000)
    eigenvalues = np.linalg.eigvalsh(covariance)
    expected = (eigenvalues * SIGMA**2 / (eigenvalues + SIGMA**2)).mean()
    assert losses(WienerDenoiser(torch.from_numpy(train)), fresh).mean() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("count", [4, 40])
def test_it_is_the_linear_regression_of_clean_on_noised_images(count):
    """scikit-learn's regression on very many noised copies of the training images, fewer and more than dimensions."""
    train, _ = images_of(2, count)
    rng = np.random.default_rng(0)
    clean = np.repeat(train, 400_000 // count, axis=0)
    regression = LinearRegression().fit(clean + SIGMA * rng.standard_normal(clean.shape), clean)
    points = rng.normal(size=(5, 6))
    ours = WienerDenoiser(torch.from_numpy(train))(torch.from_numpy(points), torch.full((5,), SIGMA))
    np.testing.assert_allclose(ours.numpy(), regression.predict(points), atol=0.01)


def test_shapes_levels_and_dtype_are_kept():
    train = torch.from_numpy(np.random.default_rng(3).normal(size=(9, 1, 4, 4)).astype(np.float32))
    filter_ = WienerDenoiser(train)
    x, sigma = train[:2] + 0.1, torch.tensor([1e-6, 1e6])
    out = filter_(x, sigma)
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[1], train.mean(dim=0), atol=1e-4, rtol=0)  # nothing of the input is left
    torch.testing.assert_close(filter_(train[:1], sigma[:1]), train[:1], atol=1e-4, rtol=0)  # nothing of it is lost


def test_a_single_image_is_what_remains_of_it():
    image = torch.ones(1, 3)
    torch.testing.assert_close(WienerDenoiser(image)(torch.zeros(2, 3), torch.tensor([0.1, 1.0])), torch.ones(2, 3))


def test_skill_of_the_filter_itself_is_0_and_of_the_optimum_what_memorizing_gives():
    train, fresh = images_of(4, 12)[0], images_of(5, 300)[0]
    linear, optimum = WienerDenoiser(torch.from_numpy(train)), OptimalDenoiser(torch.from_numpy(train))
    (null,) = skill(losses(linear, fresh), losses(linear, fresh), "validation", 0)
    assert (null.value, null.low, null.high) == (0, 0, 0)
    (seen,) = skill(losses(optimum, train, 0.05), losses(linear, train, 0.05), "train", 0)
    (unseen,) = skill(losses(optimum, fresh, 0.05), losses(linear, fresh, 0.05), "validation", 0)
    assert seen.low > 0.99
    assert unseen.high < 0


def test_skill_intervals_cover():
    """Losses with a common part, as those of the same noised images have; the true skill is 1 - 1.2 / 1.5."""
    covered, count = 0, 400
    for seed in range(count):
        rng = np.random.default_rng(seed)
        common = rng.exponential(size=(1, 200))
        model, baseline = common + 0.2 * rng.exponential(size=(1, 200)), common + 0.5 * rng.exponential(size=(1, 200))
        (estimate,) = skill(model, baseline, "validation", 0)
        covered += estimate.low <= 1 - 1.2 / 1.5 <= estimate.high
    assert 0.92 < covered / count < 0.98


@pytest.mark.usefixtures("shapes_unchecked")
def test_skill_needs_a_baseline_of_the_same_images_that_errs():
    (estimate,) = skill(np.ones((1, 4)), np.zeros((1, 4)), "train", 0)
    assert np.isnan(estimate.value)
    assert "no error" in estimate.reason
    with pytest.raises(DiffbenchError, match="different images"):
        skill(np.ones((1, 4)), np.ones((1, 5)), "train", 0)
