import numpy as np
import pytest

from diffbench.conventions import SIGMA_DATA, DiffbenchError
from diffbench.lab.collapse import collapse_sigma, mean_effective_number, measured_collapse


@pytest.mark.parametrize(("n", "d"), [(2, 2), (1000, 8), (4096, 64)])
def test_information_equals_the_logarithm_of_the_training_size(n: int, d: int) -> None:
    sigma = collapse_sigma(n, d)
    assert d / 2 * np.log(1 + SIGMA_DATA**2 / sigma**2) == pytest.approx(np.log(n), rel=1e-12)


def test_effective_number_runs_from_one_to_all() -> None:
    rng = np.random.default_rng(0)
    points, noise = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    assert mean_effective_number(points, noise, 1e-3) == pytest.approx(1)
    assert mean_effective_number(points, noise, 1e4) == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize("dimension", [2, 8, 32, 64])
def test_posterior_concentrates_near_the_analytic_level(dimension: int) -> None:
    collapses = [measured_collapse(1024, dimension, seed) for seed in range(2)]
    for each in collapses:
        assert 0.8 < each.ratio < 1.05
    assert collapses[0].sigma_measured != collapses[1].sigma_measured


def test_both_levels_fall_with_the_training_size() -> None:
    small, large = measured_collapse(64, 8, 0), measured_collapse(1024, 8, 0)
    assert large.sigma_theory < small.sigma_theory
    assert large.sigma_measured < small.sigma_measured


def test_two_points_never_count_as_spread() -> None:
    assert np.isnan(measured_collapse(2, 4, 0).sigma_measured)


@pytest.mark.parametrize(("n", "d"), [(1, 2), (10, 0)])
def test_undefined_levels_are_refused(n: int, d: int) -> None:
    with pytest.raises(DiffbenchError, match="undefined"):
        collapse_sigma(n, d)
