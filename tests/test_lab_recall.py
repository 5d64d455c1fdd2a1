"""Exact recall: closed forms, Monte Carlo through the measures of samples, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.stats import ncx2

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import equidistant, planar_set
from diffbench.lab.recall import ANGLES, recall_probability
from diffbench.measures.memorization import closeness, distance_ratios
from diffbench.measures.near_duplicates import THRESHOLD, surroundings


@pytest.mark.parametrize("delta", [0.05, 0.5, 2.0, 30.0])
def test_two_points_recall_within_apollonius_circles(delta: float) -> None:
    """Of points at -1 and 1 on an axis: discs of radius 3/4 about -5/4 and 5/4, disjoint non-central chi-squares."""
    train = np.array([[-1.0, 0.0], [1.0, 0.0]])
    square = np.array([0.25, 2.25]) ** 2  # of a disc's centre from either kernel
    expected = ncx2.cdf(0.75**2 / delta**2, 2, square / delta**2).sum()
    assert recall_probability(train, delta) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["spiral", "moons", "circle-random"])
def test_it_is_the_share_of_samples_that_count_as_memorized(name: str) -> None:
    train = planar_set(name, 60, 0.5, 0).train
    rng = np.random.default_rng(0)
    draws = 60_000
    sample = train[rng.integers(0, len(train), draws)] + 0.4 * rng.standard_normal((draws, 2))
    near, second = np.sort(np.linalg.norm(sample[:, None] - train[None], axis=2), axis=1)[:, :2].T
    share = np.mean(near < second / 3)
    error = np.sqrt(share * (1 - share) / draws)
    assert recall_probability(train, 0.4) == pytest.approx(share, abs=3.5 * error)


@pytest.mark.parametrize(("noise", "delta"), [(0.0, 0.5), (0.0, 1.5), (0.6, 0.4), (0.6, 1.0)])
def test_it_is_what_the_measure_of_memorization_says(noise: float, delta: float) -> None:
    """Without near duplicates in the training set, which that measure sets apart."""
    train = planar_set("circle-symmetric", 40, noise, 0).train
    assert not surroundings(train, np.arange(20)).duplicates.any()
    rng = np.random.default_rng(1)
    sample = train[rng.integers(0, 20, 20_000)] + delta * rng.standard_normal((20_000, 2))
    share = np.mean(distance_ratios(closeness(sample, train)) < THRESHOLD)
    assert recall_probability(train, delta) == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / 20_000))


def test_without_error_every_point_is_recalled_and_dense_support_or_error_end_it() -> None:
    assert recall_probability(equidistant(10), 1e-3) == pytest.approx(1, abs=1e-9)
    by_density = [recall_probability(equidistant(count), 0.5) for count in (6, 20, 60, 200)]
    by_error = [recall_probability(equidistant(10), delta) for delta in (0.2, 0.5, 1.0, 3.0)]
    for falling in (by_density, by_error):
        assert falling[0] > 0.99
        assert (np.diff(falling) < 0).all()
        assert falling[-1] < 0.3


def test_within_a_fixed_radius_dense_support_would_lose_nothing() -> None:
    """Why recall is a ratio: of dense support every generated point lies near some training point, copied or not."""
    rng = np.random.default_rng(0)
    near = []
    for count in (6, 60, 600):
        train = equidistant(count)
        sample = train[rng.integers(0, count, 20_000)] + 0.5 * rng.standard_normal((20_000, 2))
        near.append(np.mean(KDTree(train).query(sample)[0] < 0.5))
    assert near[0] < near[1] < near[2]


@pytest.mark.parametrize("apart", [0.0, 1e-9])
def test_points_that_coincide_are_not_recalled_and_others_are(apart: float) -> None:
    train = planar_set("moons", 20, 0.3, 0).train
    assert recall_probability(np.concatenate([train, train + apart]), 0.5) == pytest.approx(0, abs=1e-12)
    pair = np.concatenate([train, train[:1] + apart])
    rng = np.random.default_rng(0)
    sample = pair[rng.integers(0, 11, 50_000)] + 0.5 * rng.standard_normal((50_000, 2))
    near, second = KDTree(pair).query(sample, 2)[0].T
    share = np.mean(near < second / 3)
    assert recall_probability(pair, 0.5) == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / 50_000))


def test_many_points_in_several_blocks_are_the_sum_over_each(monkeypatch: pytest.MonkeyPatch) -> None:
    train = planar_set("spiral", 60, 0.5, 3).train
    whole = recall_probability(train, 0.5)
    monkeypatch.setattr("diffbench.lab.recall.BLOCK_ELEMENTS", ANGLES)  # one training point a block
    assert recall_probability(train, 0.5) == pytest.approx(whole, rel=1e-12)


@given(delta=st.floats(0.05, 3.0), scale=st.floats(0.01, 100), angle=st.floats(0, 6), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_scale_and_rotation_change_nothing(delta: float, scale: float, angle: float, seed: int) -> None:
    train = planar_set("circle-random", 12, 0.5, seed).train
    turned = train @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plain = recall_probability(train, delta)
    assert 0 <= plain <= 1 + 1e-5
    assert recall_probability(scale * train, scale * delta) == pytest.approx(plain, rel=1e-9)
    assert recall_probability(turned, delta) == pytest.approx(plain, abs=2e-5)


def test_a_single_point_is_refused() -> None:
    with pytest.raises(DiffbenchError, match="second nearest"):
        recall_probability(equidistant(1), 1.0)
