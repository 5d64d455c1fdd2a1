"""Extracted training images against enumeration, closed forms and planted copies; coverage by simulation."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.measures.extraction import chao1, extraction, frequencies, rare_events, rarefaction
from diffbench.measures.intervals import proportion
from diffbench.measures.memorization import closeness, distance_ratios
from diffbench.measures.near_duplicates import THRESHOLD

SIMULATIONS = 200
NONE_SEEN = -math.log(0.025)
"""Largest mean of a Poisson count that is 0 in 2.5 % of cases."""

FISHERS_BUTTERFLIES = [118, 74, 44, 24, 29, 22, 20, 19, 20, 15, 12, 14, 6, 12, 6, 9, 9, 6, 10, 10, 11, 5, 3, 3]
"""Species of Malayan butterflies caught 1 ... 24 times; 119 were caught more often (Fisher et al. 1943)."""


def arrays(of):
    """Arguments nearest and memorized of samples, given the image that each extracts, or -1."""
    of = np.asarray(of, dtype=np.int64)
    return np.maximum(of, 0), of >= 0


def mean_distinct(of, size):
    """By enumeration of all choices of `size` samples."""
    return float(np.mean([len(set(choice) - {-1}) for choice in combinations(of, size)]))


def draw(law, samples, rng):
    """Images extracted by independent samples; law: chance of each image per sample, the rest is not memorized."""
    return rng.permutation(np.repeat(np.arange(-1, len(law)), rng.multinomial(samples, [max(0, 1 - sum(law)), *law])))


samples_of_six = st.lists(st.integers(-1, 5), min_size=1, max_size=9)


def test_planted_copies_are_found_and_counted():
    rng = np.random.default_rng(0)
    train, held_out = rng.normal(size=(60, 64)), rng.normal(size=(30, 64))
    planted = np.repeat([3, 17, 17 + 1, 59], [1, 2, 5, 9])
    samples = np.concatenate([train[planted] + 0.01 * rng.normal(size=(len(planted), 64)), held_out])
    close = closeness(samples, train)
    result = extraction(close.nearest, distance_ratios(close) < THRESHOLD, len(train), 0)
    assert {t: int(times) for t, times in enumerate(result.times) if times} == {3: 1, 17: 2, 18: 5, 59: 9}
    assert (result.distinct.value, result.distinct.n) == (4, 47)
    assert result.rate == proportion(17, 47)
    assert result.sizes.tolist() == [1, 2, 4, 8, 16, 32, 47]
    assert result.curve[-1] == result.distinct
    assert result.curve[0].value == pytest.approx(17 / 47)


@given(of=samples_of_six, data=st.data())
@settings(max_examples=60, deadline=None)
def test_curve_equals_enumeration(of, data):
    size = data.draw(st.integers(1, len(of)))
    nearest, memorized = arrays(of)
    hits = frequencies(np.bincount(nearest[memorized], minlength=6))
    (estimate,) = rarefaction(hits, np.array([size]), len(of), 6)
    assert estimate.value == pytest.approx(mean_distinct(of, size), abs=1e-12)


@given(of=samples_of_six)
@settings(max_examples=30, deadline=None)
def test_interval_is_fays_and_feuers_with_the_jackknifes_variance(of):
    """Leaving out each sample for real, and the gamma law of scipy."""
    nearest, memorized = arrays(of)
    hits, m = frequencies(np.bincount(nearest[memorized], minlength=6)), len(of)
    for size in range(1, m + 1):
        (estimate,) = rarefaction(hits, np.array([size]), m, 6)
        without = np.array([mean_distinct(of[:i] + of[i + 1 :], min(size, m - 1)) for i in range(m)])
        variance = ((without - without.mean()) ** 2).sum()
        step, nearly_all = size / m, estimate.value > size / 2
        events = size - estimate.value if nearly_all else estimate.value
        spread = variance + step**2
        low = stats.gamma.ppf(0.025, events**2 / spread, scale=spread / events) if events > 0 else 0
        high = stats.gamma.ppf(0.975, (events + step) ** 2 / spread, scale=spread / (events + step))
        if nearly_all:
            low, high = max(size - high, 0), size - low
        assert (estimate.low, estimate.high) == pytest.approx((low, min(high, size, 6)), rel=1e-6, abs=1e-9)


def test_curve_of_equally_likely_images_is_the_coupon_collectors():
    rng = np.random.default_rng(1)
    images, samples = 40, 128
    results = [extraction(*arrays(rng.integers(images, size=samples)), images, 0) for _ in range(SIMULATIONS)]
    curves = [[estimate.value for estimate in result.curve] for result in results]
    expected = images * (1 - (1 - 1 / images) ** results[0].sizes)
    error = np.std(curves, axis=0) / math.sqrt(SIMULATIONS)
    assert np.all(np.abs(np.mean(curves, axis=0) - expected) <= 4 * error + 1e-9)


def test_chao1_of_published_counts():
    small = np.array([0, 1, 1, 4, 2, 5, 2, 4, 1, 2])  # f1 = f2 = 3: 9 + 3 * 2 / (2 * 4)
    assert chao1(frequencies(small), 22, 100, 0).value == 9.75
    times = np.repeat([*range(1, 25), 25], [*FISHERS_BUTTERFLIES, 119])
    butterflies = chao1(frequencies(times), int(times.sum()), 10_000, 0)
    assert butterflies.value == pytest.approx(620 + 118 * 117 / (2 * 75))
    variance = 74 * (0.25 * (118 / 74) ** 4 + (118 / 74) ** 3 + 0.5 * (118 / 74) ** 2)  # Chao 1987
    assert (butterflies.high - butterflies.low) / 3.92 == pytest.approx(math.sqrt(variance), rel=0.1)


def test_chao1s_ends_lie_at_their_levels_of_garwoods_laws():
    """The distribution function of the images left, summed over a grid of both gamma laws' quantiles."""
    levels = (np.arange(400) + 0.5) / 400
    interval = chao1(np.array([40, 3, 1]), 49, 100_000, 0)
    for end, singles, doubles, level in ((interval.low, 40, 4, 0.025), (interval.high, 41, 3, 0.975)):
        left = stats.gamma.ppf(levels, singles)[:, None] ** 2 / (2 * stats.gamma.ppf(levels, doubles))
        assert stats.poisson.cdf(end - 44, left).mean() == pytest.approx(level, abs=0.008)  # 3 errors of 4,000 draws


