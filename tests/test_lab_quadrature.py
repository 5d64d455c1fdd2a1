import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import rice

from diffbench.data.planar import equidistant
from diffbench.lab.ideal import blurred
from diffbench.lab.quadrature import OUTERMOST, converged_errors, polar_nodes


def test_nodes_integrate_moments_of_the_normal_distribution() -> None:
    offsets, weights = polar_nodes(16, 32)
    assert weights.sum() == pytest.approx(1)
    assert weights @ np.abs(offsets) ** 2 == pytest.approx(2, rel=1e-7)
    assert weights @ np.real(offsets) ** 4 == pytest.approx(3, rel=1e-6)
    assert np.abs(offsets).max() < OUTERMOST


@pytest.mark.parametrize("sigma", [0.02, 0.3, 2.0])
def test_one_training_point_is_a_rice_distribution(sigma: float) -> None:
    delta = 0.5
    train, clean = np.array([[3.0, 4.0]]), np.array([[3.0, 4.0], [0.0, 1.0]])
    errors = converged_errors(blurred(train, delta), clean, sigma)
    total = sigma**2 + delta**2
    spread, shift = delta**2 * sigma / total, sigma**2 / total * np.hypot(3, 3)
    np.testing.assert_allclose(errors.norm[0], spread * np.sqrt(np.pi / 2), rtol=1e-9)
    np.testing.assert_allclose(errors.norm[1], rice.mean(shift / spread, scale=spread), rtol=2e-5)
    np.testing.assert_allclose(errors.square, [2 * spread**2, shift**2 + 2 * spread**2], rtol=1e-9)


@pytest.mark.parametrize("delta", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("a", [0.0, 5.0, -5.0, 1.3])
def test_two_training_points_reduce_to_one_dimension(delta: float, sigma: float, a: float) -> None:
    """Training points (+-5, 0): y* = (5 tanh(5 x / s~^2), 0). Along y the error is Gaussian."""
    train, clean = np.array([[5.0, 0.0], [-5.0, 0.0]]), np.array([[a, 0.0]])
    total = sigma**2 + delta**2

    def integrand(n: float) -> float:
        x = a + sigma * n
        along = (delta**2 * x + sigma**2 * 5 * np.tanh(5 * x / total)) / total - a
        return along**2 * np.exp(-(n**2) / 2) / np.sqrt(2 * np.pi)

    switch = float(np.clip(-a / sigma, -OUTERMOST, OUTERMOST))
    expected = sum(
        quad(integrand, low, high, limit=500, epsrel=1e-10, epsabs=0)[0]
        for low, high in ((-OUTERMOST - 1, switch), (switch, OUTERMOST + 1))
    )
    expected += (delta**2 * sigma / total) ** 2
    errors = converged_errors(blurred(train, delta), clean, sigma)
    assert errors.square[0] == pytest.approx(expected, rel=1e-4)
    assert errors.change <= 5e-5


def test_mirrored_half_agrees_with_the_whole_plane() -> None:
    both = equidistant(8)
    denoiser = blurred(both[0::2], 0.4)
    whole = converged_errors(denoiser, both[:2], 1.0)
    half = converged_errors(denoiser, both[:2], 1.0, mirrored=True)
    np.testing.assert_allclose(half.norm, whole.norm, rtol=1e-12)
    np.testing.assert_allclose(half.square, whole.square, rtol=1e-12)


def test_turned_points_get_the_same_error_to_rounding() -> None:
    both = equidistant(14)
    errors = converged_errors(blurred(both[0::2], 1.0), both, 0.9, tolerance=1e-2)
    np.testing.assert_allclose(errors.norm[0::2], errors.norm[0], rtol=1e-12)
    np.testing.assert_allclose(errors.norm[1::2], errors.norm[1], rtol=1e-12)
