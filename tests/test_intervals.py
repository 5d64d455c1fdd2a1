"""Intervals against other libraries, and their coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from diffbench.conventions import DiffbenchError
from diffbench.measures import intervals as iv

SIMULATIONS = 400


def coverage(estimates, truth):
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))


@given(n=st.integers(1, 5000), data=st.data())
@settings(max_examples=60, deadline=None)
def test_proportion_equals_scipys_exact_interval(n, data):
    hits = data.draw(st.integers(0, n))
    ours = iv.proportion(hits, n)
    exact = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert ours.value == hits / n
    assert (ours.low, ours.high) == pytest.approx((exact.low, exact.high), rel=1e-9, abs=1e-12)


def test_proportion_of_no_hits_and_all_hits_has_width():
    assert iv.proportion(0, 100).low == 0
    assert iv.proportion(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert iv.proportion(100, 100).high == 1
    assert iv.proportion(100, 100).low == pytest.approx(0.025 ** (1 / 100))
    assert math.isnan(iv.proportion(0, 0).value)
    assert iv.proportion(0, 0).reason == "no images"
    with pytest.raises(DiffbenchError, match="impossible"):
        iv.proportion(3, 2)


@pytest.mark.parametrize("truth", [0.001, 0.02, 0.5, 0.97])
def test_proportion_covers_at_least_the_nominal_level_exactly(truth):
    """Summed over the binomial law, no simulation: Clopper-Pearson may cover more than 95 %, never less."""
    hits = np.arange(201)
    chances = stats.binom.pmf(hits, 200, truth)
    covered = [e.low <= truth <= e.high for e in (iv.proportion(int(h), 200) for h in hits)]
    assert 0.95 <= (chances * covered).sum() <= 1


def test_mean_covers():
    rng = np.random.default_rng(0)
    estimates = [iv.mean(rng.normal(3, 2, 100), seed) for seed in range(SIMULATIONS)]
    assert 0.92 <= coverage(estimates, 3) <= 0.98


def test_ratio_of_paired_means_covers_and_is_narrower_than_unpaired():
    rng = np.random.default_rng(1)
    paired, unpaired = [], []
    for seed in range(SIMULATIONS):
        shared = rng.gamma(4, 1, 100)
        values = np.stack([shared + rng.normal(0, 0.1, 100), 2 * shared + rng.normal(0, 0.1, 100)], axis=1)
        top, bottom = values.mean(axis=0)
        a, b = iv.bootstrap_means(values, seed).T
        paired.append(iv.percentile(top / bottom, a / b, 100))
        b_alone = iv.bootstrap_means(values[:, 1:], seed + SIMULATIONS)[:, 0]
        unpaired.append(iv.percentile(top / bottom, a / b_alone, 100))
    assert 0.92 <= coverage(paired, 0.5) <= 0.98
    assert np.mean([e.high - e.low for e in paired]) < 0.2 * np.mean([e.high - e.low for e in unpaired])


@pytest.mark.parametrize("n", [6, 7, 20, 64])
def test_median_covers_whatever_the_distribution(n):
    """The interval's ranks cover in exactly the binomial share of cases, the narrowest that is at least 95 %."""
    rng = np.random.default_rng(3)
    estimates = [iv.median(rng.exponential(size=n)) for _ in range(1500)]
    outside = max(rank for rank in range(1, n) if stats.binom.cdf(rank - 1, n, 0.5) <= 0.025)
    exact = 1 - 2 * stats.binom.cdf(outside - 1, n, 0.5)
    assert exact >= 0.95
    assert coverage(estimates, math.log(2)) == pytest.approx(exact, abs=0.02)


def test_median_by_hand_and_where_it_has_no_interval():
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 6.0])
    assert iv.median(values) == iv.Estimate(3.5, 1.0, 6.0, 6)
    assert iv.median(np.ones(30)) == iv.Estimate(1.0, 1.0, 1.0, 30)
    assert "at least 6 images, got 5" in iv.median(values[:5]).reason


@pytest.mark.parametrize("n", [20, 21])
def test_bootstrapped_medians_are_those_of_the_resamples_of_means(n):
    values = np.random.default_rng(4).normal(size=(n, 3))
    counts = iv.resample_counts(n, iv.RESAMPLES, np.random.default_rng(9)).astype(int)
    medians, means = iv.bootstrap_medians(values, 9), iv.bootstrap_means(values, 9)
    for row in range(0, iv.RESAMPLES, 97):
        drawn = np.repeat(values, counts[row], axis=0)
        np.testing.assert_allclose(medians[row], np.median(drawn, axis=0))
        np.testing.assert_allclose(means[row], drawn.mean(axis=0))