def test_chao1_is_at_most_all_training_images():
    all_once = chao1(frequencies(np.ones(30, dtype=np.int64)), 30, 200, 0)  # 30 + 30 * 29 / 2 without the bound
    assert all_once.value == all_once.high == 200
    assert 30 < all_once.low < 200


@pytest.mark.parametrize("samples", [1, 20, 4096])
def test_no_memorized_sample_leaves_room_for_some(samples):
    result = extraction(*arrays([-1] * samples), 500, 0)
    assert result.rate == proportion(0, samples)
    for size, estimate in zip(result.sizes, result.curve, strict=True):
        assert (estimate.value, estimate.low) == (0, 0)
        assert estimate.high == pytest.approx(min(size, NONE_SEEN * size / samples))
        assert estimate.high >= min(size * result.rate.high, size) * (1 - 1e-9)
    assert (result.chao1.value, result.chao1.low, result.chao1.high) == (0, 0, 500)


def test_images_hit_many_times_are_certain_from_below_only_nearly():
    result = extraction(*arrays(np.repeat(np.arange(10), 50)), 100, 0)
    assert 6 < result.distinct.low < result.distinct.value == 10 < result.distinct.high < 15
    assert (result.chao1.value, result.chao1.low) == (10, 10)


@given(of=st.lists(st.integers(-1, 11), min_size=1, max_size=70), seed=st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_invariants(of, seed):
    result = extraction(*arrays(of), 12, seed)
    values = [estimate.value for estimate in result.curve]
    memorized = sum(image >= 0 for image in of)
    assert result.times.sum() == memorized
    assert result.distinct.value == (result.times > 0).sum() <= min(12, memorized)
    assert np.all(np.diff(values) >= -1e-12)
    assert values[-1] == result.distinct.value <= result.chao1.value <= 12
    for size, estimate in zip([*result.sizes, 12], [*result.curve, result.chao1], strict=True):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= min(size, 12)
        assert estimate.low < estimate.high or estimate is result.chao1
        assert estimate.n == len(of)
    mixed = extraction(*arrays(np.random.default_rng(seed).permutation(of)), 12, seed)
    assert (mixed.curve, mixed.chao1) == (result.curve, result.chao1)


ZIPF = 1 / np.arange(1, 129)
LAWS = {
    "often, alike": (np.full(64, 1 / 64), 256),
    "once in a while, alike": (np.full(256, 0.05 / 256), 1024),
    "nearly all samples new": (np.full(1000, 1 / 1000), 66),
    "few of many": (np.where(np.arange(256) < 20, 0.5 / 20, 0), 512),
    "some of many": (np.where(np.arange(256) < 150, 0.025 / 150, 0), 8192),
    "unlike": (0.5 * ZIPF / ZIPF.sum(), 512),
    "one image, rarely": (np.where(np.arange(64) < 1, 0.5 / 512, 0), 512),
    "hardly any": (np.full(64, 1 / 512 / 64), 512),
}


@pytest.mark.parametrize("name", LAWS)
def test_intervals_cover(name):
    """At every size; Chao1's low end holds for unlike images too, its high end where all are alike."""
    law, samples = LAWS[name]
    rng = np.random.default_rng(2)
    results = [extraction(*arrays(draw(law, samples, rng)), len(law), seed) for seed in range(SIMULATIONS)]
    truth = np.array([(1 - (1 - law) ** size).sum() for size in results[0].sizes])
    ends = np.array([[(estimate.low, estimate.high) for estimate in result.curve] for result in results])
    covered = (ends[..., 0] <= truth + 1e-9) & (truth - 1e-9 <= ends[..., 1])
    assert covered.mean(axis=0).min() >= 0.91  # 0.95 but for the simulation's error
    extractable = int((law > 0).sum())
    assert np.mean([result.chao1.low <= extractable for result in results]) >= 0.95
    if name != "unlike":
        assert np.mean([extractable <= result.chao1.high for result in results]) >= 0.95


def test_a_bootstrap_of_samples_would_not_cover():
    """Why the intervals are no bootstrap: its percentiles lie below the number of images that were hit."""
    law, samples = LAWS["some of many"]
    of = draw(law, samples, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    resampled = [len(set(rng.choice(of, len(of)).tolist()) - {-1}) for _ in range(100)]
    assert np.quantile(resampled, 0.975) < len(set(of.tolist()) - {-1})


def test_rare_events_of_poisson_counts_have_garwoods_high_end():
    for count in (0, 1, 7, 400):
        assert rare_events(count, count, 1)[1] == pytest.approx(stats.gamma.ppf(0.975, count + 1))
    assert rare_events(10_000, 10_000, 1) == pytest.approx((10_000 - 196, 10_000 + 196), abs=3)


def test_without_samples_all_is_undefined():
    result = extraction(*arrays([]), 5, 0)
    assert result.times.tolist() == [0] * 5
    assert result.curve == []
    assert {result.distinct.reason, result.chao1.reason} == {"no samples"}
    assert math.isnan(result.distinct.value)
    assert math.isnan(result.chao1.value)
    assert math.isnan(result.rate.value)


@pytest.mark.parametrize("row", [-1, 5])
def test_rows_of_another_training_set_are_refused(row):
    with pytest.raises(DiffbenchError, match="not all among 5 training images"):
        extraction(np.array([2, row]), np.array([True, True]), 5, 0)
