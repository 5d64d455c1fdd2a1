"""Overlap of populations whose AUC and overlap coefficient are known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.measures.centered import Centered
from diffbench.measures.concentration import concentration
from diffbench.measures.intervals import share_below_quantile
from diffbench.measures.neighbors import nearest
from diffbench.measures.overlap import overlap, overlap_coefficient, shell_radius


def populations(seed, shift_v, shift_q, count=300):
    rng = np.random.default_rng(seed)
    return [rng.normal(1 + shift, 1, count) for shift in (0, shift_v, shift_q)]


def test_shell_radius_of_noised_training_images_is_one():
    rng = np.random.default_rng(0)
    train = rng.normal(0, 0.5, (50, 400))
    noised = train + 0.2 * rng.normal(size=train.shape)
    radii = shell_radius(nearest(noised, train, 1).distances[:, 0], 0.2, 400)
    assert radii.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("shift_q", "likeness"), [(0.0, 1.0), (1.0, 0.0)])
def test_train_likeness_of_states_like_training_and_like_unseen_data(shift_q, likeness):
    train, validation, states = populations(1, 1.0, shift_q, 2000)
    shells = overlap(train, validation, states, 0)
    assert shells.train_likeness.low <= likeness <= shells.train_likeness.high
    assert shells.train_likeness.value == pytest.approx(likeness, abs=0.12)
    assert shells.auc_vt.value == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.03)


def test_states_further_out_than_unseen_data_are_below_zero():
    train, validation, states = populations(2, 1.0, 3.0)
    assert overlap(train, validation, states, 0).train_likeness.high < 0


def test_train_likeness_covers():
    vt, qt = (stats.norm.cdf(shift / math.sqrt(2)) for shift in (1.0, 0.5))
    truth, covered = (vt - qt) / (vt - 0.5), 0
    for seed in range(120):
        train, validation, states = populations(seed, 1.0, 0.5, 60)
        likeness = overlap(train, validation, states, seed).train_likeness
        covered += likeness.low <= truth <= likeness.high
    assert 0.90 <= covered / 120 <= 0.99


def test_train_likeness_is_undefined_where_noise_hides_the_difference():
    train, validation, states = populations(3, 0.0, 2.0)
    shells = overlap(train, validation, states, 0)
    assert math.isnan(shells.train_likeness.value)
    assert "AUC_VT" in shells.train_likeness.reason
    assert shells.auc_qt.low > 0.8


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_overlap_coefficient_of_shifted_normals(shift):
    """The overlap of N(0, 1) and N(shift, 1) is 2 Phi(-shift / 2)."""
    rng = np.random.default_rng(4)
    truth = 2 * stats.norm.cdf(-shift / 2)
    coefficient = overlap_coefficient(rng.normal(0, 1, 2000), rng.normal(shift, 1, 2000), 0)
    assert coefficient.value == pytest.approx(truth, abs=0.05)
    assert coefficient.low <= coefficient.value <= coefficient.high <= 1


def test_overlap_coefficient_covers():
    rng = np.random.default_rng(5)
    for shift in (0.0, 1.0):
        coefficients = [
            overlap_coefficient(rng.normal(0, 1, 300), rng.normal(shift, 1, 300), seed) for seed in range(50)
        ]
        truth = 2 * stats.norm.cdf(-shift / 2)
        assert np.mean([e.low <= truth <= e.high for e in coefficients]) >= 0.88


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_share_inside_the_ball_covers(shift):
    """Of N(shift, 1) within the radius that holds 95 % of N(0, 1); the radius is estimated, too."""
    rng = np.random.default_rng(9)
    truth = stats.norm.cdf(stats.norm.ppf(0.95) - shift)
    shares = [share_below_quantile(rng.normal(shift, 1, 200), rng.normal(0, 1, 150), 0.95, 0) for _ in range(400)]
    assert np.mean([share.low <= truth <= share.high for share in shares]) >= 0.94
    assert np.mean([share.value for share in shares]) == pytest.approx(truth, abs=0.02)


def test_states_inside_and_unseen_images_inside():
    train, validation, states = populations(10, 3.0, 0.0, 2000)
    shells = overlap(train, validation, states, 0)
    assert shells.states_inside.low <= 0.95 <= shells.states_inside.high  # states like noised training images
    assert shells.validation_inside.value == pytest.approx(stats.norm.cdf(stats.norm.ppf(0.95) - 3), abs=0.02)
    assert shells.validation_inside.n == 4000


def test_overlap_coefficient_edges():
    assert "constant" in overlap_coefficient(np.ones(5), np.zeros(5), 0).reason
    far = overlap_coefficient(np.random.default_rng(6).normal(0, 1, 50), 40 + np.arange(50) / 50, 0)
    assert far.value < 1e-6
    assert "too far apart" in overlap_coefficient(np.arange(50) / 50, 1e6 + np.arange(50) / 50, 0).reason


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5))
def test_units_and_order_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    t, v, q = populations(seed, 1.5, 0.5, 60)
    plain = overlap(t, v, q, 0)
    t, v, q = (scale * (rng.permutation(x) + shift) for x in (t, v, q))
    moved = overlap(t, v, q, 0)
    assert moved.auc_qt.high == pytest.approx(plain.auc_qt.high)
    assert moved.train_likeness.value == pytest.approx(plain.train_likeness.value)
    assert moved.coefficient.value == pytest.approx(plain.coefficient.value, abs=5e-3)


def test_concentration_of_two_points_in_closed_form():
    train, sigma = np.array([[-1.0, 0.0], [1.0, 0.0]]) + 100, 0.7
    points = np.array([[0.0, 0.0], [0.5, 0.2], [1.0, 3.0]]) + 100
    near = concentration(points, Centered.of(train), sigma)
    weight = 1 / (1 + np.exp(-2 * (points[:, 0] - 100) / sigma**2))
    np.testing.assert_allclose(near.largest_weight, np.maximum(weight, 1 - weight))
    np.testing.assert_allclose(near.effective_number, 1 / (weight**2 + (1 - weight) ** 2))
    density = np.mean([stats.norm.pdf(points, x, sigma).prod(axis=1) for x in train], axis=0)
    np.testing.assert_allclose(near.log_density, np.log(density))


def test_concentration_across_blocks(monkeypatch):
    rng = np.random.default_rng(7)
    train, points = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    whole = concentration(points, Centered.of(train), 0.8)
    monkeypatch.setattr("diffbench.measures.concentration.BLOCK_ELEMENTS", 70)
    parts = concentration(points, Centered.of(train), 0.8)
    np.testing.assert_allclose(parts.largest_weight, whole.largest_weight)
    np.testing.assert_allclose(parts.effective_number, whole.effective_number)
    np.testing.assert_allclose(parts.log_density, whole.log_density)


def test_concentration_at_both_ends_of_the_noise():
    rng = np.random.default_rng(8)
    train = rng.normal(size=(40, 6))
    near, far = (concentration(train, Centered.of(train), sigma) for sigma in (1e-3, 1e3))
    np.testing.assert_allclose(near.effective_number, 1)
    np.testing.assert_allclose(far.effective_number, 40, rtol=1e-3)
    np.testing.assert_allclose(far.largest_weight, 1 / 40, rtol=1e-3)


def test_bad_input_is_named():
    good = np.ones(5)
    with pytest.raises(DiffbenchError, match="states radii"):
        overlap(good, good, np.array([np.nan, 1]), 0)
    images = np.ones((3, 2))
    with pytest.raises(DiffbenchError, match="above 0"):
        concentration(images, Centered.of(images), 0.0)