def test_bootstrap_of_means_agrees_with_scipy():
    values = np.random.default_rng(2).exponential(1, 300)
    ours = iv.mean(values, 0)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_blocks_do_not_change_a_bootstrap(monkeypatch):
    values = np.random.default_rng(3).normal(size=(50, 3))
    whole = iv.bootstrap_means(values, 7)
    areas = iv.bootstrap_auc(values[:, 0], values[:30, 1], 1, 2)
    monkeypatch.setattr(iv, "KEPT_ELEMENTS", 0)
    monkeypatch.setattr(iv, "BLOCK_ELEMENTS", 50 * 13)
    np.testing.assert_allclose(iv.bootstrap_means(values, 7), whole, rtol=1e-12)
    np.testing.assert_array_equal(iv.bootstrap_auc(values[:, 0], values[:30, 1], 1, 2), areas)


def test_a_bootstrap_does_not_depend_on_those_before_it():
    values = np.random.default_rng(4).normal(size=(20, 2))
    first = iv.bootstrap_means(values, 1)
    for seed in range(2, 9):  # more than are kept
        iv.bootstrap_means(values, seed)
    np.testing.assert_array_equal(iv.bootstrap_means(values, 1), first)
    np.testing.assert_array_equal(iv.bootstrap_means(values, 1), first)
    assert not np.isclose(iv.bootstrap_means(values[:19], 1), first).all(axis=1).any()


def test_bounded_mean_of_equal_values_has_width():
    none = iv.bounded_mean(np.zeros(50), 0)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(iv.proportion(0, 50).high)
    every = iv.bounded_mean(np.ones(50), 0)
    assert (every.low, every.high) == pytest.approx((iv.proportion(50, 50).low, 1))
    with pytest.raises(DiffbenchError, match="outside"):
        iv.bounded_mean(np.array([0.5, 1.5]), 0)


