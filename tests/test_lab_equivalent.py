import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import Points, equidistant
from diffbench.lab.equivalent import (
    DELTA_RANGE,
    ErrorOf,
    ErrorTable,
    equivalent_delta,
    equivalent_estimates,
)
from diffbench.lab.ideal import blurred
from diffbench.lab.quadrature import converged_errors

RANGE = (0.02, 30.0)


def planar_error(train: Points, clean: Points) -> ErrorOf:
    """Mean error norm of y_delta at the clean points, by quadrature."""

    def error_of(delta: float, sigma: float) -> float:
        return float(converged_errors(blurred(train, delta), clean, sigma).norm.mean())

    return error_of


TRAIN = equidistant(6)
ERROR_OF = planar_error(TRAIN, TRAIN[:1])


def test_the_delta_that_made_the_errors_is_found() -> None:
    sigmas = np.array([0.1, 0.5, 1.0, 3.0])
    deltas = equivalent_delta(sigmas, np.array([ERROR_OF(0.7, float(s)) for s in sigmas]), ERROR_OF, RANGE)
    np.testing.assert_allclose([each.delta for each in deltas], 0.7, rtol=1e-4)
    assert all(each.reason == "" for each in deltas)


def test_one_training_point_in_closed_form() -> None:
    """delta^2 s sqrt(pi/2) / (s^2 + delta^2) = e is solved by delta^2 = s^2 e / (s sqrt(pi/2) - e)."""
    point = equidistant(1)
    (equivalent,) = equivalent_delta(np.array([0.5]), np.array([0.2]), planar_error(point, point), RANGE)
    assert equivalent.delta == pytest.approx(np.sqrt(0.25 * 0.2 / (0.5 * np.sqrt(np.pi / 2) - 0.2)), rel=1e-4)


def test_errors_that_no_delta_has_are_undefined_with_a_reason() -> None:
    low, high, missing = equivalent_delta(np.array([1.0, 1.0, 1.0]), np.array([1e-7, 50.0, np.nan]), ERROR_OF, RANGE)
    assert np.isnan([low.delta, high.delta, missing.delta]).all()
    assert "below" in low.reason
    assert "above" in high.reason
    assert "not a number" in missing.reason


def test_of_several_solutions_the_smallest_is_given() -> None:
    def valley(delta: float, sigma: float) -> float:
        return abs(np.log(delta)) * sigma

    (equivalent,) = equivalent_delta(np.array([1.0]), np.array([1.0]), valley, RANGE)
    assert equivalent.solutions == 2
    assert equivalent.delta == pytest.approx(np.exp(-1), rel=1e-5)


@pytest.mark.usefixtures("shapes_unchecked")
def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(DiffbenchError, match="noise levels"):
        equivalent_delta(np.ones(2), np.ones(3), ERROR_OF, RANGE)


def test_tabulated_errors_agree_with_the_quadrature() -> None:
    """8,000 noise vectors hold the Monte-Carlo error below 2 %."""
    sigmas, rng = np.array([0.3, 1.0]), np.random.default_rng(0)
    noise = [list(rng.standard_normal((8000, 1, 2))) for _ in sigmas]
    table = ErrorTable(TRAIN, TRAIN[:1], sigmas, noise)
    for sigma in sigmas:
        for delta in (0.05, 0.33, 1.0, 7.0):
            assert table(delta, float(sigma)) == pytest.approx(ERROR_OF(delta, float(sigma)), rel=0.02)


def _measured(delta: float, sigmas: np.ndarray, seed: int) -> tuple[np.ndarray, ErrorTable]:
    """Error norms (L, 6) of y_delta itself, and the table on the same noise."""
    rng = np.random.default_rng(seed)
    noise = [list(rng.standard_normal((20, 6, 2))) for _ in sigmas]
    own = blurred(TRAIN, delta)
    norms = [
        np.mean([np.linalg.norm(own(TRAIN + s * n, s) - TRAIN, axis=1) for n in draws], axis=0)
        for s, draws in zip(sigmas, noise, strict=True)
    ]
    return np.array(norms), ErrorTable(TRAIN, TRAIN, sigmas, noise)


def test_y_delta_on_the_same_noise_is_found_and_the_shared_noise_leaves_its_interval() -> None:
    sigmas = np.array([0.1, 0.7, 2.0])
    norms, table = _measured(0.9, sigmas, 1)
    estimates = equivalent_estimates(sigmas, norms, table, 0)
    np.testing.assert_allclose([each.value for each in estimates], 0.9, rtol=5e-3)
    assert all(each.low <= each.value <= each.high for each in estimates)
    assert all(each.high / each.low < 1.02 for each in estimates)  # the errors themselves vary by tens of percents


def test_points_that_err_unlike_y_delta_widen_the_interval() -> None:
    sigmas = np.array([0.7])
    norms, table = _measured(0.9, sigmas, 2)
    uneven = norms * np.array([0.5, 1.5, 0.7, 1.3, 0.8, 1.2])
    (estimate,) = equivalent_estimates(sigmas, uneven, table, 0)
    assert estimate.low < 0.85
    assert estimate.high > 0.95


def test_an_interval_that_leaves_the_range_ends_at_it_and_undefined_values_say_why() -> None:
    sigmas = np.array([1.0, 1.0])
    norms, table = _measured(1.0, sigmas[:1], 3)
    wild = norms[0].mean() * np.array([-30, 32, -10, 12, 0, 2])
    wide, high = equivalent_estimates(sigmas, np.stack([wild, np.full(6, 1e9)]), table, 0)
    assert (wide.low, wide.high) == DELTA_RANGE
    assert np.isnan(high.value)
    assert "above" in high.reason
