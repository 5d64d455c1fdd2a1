import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import equidistant
from diffbench.data.planar import Points
from diffbench.lab.equivalent import (
    DELTA_RANGE,
    ErrorOf,
    equivalent_delta,
    equivalent_estimates,
    tabulated_error,
)
from diffbench.lab.ideal import blurred
from diffbench.lab.quadrature import converged_errors
from diffbench.measures.intervals import Estimate

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
    found = equivalent_delta(sigmas, np.array([ERROR_OF(0.7, float(s)) for s in sigmas]), ERROR_OF, RANGE)
    np.testing.assert_allclose([each.delta for each in found], 0.7, rtol=1e-4)
    assert all(each.reason == "" for each in found)


def test_one_training_point_in_closed_form() -> None:
    """delta^2 s sqrt(pi/2) / (s^2 + delta^2) = e is solved by delta^2 = s^2 e / (s sqrt(pi/2) - e)."""
    point = equidistant(1)
    (found,) = equivalent_delta(np.array([0.5]), np.array([0.2]), planar_error(point, point), RANGE)
    assert found.delta == pytest.approx(np.sqrt(0.25 * 0.2 / (0.5 * np.sqrt(np.pi / 2) - 0.2)), rel=1e-4)


def test_errors_that_no_delta_has_are_undefined_with_a_reason() -> None:
    low, high, missing = equivalent_delta(
        np.array([1.0, 1.0, 1.0]), np.array([1e-7, 50.0, np.nan]), ERROR_OF, RANGE
    )
    assert np.isnan([low.delta, high.delta, missing.delta]).all()
    assert "below" in low.reason
    assert "above" in high.reason
    assert "not a number" in missing.reason


def test_of_several_solutions_the_smallest_is_given() -> None:
    def valley(delta: float, sigma: float) -> float:
        return abs(np.log(delta)) * sigma

    (found,) = equivalent_delta(np.array([1.0]), np.array([1.0]), valley, RANGE)
    assert found.solutions == 2
    assert found.delta == pytest.approx(np.exp(-1), rel=1e-5)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(DiffbenchError, match="noise levels"):
        equivalent_delta(np.ones(2), np.ones(3), ERROR_OF, RANGE)


def test_tabulated_errors_agree_with_the_quadrature() -> None:
    """Antithetic draws: 4 * 4,000 noise vectors hold the Monte-Carlo error below 2 %."""
    sigmas, rng = np.array([0.3, 1.0]), np.random.default_rng(0)
    noise = [list(rng.standard_normal((4000, 1, 2))) for _ in sigmas]
    table = tabulated_error(TRAIN, TRAIN[:1], sigmas, [draws + [-draw for draw in draws] for draws in noise])
    for sigma in sigmas:
        for delta in (0.05, 0.33, 1.0, 7.0):
            assert table(delta, float(sigma)) == pytest.approx(ERROR_OF(delta, float(sigma)), rel=0.02)


def test_y_delta_measured_on_the_same_noise_is_found_to_the_table_s_precision() -> None:
    sigmas, rng = np.array([0.1, 0.7, 2.0]), np.random.default_rng(1)
    noise = [list(rng.standard_normal((20, 6, 2))) for _ in sigmas]
    table = tabulated_error(TRAIN, TRAIN, sigmas, noise)
    own = blurred(TRAIN, 0.9)
    errors = [
        np.mean([np.linalg.norm(own(TRAIN + s * n, s) - TRAIN, axis=1) for n in draws])
        for s, draws in zip(sigmas, noise, strict=True)
    ]
    means = [Estimate(float(e), 0.9 * float(e), 1.1 * float(e), 6) for e in errors]
    found = equivalent_estimates(sigmas, means, table)
    np.testing.assert_allclose([each.value for each in found], 0.9, rtol=5e-3)
    assert all(each.low < each.value < each.high for each in found)


def test_an_interval_that_leaves_the_range_ends_at_it_and_undefined_values_say_why() -> None:
    sigmas = np.array([1.0, 1.0])
    error = ERROR_OF(1.0, 1.0)
    means = [Estimate(error, 0.0, 1e9, 6), Estimate(1e9, 0.0, 1e9, 6)]
    wide, high = equivalent_estimates(sigmas, means, ERROR_OF)
    assert (wide.low, wide.high) == DELTA_RANGE
    assert np.isnan(high.value)
    assert "above" in high.reason
