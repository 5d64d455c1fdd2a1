"""Dataset inference: uniform p-values where there is nothing, power where there is, and its parts beside libraries'."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from diffbench.measures.chained import FOLDS, Kind, chained_scores, logistic_regression
from diffbench.measures.dataset_inference import LEVEL, POWER, Moments, dataset_inference, least_images, welch


def images(rng: np.random.Generator, count: int, shift: float = 0.0) -> Kind:
    """Twenty correlated, skewed features that depend on one of ten classes, which are balanced."""
    classes = np.arange(count) % 10
    base = rng.normal(size=(count, 1)) + 0.7 * (classes % 5)[:, None] + shift
    features = base + 0.5 * rng.normal(size=(count, 20)) + 0.3 * rng.standard_exponential((count, 20))
    return Kind(features, classes)


def p_of_scipy(sets: Iterable[np.ndarray]) -> float:
    result: Any = stats.ttest_ind(*sets, equal_var=False, alternative="greater")
    return float(result.pvalue)


@pytest.mark.parametrize(("suspects", "unseen"), [(40, 200), (100, 100)])
def test_p_is_uniform_where_suspects_are_like_the_unseen(suspects, unseen):
    """Though suspects teach the classifier, and both sets are class-balanced."""
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        found.append(dataset_inference(images(rng, suspects), images(rng, unseen), seed))
    values = np.array([each.p.value for each in found])
    assert stats.kstest(values, "uniform").pvalue > 0.01
    assert np.mean(values < 0.05) < 0.11
    assert sum(not math.isnan(each.images.value) for each in found) <= 1


@pytest.mark.parametrize(("suspects", "unseen"), [(10, 256), (256, 10), (50, 255)])
def test_p_is_not_too_small_where_one_kind_is_rare_and_scores_are_skewed(suspects, unseen):
    """Welch's test of 2 against 51 skewed scores would have p < 0.01 in 14 % of cases."""
    values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        kinds = [
            Kind(np.log(rng.exponential(size=(m, 1))) + np.log(rng.exponential(size=(m, 12))) / 2, np.arange(m) % 5)
            for m in (suspects, unseen)
        ]
        values.append(dataset_inference(*kinds, seed=seed).p.value)
    assert np.mean(np.array(values) < 0.01) <= 0.033
    assert np.mean(np.array(values) < 0.05) <= 0.1


@pytest.mark.parametrize("odd", [0, 1])
def test_scores_that_are_all_alike_tell_nothing_nor_does_one_odd_image(odd):
    values = []
    for seed in range(40):
        suspects, unseen = np.full((31, 6), -2.3), np.full((47, 6), -2.3)
        suspects[seed % 31] += 1.7 * odd
        kinds = [Kind(each, np.arange(len(each)) % 3) for each in (suspects, unseen)]
        values.append(dataset_inference(*kinds, seed=seed).p.value)
    assert np.min(values) > 0.01


def test_cross_validation_instead_would_not_be_uniform():
    """What chaining is for: each fold judged by a classifier of all others, all scores in one test."""
    values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        kinds, scored = [rng.normal(size=(40, 15)) for _ in range(2)], ([], [])
        for fold in range(FOLDS):
            rest = [np.delete(each, np.s_[fold::FOLDS], axis=0) for each in kinds]
            classifier = LogisticRegression().fit(np.concatenate(rest), np.repeat([1, 0], [len(each) for each in rest]))
            for scores, each in zip(scored, kinds, strict=True):
                scores.append(classifier.decision_function(each[fold::FOLDS]))
        joined = [np.concatenate(scores) for scores in scored]
        values.append(p_of_scipy(joined))
    assert stats.kstest(values, "uniform").pvalue < 0.01


