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
    close = closeness(copies, train)
    criteria = memorization(close, 0)
    assert (close.first > 0).all()
    assert criteria.fraction.value == criteria.fraction_half.value == criteria.fraction_quarter.value == 1
    assert criteria.fraction.low == pytest.approx(0.025 ** (1 / 200))
    assert criteria.calibrated_fraction.value == 1
    assert criteria.authentic.value == 0
    assert criteria.mem_auc.value > 0.95
    floor = memorization(closeness(validation, train), 0)
    assert floor.fraction.value == 0
    assert floor.fraction.high > 0
    assert floor.authentic.value > 0.4
    assert floor.mem_auc.value < 0.2


def test_half_planted_copies_are_half_memorized(splits):
    train, validation, _ = splits
    close = closeness(np.concatenate([train[:300], validation[:300]]), train)
    criteria = memorization(close, 0)
    assert ((close.first == 0) == (np.arange(600) < 300)).all()
    assert criteria.fraction.value == 0.5
    assert criteria.fraction.low < 0.5 < criteria.fraction.high


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
    criteria = memorization(close, 0)
    assert criteria.authentic.value == np.mean(authentic)
    assert criteria.calibrated_fraction.value == np.mean(np.array(calibrated) < 1)
    curve = [np.mean(np.array(ratios) < t / 100) for t in range(1, 100)]
    assert criteria.mem_auc.value == pytest.approx(np.mean(curve))


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
    copies = closeness(constant[:5], constant)
    same = memorization(copies, 0)
    assert same.fraction.value == same.calibrated_fraction.value == 1
    assert (copies.first == 0).all()
    other = memorization(closeness(constant[:5] + 1, constant), 0)
    assert other.fraction.value == other.calibrated_fraction.value == 0


def test_few_training_images():
    with pytest.raises(DiffbenchError, match="at least 2 references"):
        closeness(np.zeros((3, 4)), np.ones((1, 4)))
    criteria = memorization(closeness(np.zeros((3, 4)), np.eye(4)), 0)
    assert math.isnan(criteria.calibrated_fraction.value)
    assert "more than 50" in criteria.calibrated_fraction.reason
    assert criteria.fraction.value == 0
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


def c_t_of(samples, validation, train):
    sample_distances, validation_distances = (closeness(images, train).first for images in (samples, validation))
    return copying_test(samples, validation, train, sample_distances, validation_distances, 0)


def test_copying_test_has_the_papers_orientation(splits):
    train, validation, unseen = splits
    rng = np.random.default_rng(2)
    copied = c_t_of(train[:500] + rng.normal(0, 0.05, (500, 24)), validation, train)
    assert copied.high < -5
    underfit = c_t_of(unseen * 1.1, validation, train)
    assert underfit.low > 1


def test_copying_is_seen_in_the_region_where_it_happens():
    """Five blobs far apart; samples copy in one of them only, and lie far from training images in the others."""
    rng = np.random.default_rng(6)
    blob = np.arange(500) % 5
    train, validation, samples = (40 * np.eye(12)[blob] + rng.normal(0, 0.5, (500, 12)) for _ in range(3))
    copied = np.where(blob[:, None] == 0, train + 0.01 * samples, samples + 0.3)
    s, v = (closeness(images, train).first for images in (copied, validation))
    by_blob = copying_z(s, v, blob, blob)
    assert copying_test(copied, validation, train, s, v, 0).value == pytest.approx(by_blob.value)
    assert by_blob.value != pytest.approx(copying_z(s, v, 0 * blob, 0 * blob).value, rel=0.1)


def test_copying_test_of_unseen_images_is_about_zero():
    rng = np.random.default_rng(5)
    values = []
    for _ in range(6):
        train, validation, unseen = (rng.normal(0, 0.5, (300, 12)) for _ in range(3))
        values.append(c_t_of(unseen, validation, train).value)
    # Three regions: the average z has a standard deviation of 1/sqrt(3), and that of six of them 0.24.
    assert abs(np.mean(values)) < 0.7


def test_copying_z_equals_scipys_mann_whitney_per_region():
    rng = np.random.default_rng(3)
    s, v = np.round(rng.exponential(1, 120), 1), np.round(rng.exponential(1.3, 150), 1)
    s_regions, v_regions = rng.integers(0, 2, 120), rng.integers(0, 2, 150)
    expected, weights = [], []
    for region in (0, 1):
        a, b = s[s_regions == region], v[v_regions == region]
        p = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False, alternative="less").pvalue
        expected.append(stats.norm.ppf(p))
        weights.append(len(b))
    c_t = copying_z(s, v, s_regions, v_regions)
    assert c_t.value == pytest.approx(np.average(expected, weights=weights), rel=1e-9)


def test_copying_interval_covers_the_expected_z():
    """Under no difference the expected z is 0, in one region and in four."""
    rng = np.random.default_rng(4)
    for regions in (1, 4):
        estimates = []
        for _ in range(400):
            s, v = rng.normal(size=200), rng.normal(size=200)
            estimates.append(copying_z(s, v, rng.integers(0, regions, 200), rng.integers(0, regions, 200)))
        assert 0.92 <= np.mean([e.low <= 0 <= e.high for e in estimates]) <= 0.98


def test_copying_test_leaves_out_thin_regions_and_ties():
    few = copying_z(np.arange(10.0), np.arange(10.0), np.zeros(10, int), np.zeros(10, int))
    assert math.isnan(few.value)
    tied = copying_z(np.zeros(50), np.zeros(50), np.zeros(50, int), np.zeros(50, int))
    assert "differing distances" in tied.reason
    rng = np.random.default_rng(7)
    s, v, region = rng.normal(size=60), rng.normal(size=60), np.arange(60) // 50  # 50 of region 0, 10 of region 1
    assert copying_z(s, v, region, region).value == copying_z(s[:50], v[:50], region[:50], region[:50]).value


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
