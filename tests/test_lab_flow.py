import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import sqrtm

from diffbench.conventions import karras_sigmas
from diffbench.data.planar import Points, equidistant, planar_set, sample_true
from diffbench.lab.discretization import apparent_optimum
from diffbench.lab.flow import (
    Moments,
    Solver,
    endpoint,
    frechet_distance,
    moments,
    sampling_grid,
    start_distribution,
)
from diffbench.lab.ideal import blurred, optimum

DELTA = 1.6
TRAIN = planar_set("circle-random", 10, 0.5, 1).train


def exact_endpoint(train: Points, delta: float, start: Points, sigma_start: float, sigma_stop: float) -> Points:
    """End points of y_delta's flow from sigma_start to sigma_stop >= 0 to 1e-9. Shape (m, 2).

    By the identity: the optimum's flow in s~, with a high-order adaptive solver.
    """
    denoiser = optimum(train)

    def slope(log_level: float, flat: np.ndarray) -> np.ndarray:
        x = flat.reshape(-1, 2)
        return (x - denoiser(x, float(np.exp(log_level)))).ravel()  # dx/d(ln s~)

    span = np.log(np.hypot([sigma_start, sigma_stop], delta))
    solved = solve_ivp(slope, span, start.ravel(), method="DOP853", rtol=1e-10, atol=1e-10)
    return solved.y[:, -1].reshape(-1, 2)


def test_flow_of_y_delta_is_the_optimal_flow_stopped_at_delta() -> None:
    """The left side integrates y_delta's own field in sigma, the right side the optimum's in s~."""
    start = 20 * sample_true("circle-random", 6, 3.0, 0) / 10
    denoiser = blurred(TRAIN, DELTA)

    def field(sigma: float, flat: np.ndarray) -> np.ndarray:
        x = flat.reshape(-1, 2)
        return ((x - denoiser(x, sigma)) / sigma).ravel()

    direct = solve_ivp(field, (20.0, 1e-3), start.ravel(), method="DOP853", rtol=1e-10, atol=1e-10).y[:, -1]
    identity = exact_endpoint(TRAIN, DELTA, start, 20.0, 1e-3)
    np.testing.assert_allclose(direct.reshape(-1, 2), identity, atol=1e-7)


def test_exact_flow_generates_the_training_covariance_plus_delta_squared() -> None:
    delta = 3.0  # a smooth map from noise to sample, which the quadrature resolves
    start, weights = start_distribution(TRAIN, delta, 8.0, nodes=(48, 128))
    reached = moments(exact_endpoint(TRAIN, delta, start, 8.0, 0.0), weights)
    np.testing.assert_allclose(reached.mean, TRAIN.mean(axis=0), atol=2e-3)
    expected = np.cov(TRAIN.T, bias=True) + delta**2 * np.eye(2)
    np.testing.assert_allclose(reached.covariance, expected, atol=5e-3)


def test_start_distribution_has_exact_moments() -> None:
    start, weights = start_distribution(TRAIN, DELTA, 3.0)
    reached = moments(start, weights)
    expected = np.cov(TRAIN.T, bias=True) + (3.0**2 + DELTA**2) * np.eye(2)
    np.testing.assert_allclose(reached.covariance, expected, rtol=1e-10)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_solvers_converge_with_their_order(solver: Solver, order: int) -> None:
    start = 20 * np.random.default_rng(0).standard_normal((20, 2))
    denoiser = blurred(TRAIN, DELTA)
    exact = exact_endpoint(TRAIN, DELTA, start, 20.0, 0.1)
    errors = [
        np.abs(endpoint(denoiser, start, karras_sigmas(steps + 1, 0.1, 20.0), solver) - exact).mean()
        for steps in (100, 200, 400)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, order, atol=0.12)


def test_sampling_to_zero_approaches_the_kernel_density() -> None:
    sigmas = sampling_grid(100)
    start, weights = start_distribution(TRAIN, DELTA, float(sigmas[0]))
    reached = moments(endpoint(blurred(TRAIN, DELTA), start, sigmas, "heun"), weights)
    expected = np.cov(TRAIN.T, bias=True) + DELTA**2 * np.eye(2)
    np.testing.assert_allclose(reached.covariance, expected, atol=0.1)


def test_frechet_distance_agrees_with_a_matrix_root() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = (moments(rng.standard_normal((6, 2)) @ rng.standard_normal((2, 2))) for _ in range(2))
        root = np.real(sqrtm(first.covariance @ second.covariance))
        expected = np.sum((first.mean - second.mean) ** 2) + np.trace(first.covariance + second.covariance - 2 * root)
        assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-7)


def test_exact_optimum_of_a_ring_that_is_too_small() -> None:
    """Covariance 32 I against 50 I: delta^2 = 18 makes them equal."""
    best = apparent_optimum(0.8 * equidistant(6), Moments(np.zeros(2), 50 * np.eye(2)), None)
    assert best.delta == pytest.approx(np.sqrt(18), abs=2e-3)
    assert best.distance == pytest.approx(0, abs=1e-6)


def test_coarse_euler_fakes_an_optimum_that_the_exact_flow_does_not_have() -> None:
    train, true = equidistant(5), Moments(np.zeros(2), 50 * np.eye(2))
    exact, euler = apparent_optimum(train, true, None), apparent_optimum(train, true, "euler", 18)
    assert exact.delta == 0.02  # the end of the range: the less blur, the better
    assert 2 < euler.delta < 4
    assert euler.distance < 1e-6