def test_a_leak_is_found_and_the_more_the_fewer_images_it_takes():
    rng = np.random.default_rng(0)
    found = [dataset_inference(images(rng, 200, shift), images(rng, 300), 0) for shift in (1.0, 2.0, 4.0)]
    assert all(each.p.value < 1e-6 for each in found)
    sizes = [each.images.value for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert math.isnan(found[0].p.low)
    assert found[0].p.reason == ""


def test_suspects_that_differ_the_other_way_are_told_apart_too():
    """The classifier learns either direction, as CDI's does: that the sets are alike else, the blind baseline says."""
    rng = np.random.default_rng(0)
    assert dataset_inference(images(rng, 200, -2.0), images(rng, 300), 0).p.value < 1e-6


@pytest.mark.parametrize("shift", [0.6, 1.0, 2.5])
def test_the_least_number_of_images_is_that_of_the_noncentral_t(shift):
    def power(m: int) -> float:
        freedom = 2 * m - 2
        return float(stats.nct.sf(stats.t.isf(LEVEL, freedom), freedom, shift * math.sqrt(m / 2)))

    truth = next(m for m in range(2, 1000) if power(m) >= POWER)
    covered, values = 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = least_images(rng.normal(shift, 1, 300), rng.normal(0, 1, 300), seed)
        covered += found.low - 0.5 <= truth <= found.high + 0.5
        values.append(found.value)
    assert np.median(values) == pytest.approx(truth, rel=0.12, abs=1)
    assert covered / 60 >= 0.88


def test_too_weak_a_leak_for_the_images_at_hand():
    rng = np.random.default_rng(0)
    found = least_images(rng.normal(0.1, 1, 100), rng.normal(0, 1, 400), 0)
    assert math.isnan(found.value)
    assert "with 100 suspects" in found.reason


def test_welch_equals_scipys():
    rng = np.random.default_rng(0)
    sets = rng.normal(0.3, 2, (7, 12)), rng.normal(0, 1, (7, 30))
    moments = [Moments.of(np.full(7, float(x.shape[1])), x.mean(axis=1), (x**2).mean(axis=1)) for x in sets]
    expected = [p_of_scipy(pair) for pair in zip(*sets, strict=True)]
    np.testing.assert_allclose(welch(*moments), expected, rtol=1e-9)
    alike = [Moments(np.full(3, 5.0), np.array(means), np.zeros(3)) for means in ([1.0, 0, 0], [0.0, 0, 1])]
    assert welch(*alike).tolist() == [0, 0.5, 1]


def test_logistic_regression_equals_sklearns():
    rng = np.random.default_rng(0)
    features, sign = rng.normal(size=(120, 6)), np.where(rng.random(120) < 0.2, 1.0, -1.0)
    features[sign > 0] += 0.7
    weight = 120 / 2 / np.where(sign > 0, (sign > 0).sum(), (sign < 0).sum())
    slope, intercept = logistic_regression(features, sign, weight)
    theirs = LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=10_000).fit(features, sign)
    np.testing.assert_allclose(slope, theirs.coef_[0], atol=2e-3)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_no_image_is_scored_by_a_classifier_that_saw_it_or_a_later_one():
    """Images of the last fold that are moved far away change no score of earlier folds."""
    rng = np.random.default_rng(0)
    positives, negatives = images(rng, 50, 1.0), images(rng, 60)
    before = chained_scores(positives, negatives, 3)
    assert [len(scores) for fold in before for scores in fold] == [10, 12] * (FOLDS - 1)
    last = set(before[-1].positives.tolist())
    for row in range(50):
        moved = positives.features.copy()
        moved[row] += 1e3
        after = chained_scores(Kind(moved, positives.classes), negatives, 3)
        if set(after[-1].positives.tolist()) - last and after[-2].positives.tolist() == before[-2].positives.tolist():
            changed = sum(a != b for a, b in zip(after[-1].positives, before[-1].positives, strict=True))
            assert changed == 1
            break
    else:
        pytest.fail("no image stands in the last fold alone")


@pytest.mark.parametrize(("suspects", "features", "reason"), [(9, 3, "at least 10 images"), (50, 0, "no attack")])
def test_too_little_to_infer_from(suspects, features, reason):
    few = Kind(np.zeros((suspects, features)), np.zeros(suspects, np.int64))
    found = dataset_inference(few, Kind(np.ones((50, features)), np.zeros(50, np.int64)), 0)
    assert reason in found.p.reason
    assert reason in found.images.reason
