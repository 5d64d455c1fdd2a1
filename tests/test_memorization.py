"""Memorization criteria on planted truth: copies, unseen images, underfit samples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.measures.copying import copying_test, copying_z, nearest_side_rate
from diffbench.measures.memorization import (
    Closeness,
    calibrated_distances,
    closeness,
    distance_ratios,
    mem_auc,
    memorization,
)


@pytest.fixture(scope="module")
def splits():
    """Train, validation and held-out images of one distribution, in 24 dimensions."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.5, (count, 24)) for count in (600, 500, 500)]


def test_planted_copies_are_memorized_and_validation_images_are_not(splits):
    train, validation, _ = splits
    copies = train[:200] + np.random.default_rng(1).normal(0, 1e-3, (200, 24))
    found = memorization(closeness(copies, train), 0)
    assert found.fraction.value == found.fraction_half.value == found.fraction_quarter.value == 1
    assert found.fraction.low == pytest.approx(0.025 ** (1 / 200))
    assert found.calibrated_fraction.value == 1
    assert found.authentic.value == 0
    assert found.mem_auc.value > 0.95
    assert found.exact_copies == 0
    floor = memorization(closeness(validation, train), 0)
    assert floor.fraction.value == 0
    assert floor.fraction.high > 0
    assert floor.authentic.value > 0.4
    assert floor.mem_auc.value < 0.2


def test_half_planted_copies_are_half_memorized(splits):
    train, validation, _ = splits
    found = memorization(closeness(np.concatenate([train[:300], validation[:300]]), train), 0)
    assert found.fraction.value == 0.5
    assert found.exact_copies == 300
    assert found.fraction.low < 0.5 < found.fraction.high


def test_against_definitions_written_out(splits):
    train, validation, _ = splits
    images = np.concatenate([validation[:40], train[:5] + 0.01])
    close = closeness(images, train)
    between = np.linalg.norm(train[:, None] - train[None], axis=2)
    ratios, calibrated, authentic = [], [], []
    for image in images:
        distances = np.linalg.norm(train - image, axis=1)
        d1, d2 = np.sort(distances)[:2]
        others = np.sort(np.delete(between[distances.argmin()], distances.argmin()))
        ratios.append(d1 / d2)
        calibrated.append(d1 / (0.5 * others[:50].mean()))
        authentic.append(d1 > others[0])
    np.testing.assert_allclose(distance_ratios(close), ratios)
    np.testing.assert_allclose(calibrated_distances(close), calibrated)
    found = memorization(close, 0)
    assert found.authentic.value == np.mean(authentic)
    assert found.calibrated_fraction.value == np.mean(np.array(calibrated) < 1)
    curve = [np.mean(np.array(ratios) < t / 100) for t in range(1, 100)]
    assert found.mem_auc.value == pytest.approx(np.mean(curve))


def close_of(first, second, scale=1.0):
    first, second = np.array(first, float), np.array(second, float)
    return Closeness(np.zeros(len(first), int), first, second, np.ones(len(first)), np.full(len(first), scale))


def test_ratio_at_duplicates():
    ratios = distance_ratios(close_of([0, 0, 0.1, 1], [0, 2, 0.1, 4]))
    assert ratios.tolist() == [0, 0, 1, 0.25]


def test_mem_auc_thresholds_are_strict():
    assert mem_auc(np.array([0.5, 0.5]), 0).value == pytest.approx(49 / 99)  # below 0.51 ... 0.99
    assert mem_auc(np.zeros(10), 0).value == 1
    none = mem_auc(np.ones(10), 0)
    assert (none.value, none.low) == (0, 0)
    assert none.high > 0


def test_duplicated_and_constant_training_images():
    constant = np.ones((60, 30))
    same = memorization(closeness(constant[:5], constant), 0)
    assert same.fraction.value == same.calibrated_fraction.value == 1
    assert same.exact_copies == 5
    other = memorization(closeness(constant[:5] + 1, constant), 0)
    assert other.fraction.value == other.calibrated_fraction.value == 0


def test_few_training_images():
    with pytest.raises(DiffbenchError, match="at least 2 references"):
        closeness(np.zeros((3, 4)), np.ones((1, 4)))
    found = memorization(closeness(np.zeros((3, 4)), np.eye(4)), 0)
    assert math.isnan(found.calibrated_fraction.value)
    assert "more than 50" in found.calibrated_fraction.reason
    assert found.fraction.value == 0
    with pytest.raises(DiffbenchError, match="NaN or infinite"):
        closeness(np.full((1, 4), np.nan), np.eye(4))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-8, 8))
