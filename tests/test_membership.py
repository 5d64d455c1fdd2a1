"""Membership tests on losses whose ROC curve is known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_curve

from diffbench.conventions import DiffbenchError
from diffbench.measures.membership import membership, tpr_at_fpr


def test_perfect_test_and_no_information():
    rng = np.random.default_rng(0)
    train, validation = rng.normal(0, 1, (2, 1500)), rng.normal(0, 1, (2, 1200))
    validation[1] += 50
    members = membership(train, validation, 0)
    assert members.auc[0].low < 0.5 < members.auc[0].high
    assert members.tpr_at_1_percent[0].low <= 0.01 <= members.tpr_at_1_percent[0].high
    assert members.auc[1].value == members.tpr_at_1_percent[1].value == members.tpr_at_01_percent[1].value == 1
    assert members.auc[1].low > 0.99


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([0.01, 0.05, 0.3]), ties=st.booleans())
def test_equals_the_roc_curve_of_sklearn(seed, rate, ties):
    rng = np.random.default_rng(seed)
    members, others = rng.normal(0, 1, 80), rng.normal(1, 1, 150)
    if ties:
        members, others = np.round(members), np.round(others)
    labels = np.r_[np.ones(80), np.zeros(150)]
    fpr, tpr, _ = roc_curve(labels, -np.r_[members, others], drop_intermediate=False)
    assert tpr_at_fpr(members, others, rate, 0).value == pytest.approx(tpr[fpr <= rate].max())


@pytest.mark.parametrize(("rate", "others"), [(0.01, 1000), (0.001, 2000)])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_covers_the_true_rate(rate, others, shift):
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(stats.norm.ppf(rate) + shift)
    covered = 0
    for seed in range(200):
        share = tpr_at_fpr(rng.normal(-shift, 1, 500), rng.normal(0, 1, others), rate, seed)
        covered += share.low <= truth <= share.high
    assert covered / 200 >= 0.92


def test_too_few_images_to_resolve_the_rate():
    share = tpr_at_fpr(np.zeros(50), np.ones(999), 0.001, 0)
    assert math.isnan(share.value)
    assert "at least 1000" in share.reason
    assert tpr_at_fpr(np.zeros(50), np.ones(1000), 0.001, 0).value == 1


def test_no_hits_have_width():
    share = tpr_at_fpr(np.ones(50), np.zeros(1000), 0.01, 0)
    assert (share.value, share.low) == (0, 0)
    assert share.high > 0.05


def test_monotone_maps_of_the_loss_change_nothing():
    rng = np.random.default_rng(2)
    train, validation = rng.exponential(1, (3, 300)), rng.exponential(1.5, (3, 400))
    assert membership(np.log(train), np.log(validation), 0) == membership(train**3, validation**3, 0)


@pytest.mark.usefixtures("shapes_unchecked")
def test_bad_losses_are_named():
    with pytest.raises(DiffbenchError, match="not \\(L, n\\)"):
        membership(np.ones((2, 5)), np.ones((3, 5)), 0)
    with pytest.raises(DiffbenchError, match="NaN or infinity"):
        membership(np.full((2, 5), np.nan), np.ones((2, 5)), 0)
