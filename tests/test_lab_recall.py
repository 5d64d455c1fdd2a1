import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.stats import ncx2

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import equidistant, planar_set
from diffbench.lab.recall import recall_probability


@pytest.mark.parametrize(("count", "delta", "radius"), [(1, 0.5, 1.0), (10, 1.6, 0.5), (10, 0.1, 1.0), (30, 3.0, 0.2)])
def test_disjoint_discs_are_non_central_chi_squares(count: int, delta: float, radius: float) -> None:
    train = equidistant(count)
    square = ((train[:, None] - train) ** 2).sum(axis=2)
    expected = ncx2.cdf(radius**2 / delta**2, 2, square / delta**2).sum() / count
    assert recall_probability(train, delta, radius) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("radius", [1.0, 3.0])
def test_overlapping_discs_are_counted_once(radius: float) -> None:
    train = planar_set("spiral", 60, 0.5, 0).train
    rng = np.random.default_rng(0)
    draws = 200_000
    sample = train[rng.integers(0, 30, draws)] + 0.9 * rng.standard_normal((draws, 2))
    share = np.mean(KDTree(train).query(sample)[0] <= radius)
    error = np.sqrt(share * (1 - share) / draws)
    assert recall_probability(train, 0.9, radius) == pytest.approx(share, abs=3.5 * error)


def test_duplicates_own_one_disc() -> None:
    train = planar_set("moons", 20, 0.3, 0).train
    twice = np.concatenate([train, train])
    assert recall_probability(twice, 0.5, 0.7) == pytest.approx(recall_probability(train, 0.5, 0.7), rel=1e-12)


@given(delta=st.floats(0.05, 3.0), radius=st.floats(0.01, 20.0), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_probability_rises_with_the_radius_and_ends_at_one(delta: float, radius: float, seed: int) -> None:
    train = planar_set("circle-random", 12, 0.5, seed).train
    inner, outer = (recall_probability(train, delta, r) for r in (radius, 1.1 * radius))
    assert 0 <= inner <= outer + 1e-5
    assert outer <= 1 + 1e-5
    assert recall_probability(train, delta, 50.0) == pytest.approx(1, abs=1e-5)


def test_empty_disc_is_refused() -> None:
    with pytest.raises(DiffbenchError, match="radius"):
        recall_probability(equidistant(3), 1.0, 0.0)