def test_moving_turning_scaling_and_shuffling_changes_nothing(seed, exponent):
    rng = np.random.default_rng(seed)
    train, images = rng.normal(size=(60, 13)), rng.normal(size=(15, 13))
    images[:3] = train[:3] + 0.01 * images[:3]
    rotation, _ = np.linalg.qr(rng.normal(size=(13, 13)))
    shift, scale = rng.normal(size=13), 2.0**exponent
    moved = closeness((images * scale) @ rotation + shift, ((train * scale) @ rotation + shift)[rng.permutation(60)])
    plain = closeness(images, train)
    np.testing.assert_allclose(distance_ratios(moved), distance_ratios(plain), rtol=1e-6)
    np.testing.assert_allclose(calibrated_distances(moved), calibrated_distances(plain), rtol=1e-6)
    assert memorization(moved, 0).authentic == memorization(plain, 0).authentic


def test_copying_test_has_the_papers_orientation(splits):
    train, validation, unseen = splits
    rng = np.random.default_rng(2)
    copied = copying_test(train[:500] + rng.normal(0, 0.05, (500, 24)), validation, train, 0)
    assert copied.cells == copied.cells_used == 5
    assert copied.c_t.high < -5
    underfit = copying_test(unseen * 1.1, validation, train, 0)
    assert underfit.c_t.low > 1


def test_copying_test_of_unseen_images_is_about_zero():
    rng = np.random.default_rng(5)
    values = []
    for _ in range(6):
        train, validation, unseen = (rng.normal(0, 0.5, (300, 12)) for _ in range(3))
        values.append(copying_test(unseen, validation, train, 0).c_t.value)
    # Three cells: the average z has a standard deviation of 1/sqrt(3), and that of six of them 0.24.
    assert abs(np.mean(values)) < 0.7


def test_copying_z_equals_scipys_mann_whitney_per_cell():
    rng = np.random.default_rng(3)
    s, v = np.round(rng.exponential(1, 120), 1), np.round(rng.exponential(1.3, 150), 1)
    s_cells, v_cells = rng.integers(0, 2, 120), rng.integers(0, 2, 150)
    expected, weights = [], []
    for cell in (0, 1):
        a, b = s[s_cells == cell], v[v_cells == cell]
        p = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False, alternative="less").pvalue
        expected.append(stats.norm.ppf(p))
        weights.append(len(b))
    found = copying_z(s, v, s_cells, v_cells, 2)
    assert found.c_t.value == pytest.approx(np.average(expected, weights=weights), rel=1e-9)


def test_copying_interval_covers_the_expected_z():
    """Under no difference the expected z is 0, in one cell and in four."""
    rng = np.random.default_rng(4)
    for cells in (1, 4):
        found = []
        for _ in range(400):
            s, v = rng.normal(size=200), rng.normal(size=200)
            found.append(copying_z(s, v, rng.integers(0, cells, 200), rng.integers(0, cells, 200), cells).c_t)
        assert 0.92 <= np.mean([e.low <= 0 <= e.high for e in found]) <= 0.98


def test_copying_test_leaves_out_thin_cells_and_ties():
    few = copying_z(np.arange(10.0), np.arange(10.0), np.zeros(10, int), np.zeros(10, int), 1)
    assert math.isnan(few.c_t.value)
    assert few.cells_used == 0
    tied = copying_z(np.zeros(50), np.zeros(50), np.zeros(50, int), np.zeros(50, int), 1)
    assert "differing distances" in tied.c_t.reason


def test_nearest_side_rate(splits):
    train, validation, unseen = splits
    assert nearest_side_rate(train[:100] + 0.001, train[:500], validation, 0).value == 1
    fair = nearest_side_rate(unseen, train, validation, 0)
    assert fair.low < 0.5 < fair.high
    assert fair.n == 500
    ones = np.ones((5, 4))
    assert "equally near" in nearest_side_rate(ones * 0, ones, ones, 0).reason
    with pytest.raises(DiffbenchError, match="no images"):
        nearest_side_rate(ones, ones, ones[:0], 0)
