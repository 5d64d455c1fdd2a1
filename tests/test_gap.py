"""The denoising gap on losses whose true gap is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError, log_sigmas
from diffbench.denoisers.posterior import posterior
from diffbench.measures.gap import gap_curve, memorized_share, onset
from diffbench.measures.membership import membership

SIGMAS = log_sigmas(12)


def bump(height):
    """A gap that is 0 at both ends and `height` at sigma = 0.3. Shape (12,)."""
    return height * np.exp(-(np.log(SIGMAS / SIGMAS[6]) ** 2) / 4)


def losses(rng, count, gap=0.0, shared=True):
    """Per-image losses (12, count) of mean (1 + gap): images are hard or easy, at all levels alike if shared."""
    hardness = rng.gamma(20, 1 / 20, (1 if shared else len(SIGMAS), count))
    return (1 + np.broadcast_to(gap, len(SIGMAS)))[:, None] * hardness * np.ones((len(SIGMAS), 1))


def test_no_noise_gives_the_definition():
    gap = bump(0.5)
    curve = gap_curve(SIGMAS, np.ones((12, 5)) * 2, 2 * (1 + gap)[:, None] * np.ones((12, 4)), 0)
    np.testing.assert_allclose([e.value for e in curve.relative], gap, atol=1e-12)
    np.testing.assert_allclose([e.value for e in curve.absolute], 2 * gap, atol=1e-12)
    assert (curve.peak.value, curve.peak.low, curve.peak.high) == pytest.approx((0.5, 0.5, 0.5))
    assert curve.sigma_at_peak.value == curve.sigma_at_peak.low == curve.sigma_at_peak.high == SIGMAS[6]
    alone = curve.absolute_peak
    assert (alone.value, alone.low, alone.high) == pytest.approx((1.0, 1.0, 1.0))
    assert curve.area.value == pytest.approx(np.trapezoid(gap, np.log(SIGMAS)))


@pytest.mark.parametrize(("height", "shared"), [(0.0, False), (0.3, True), (0.3, False)])
def test_intervals_cover(height, shared):
    rng = np.random.default_rng(0)
    gap, simulations = bump(height), 240
    covered = {"level": 0, "peak": 0, "absolute": 0, "area": 0, "sigma": 0}
    for seed in range(simulations):
        curve = gap_curve(SIGMAS, losses(rng, 60, shared=shared), losses(rng, 80, gap, shared), seed)
        covered["level"] += curve.relative[5].low <= gap[5] <= curve.relative[5].high
        covered["peak"] += curve.peak.low <= gap.max() <= curve.peak.high
        covered["absolute"] += curve.absolute_peak.low <= gap.max() <= curve.absolute_peak.high
        covered["area"] += curve.area.low <= np.trapezoid(gap, np.log(SIGMAS)) <= curve.area.high
        covered["sigma"] += curve.sigma_at_peak.low <= SIGMAS[6] <= curve.sigma_at_peak.high
    rate = {name: count / simulations for name, count in covered.items()}
    assert 0.90 <= rate["level"] <= 0.99
    assert 0.90 <= rate["area"] <= 0.99
    assert min(rate["peak"], rate["absolute"]) >= 0.92
    if height > 0:
        assert rate["sigma"] >= 0.92


def test_a_denoiser_that_ignores_its_input_has_no_gap():
    rng = np.random.default_rng(1)
    images = rng.normal(0, 0.5, (4000, 10))
    loss = np.tile((images**2).mean(axis=1), (12, 1))
    curve = gap_curve(SIGMAS, loss[:, :2000], loss[:, 2000:], 0)
    assert curve.peak.low <= 0 <= curve.peak.high
    assert abs(curve.peak.value) < 0.05


def test_the_optimal_denoiser_gives_itself_away():
    """Its gap grows without bound as sigma -> 0, its loss names every member, and its share of itself is 1."""
    rng = np.random.default_rng(9)
    train, validation = rng.normal(0, 0.5, (60, 10)), rng.normal(0, 0.5, (50, 10))
    by_split = []
    for images in (train, validation):
        noise = rng.normal(size=images.shape)
        estimates = [posterior(images + s * noise, train, s).weights @ train for s in SIGMAS]
        by_split.append(np.stack([((estimate - images) ** 2).mean(axis=1) for estimate in estimates]))
    curve = gap_curve(SIGMAS, by_split[0], by_split[1], 0)
    assert curve.peak.value == math.inf
    relative = [estimate.value for estimate in curve.relative]
    assert min(relative[:5]) > 100
    assert abs(relative[-1]) < 0.5
    members = membership(by_split[0], by_split[1], 0)
    assert all(estimate.value == 1 for estimate in members.auc[:5])
    assert members.auc[-1].low < 0.5 < members.auc[-1].high
    shares = memorized_share(by_split[0], by_split[1], by_split[0], by_split[1], 0)
    assert [share.value for share in shares[:5]] == [1] * 5
    assert "no gap" in shares[-1].reason


def test_training_loss_of_zero_is_unbounded_not_a_crash():
    train, validation = np.ones((12, 50)), np.full((12, 50), 2.0)
    train[:2] = 0
    curve = gap_curve(SIGMAS, train, validation, 0)
    assert curve.relative[0].value == math.inf
    assert "training loss is 0" in curve.relative[0].reason
    assert curve.peak.value == curve.area.value == math.inf
    assert f"sigma = {SIGMAS[1]:.4g}" in curve.peak.reason
    assert curve.relative[5].value == 1
    assert curve.absolute[0].value == 2
    validation[:2] = 0
    both = gap_curve(SIGMAS, train, validation, 0)
    assert math.isnan(both.relative[0].value)
    assert math.isnan(both.peak.value)
    assert "both 0" in both.peak.reason


def test_a_training_loss_carried_by_one_image_is_undefined_not_wrong():
    train = np.zeros((12, 20))
    train[:, 0] = 1e-200
    curve = gap_curve(SIGMAS, train, np.ones((12, 20)), 0)
    assert all(estimate.reason for estimate in curve.relative)
    assert math.isnan(curve.peak.value)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-20, 20))
def test_the_unit_of_loss_and_the_order_of_images_do_not_matter(seed, exponent):
    rng = np.random.default_rng(seed)
    train, validation = losses(rng, 30), losses(rng, 40, 0.2)
    plain = gap_curve(SIGMAS, train, validation, 0)
    scaled = gap_curve(SIGMAS, train * 2.0**exponent, validation * 2.0**exponent, 0)
    assert scaled.peak == plain.peak
    assert scaled.area == plain.area
    shuffled = gap_curve(SIGMAS, rng.permutation(train, axis=1), validation, 0)
    assert shuffled.peak.value == pytest.approx(plain.peak.value)


def test_memorized_share_of_a_mixture():
    """A model whose losses are 0.25 optimum + 0.75 constant memorizes a quarter."""
    rng = np.random.default_rng(3)
    optimum_train, optimum_validation = losses(rng, 800) * 0.01, losses(rng, 900) * 1.01
    model_train, model_validation = 0.25 * optimum_train + 0.75, 0.25 * optimum_validation + 0.75
    for share in memorized_share(model_train, model_validation, optimum_train, optimum_validation, 0):
        assert (share.value, share.low, share.high) == pytest.approx((0.25, 0.25, 0.25))  # pairing leaves no noise
    for share in memorized_share(optimum_train, optimum_validation, optimum_train, optimum_validation, 0):
        assert (share.value, share.low, share.high) == pytest.approx((1, 1, 1))


def test_memorized_share_covers():
    rng = np.random.default_rng(4)
    covered = 0
    for seed in range(150):
        o_t, o_v = losses(rng, 150) * 0.5, losses(rng, 150)
        m_t, m_v = (x * f + rng.gamma(2, 0.1, x.shape) for x, f in ((o_t, 1.6), (o_v, 0.9)))
        share = memorized_share(m_t[:1], m_v[:1], o_t[:1], o_v[:1], seed)[0]
        covered += share.low <= 0.2 <= share.high
    assert 0.90 <= covered / 150 <= 0.99


def test_memorized_share_is_undefined_where_the_optimum_has_no_gap():
    rng = np.random.default_rng(5)
    same, other = losses(rng, 100), losses(rng, 100)
    share = memorized_share(same, other + 0.3, same, rng.permutation(same, axis=1), 0)
    assert all(math.isnan(e.value) and "no gap" in e.reason for e in share)


@pytest.mark.usefixtures("shapes_unchecked")
def test_memorized_share_needs_the_same_images():
    rng = np.random.default_rng(5)
    same, other = losses(rng, 100), losses(rng, 100)
    with pytest.raises(DiffbenchError, match="different images"):
        memorized_share(same, other, same[:, :50], other, 0)


def test_onset_is_the_step_of_least_validation_loss():
    rng = np.random.default_rng(6)
    steps = np.array([100, 200, 400, 800])
    level = np.array([1.0, 0.5, 0.7, 0.9])
    clear = onset(steps, level[:, None] * rng.gamma(20, 0.05, (1, 300)), 0)
    assert (clear.value, clear.low, clear.high) == (200, 200, 200)
    unclear = onset(steps, np.array([1.0, 0.5, 0.505, 0.9])[:, None] * rng.gamma(20, 0.05, (4, 300)), 0)
    assert {unclear.low, unclear.high} == {200, 400}
    falling = onset(steps, np.array([1.0, 0.9, 0.8, 0.7])[:, None] * np.ones((1, 10)), 0)
    assert math.isnan(falling.value)
    assert "still falls" in falling.reason


@pytest.mark.usefixtures("shapes_unchecked")
def test_bad_losses_are_named():
    good = np.ones((12, 5))
    with pytest.raises(DiffbenchError, match="12 levels"):
        gap_curve(SIGMAS, good[:3], good, 0)
    with pytest.raises(DiffbenchError, match="NaN or infinity"):
        gap_curve(SIGMAS, good, good * np.nan, 0)
