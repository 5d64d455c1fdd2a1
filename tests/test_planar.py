"""Planar sets lie where they should, are what their seed says, and refuse what makes no set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import DENSE_SHARE, RADIUS, TRUE_DISTRIBUTIONS, planar_set, sample_true

NOISE = 0.3


def test_symmetric_circle_alternates_training_and_validation() -> None:
    train, validation = planar_set("circle-symmetric", 12, 0.0, 0)
    angles = np.degrees(np.arctan2(train[:, 1], train[:, 0])) % 360
    between = np.degrees(np.arctan2(validation[:, 1], validation[:, 0])) % 360
    np.testing.assert_allclose(angles, np.arange(6) * 60, atol=1e-9)
    np.testing.assert_allclose(between, np.arange(6) * 60 + 30, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(train, axis=1), RADIUS)


@given(name=st.sampled_from(sorted(TRUE_DISTRIBUTIONS)), half=st.integers(1, 40), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_halves_are_equal_disjoint_and_reproducible(name: str, half: int, seed: int) -> None:
    first, again = planar_set(name, 2 * half, NOISE, seed), planar_set(name, 2 * half, NOISE, seed)
    assert first.train.shape == first.validation.shape == (half, 2)
    np.testing.assert_array_equal(first.train, again.train)
    both = np.concatenate(first)
    assert len(np.unique(both, axis=0)) == 2 * half
    assert not np.array_equal(first.train, planar_set(name, 2 * half, NOISE, seed + 1).train)


def test_random_circle_has_uniform_angles() -> None:
    sample = sample_true("circle-random", 5000, 0.0, 0)
    np.testing.assert_allclose(np.linalg.norm(sample, axis=1), RADIUS)
    shares = np.arctan2(sample[:, 1], sample[:, 0]) / (2 * np.pi) + 0.5
    assert kstest(shares, "uniform").pvalue > 0.01


def test_dense_half_has_its_share() -> None:
    sample = sample_true("dense-sparse", 20_000, 0.0, 0)
    assert np.mean(sample[:, 1] > 0) == pytest.approx(DENSE_SHARE, abs=4 * np.sqrt(0.09 / 20_000))


def test_noise_has_its_standard_deviation_about_the_blobs_centres() -> None:
    sample = sample_true("blobs", 20_000, NOISE, 0)
    offsets = sample - np.round(sample / 5) * 5
    assert np.std(offsets) == pytest.approx(NOISE, rel=0.02)
    assert len(np.unique(np.round(sample / 5), axis=0)) == 25


def test_spiral_lies_on_its_curve_and_moons_on_two_half_circles() -> None:
    spiral = sample_true("spiral", 500, 0.0, 0)
    radius, angle = np.linalg.norm(spiral, axis=1), np.arctan2(spiral[:, 1], spiral[:, 0])
    turns = (radius / RADIUS * 2 - angle / (2 * np.pi)) % 1
    np.testing.assert_allclose(np.minimum(turns, 1 - turns), 0, atol=1e-9)
    moons = sample_true("moons", 500, 0.0, 0)
    centre = np.array([RADIUS / 4, RADIUS / 8])
    upper, lower = np.linalg.norm(moons + centre, axis=1), np.linalg.norm(moons - centre, axis=1)
    on_upper, on_lower = np.isclose(upper, RADIUS / 2), np.isclose(lower, RADIUS / 2)
    assert np.all(on_upper | on_lower)
    assert on_upper.sum() == pytest.approx(250, abs=45)


@pytest.mark.parametrize(
    ("name", "points", "noise", "word"),
    [
        ("circle-symmetric", 7, 0.0, "odd"),
        ("circle-random", 0, 0.0, "too few"),
        ("moons", -2, 0.0, "too few"),
        ("moebius", 4, 0.0, "unknown"),
        ("spiral", 4, -1.0, "standard deviation"),
        ("spiral", 4, float("nan"), "standard deviation"),
        ("blobs", 4, 0.0, "duplicate"),
    ],
)
def test_bad_input_is_refused_in_one_line(name: str, points: int, noise: float, word: str) -> None:
    with pytest.raises(DiffbenchError, match=word) as caught:
        planar_set(name, points, noise, 0)
    assert "\n" not in str(caught.value)