@given(
    positives=st.lists(st.integers(-5, 5), min_size=2, max_size=30),
    negatives=st.lists(st.integers(-5, 5), min_size=2, max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_auc_equals_sklearn_also_with_ties(positives, negatives):
    ours = iv.auc(np.array(positives, float), np.array(negatives, float))
    labels = [1] * len(positives) + [0] * len(negatives)
    assert ours.value == pytest.approx(roc_auc_score(labels, positives + negatives))
    assert 0 <= ours.low <= ours.value + 1e-12
    assert ours.value <= ours.high + 1e-12 <= 1 + 1e-9
    assert ours.high - ours.low > 1e-3
    flipped = iv.auc(np.array(negatives, float), np.array(positives, float))
    assert (flipped.low, flipped.high) == pytest.approx((1 - ours.high, 1 - ours.low))


def test_delong_variance_equals_the_jackknife_form():
    """DeLong's variance (DeLong et al. 1988) written out over all pairs."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(0.7, 1, 30), rng.normal(0, 1, 40)
    kernel = (x[:, None] > y[None, :]).astype(float)
    variance = kernel.mean(axis=1).var(ddof=1) / 30 + kernel.mean(axis=0).var(ddof=1) / 40
    ours = iv.auc(x, y)
    logit_half = (np.log(ours.high / (1 - ours.high)) - np.log(ours.low / (1 - ours.low))) / 2
    assert logit_half * ours.value * (1 - ours.value) / 1.959964 == pytest.approx(math.sqrt(variance), rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_auc_covers(shift):
    rng = np.random.default_rng(7)
    truth = stats.norm.cdf(shift / math.sqrt(2))
    estimates = [iv.auc(rng.normal(shift, 1, 60), rng.normal(0, 1, 80)) for _ in range(SIMULATIONS * 2)]
    assert 0.92 <= coverage(estimates, truth) <= 0.98


@pytest.mark.parametrize("agreement", [0.9, 0.99])
def test_auc_of_separated_samples_covers(agreement):
    """Positives at 1, save a few at -1, against negatives at 0: the samples are often fully separated."""
    rng = np.random.default_rng(8)
    estimates = [iv.auc(np.where(rng.random(20) < agreement, 1.0, -1.0), np.zeros(25)) for _ in range(SIMULATIONS * 2)]
    assert np.mean([e.value == 1 for e in estimates]) > 0.1
    assert coverage([e for e in estimates if e.value == 1], agreement) == 1
    assert coverage(estimates, agreement) >= 0.87


def test_mean_auc_compares_within_strata_only():
    rng = np.random.default_rng(0)
    strata = [(rng.normal(0.7, 1, 30), rng.normal(0, 1, 40)) for _ in range(4)]
    shifted = [(positives + 50 * k, negatives + 50 * k) for k, (positives, negatives) in enumerate(strata)]
    found = iv.mean_auc(shifted)
    assert found == iv.mean_auc(strata)
    assert found.value == pytest.approx(np.mean([iv.auc(*stratum).value for stratum in strata]))
    pooled = iv.auc(*(np.concatenate(values) for values in zip(*strata, strict=True)))
    assert found.high - found.low == pytest.approx(pooled.high - pooled.low, rel=0.1)
    assert iv.mean_auc([(np.ones(1), np.zeros(5)), (np.ones(3), np.zeros(3))]).reason.startswith("needs at least 2")


def test_auc_edges():
    separated = iv.auc(np.arange(10.0) + 100, np.arange(20.0))
    assert (separated.value, separated.high) == (1, 1)
    assert separated.low == pytest.approx(0.025 ** (1 / 10))
    tied = iv.auc(np.ones(10), np.ones(20))
    assert tied.value == 0.5
    assert tied.low < 0.5 < tied.high
    assert "at least 2" in iv.auc(np.ones(1), np.ones(9)).reason


def test_bootstrap_auc_has_delongs_spread():
    rng = np.random.default_rng(9)
    x, y = np.round(rng.normal(1, 1, 200), 1), np.round(rng.normal(0, 1, 150), 1)
    replicates = iv.bootstrap_auc(x, y, 1, 2)
    ours = iv.auc(x, y)
    assert replicates.mean() == pytest.approx(ours.value, abs=0.005)
    assert np.quantile(replicates, [0.025, 0.975]) == pytest.approx([ours.low, ours.high], abs=0.01)


@pytest.mark.parametrize("height", [0.0, 0.15, 1.0])
def test_largest_covers_the_true_maximum_where_percentiles_fail(height):
    """A bump of some height over 20 levels with independent noise, the worst case for a maximum."""
    rng = np.random.default_rng(10)
    truth = height * np.exp(-(np.linspace(-3, 3, 20) ** 2))
    plain, ours = [], []
    for seed in range(SIMULATIONS // 2):
        values = truth + rng.normal(0, 1, (100, 20))
        curve, replicates = values.mean(axis=0), iv.bootstrap_means(values, seed)
        plain.append(iv.percentile(float(curve.max()), replicates.max(axis=1), 100))
        ours.append(iv.largest(curve, replicates, 100))
    assert coverage(ours, truth.max()) >= 0.92
    if height < 1:
        assert coverage(plain, truth.max()) < 0.8


def test_largest_of_an_exact_curve_has_no_width():
    curve = np.array([1.0, 3.0, 2.0])
    assert iv.largest(curve, np.tile(curve, (10, 1)), 5) == iv.Estimate(3.0, 3.0, 3.0, 5)


def test_undefined_replicates_make_an_undefined_estimate():
    assert iv.percentile(1.0, np.array([1.0, np.nan]), 2).reason
    assert iv.percentile(math.inf, np.array([1.0, 2.0]), 2).reason


def test_student_s_intervals_are_scipy_s():
    rng = np.random.default_rng(0)
    values, others = rng.gamma(2, 1, 5), rng.normal(size=40)
    found, expected = iv.student_difference(values, others), stats.ttest_ind(values, others, equal_var=False)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))
    assert (found.value, found.n) == (pytest.approx(values.mean() - others.mean()), 45)
    found, expected = iv.student_mean(values), stats.ttest_1samp(values, 0)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))


def test_student_s_intervals_of_equal_values_and_of_too_few():
    found = iv.student_difference(np.full(3, 2.0), np.full(9, 0.5))
    assert (found.value, found.low, found.high, found.n) == (1.5, 1.5, 1.5, 12)
    assert "at least 2 images, got 1" in iv.student_difference(np.ones(1), np.ones(9)).reason
    assert "at least 2 images, got 0" in iv.student_mean(np.ones(0)).reason
    assert "no images" in iv.student_difference(np.ones(0), np.ones(9)).reason
