import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import equidistant
from diffbench.lab.equivalent import equivalent_delta, planar_error

TRAIN = equidistant(6)
ERROR_OF = planar_error(TRAIN, TRAIN[:1])
RANGE = (0.02, 30.0)


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
