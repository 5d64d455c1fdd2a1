"""Time scales and pair consistency on planted courses."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.consistency import correlations, pair_consistency
from diffbench.measures.intervals import proportion
from diffbench.measures.timescales import (
    effective_memorization,
    last_step_at_floor,
    least_size_at_floor,
    tau_gen,
    tau_half,
    tau_mem,
)

STEPS = [100, 200, 400, 800]
LN_2 = math.log(2)
COURSES = {
    "logit": (expit, logit),
    "log-log": (lambda z: np.exp(-LN_2 * np.exp(-z)), lambda p: -np.log(-np.log(p) / LN_2)),
    "complementary log-log": (lambda z: 1 - np.exp(-LN_2 * np.exp(z)), lambda p: np.log(-np.log1p(-p) / LN_2)),
}
"""Fractions that rise from 0 to 1, 1/2 at 0, and where they have a value."""


def shares(*hits, n=1000):
    return [proportion(hit, n) for hit in hits]


def values(*points, half=0.1):
    return [Estimate(p, p - half, p + half, 10) for p in points]


def test_crossing_is_read_on_the_logit_over_log_steps():
    """With p = expit(6 ln(step / 300)) is 1/2 at 300, and at its floor's bound where the inverse says."""
    exact = [proportion(round(10**6 * p), 10**6) for p in expit(6 * np.log(np.array(STEPS) / 300))]
    assert tau_half(STEPS, exact).value == pytest.approx(300, rel=1e-3)
    floor = proportion(10, 1000)
    onset = tau_mem(STEPS, exact, [floor] * 4)
    assert onset.value == pytest.approx(300 * np.exp(logit(floor.high) / 6), rel=0.01)
    assert onset.low < onset.value < onset.high


def test_interval_reaches_to_the_milestones_where_nothing_is_known_in_between():
    tau = tau_mem(STEPS, shares(0, 0, 1000, 1000), shares(1, 1, 1, 1))
    assert 200 <= tau.low < tau.value < tau.high == 400  # no hit of 1000, and then all: anywhere in between
    blip = tau_mem(STEPS, shares(0, 7, 0, 300), shares(0, 0, 0, 0))
    assert 400 < blip.value < 800  # a milestone whose own interval holds the floor, and that does not last, is no onset


def test_crossing_before_the_first_step_or_beyond_the_last_is_undefined():
    never = tau_mem(STEPS, shares(0, 0, 1, 2), shares(1, 1, 1, 1))
    assert math.isnan(never.value)
    assert "up to step 800" in never.reason
    assert "already at step 100" in tau_mem(STEPS, shares(50, 60, 80, 300), shares(0, 0, 0, 0)).reason
    assert "above 0.5 up to step 800" in tau_half(STEPS, shares(0, 100, 300, 510)).reason
    assert "already at step 100" in tau_half(STEPS, shares(510, 600, 700, 800)).reason
    assert "1 of 4" in tau_half(STEPS, [undefined("no", 0)] * 3 + shares(600)).reason
    assert tau_half(STEPS, [undefined("no", 0), *shares(100, 400, 700)]).value == pytest.approx(500.6, abs=1)
    assert "0 of 4" in tau_mem(STEPS, shares(0, 100, 200, 300), [undefined("no held-out images", 0)] * 4).reason


def test_interval_is_open_where_the_first_upper_bound_lies_above():
    wide = tau_half(STEPS, shares(4, 7, 9, 10, n=10))
    assert wide.low == 1
    assert 100 < wide.value < wide.high


@pytest.mark.parametrize("steepness", [1.5, 4.0])
@pytest.mark.parametrize("course", ["logit", "log-log", "complementary log-log"])
def test_crossings_lie_in_their_intervals_whatever_the_course(course, steepness):
    """Planted times with binomial counts at milestones that double; exact binomial intervals are wide, hence these."""
    rng = np.random.default_rng(0)
    steps = [4 * 2**k for k in range(12)]
    floor = proportion(1, 512)
    hits = {"tau_half": 0, "tau_mem": 0}
    counted = dict.fromkeys(hits, 0)
    for _ in range(200):
        planted = {"tau_half": rng.uniform(300, 1200)}
        share, place = COURSES[course]
        planted["tau_mem"] = planted["tau_half"] * np.exp(place(floor.high) / steepness)
        course_shares = share(steepness * np.log(np.array(steps) / planted["tau_half"]))
        counts = [proportion(int(hit), 512) for hit in rng.binomial(512, course_shares)]
        for name, tau in (("tau_half", tau_half(steps, counts)), ("tau_mem", tau_mem(steps, counts, [floor] * 12))):
            if not math.isnan(tau.value):
                counted[name] += 1
                hits[name] += tau.low <= planted[name] <= tau.high
    for name, hit in hits.items():
        assert counted[name] > 0.9 * 200
        assert hit / counted[name] > 0.95


def test_model_at_its_floor_has_no_onset():
    rng = np.random.default_rng(1)
    steps = [60 * 2**k for k in range(6)]
    onsets = 0
    for _ in range(300):
        floor = proportion(int(rng.binomial(512, 0.02)), 512)
        counts = [proportion(int(hit), 512) for hit in rng.binomial(512, 0.02, len(steps))]
        onsets += math.isfinite(tau_mem(steps, counts, [floor] * len(steps)).value)
    assert onsets / 300 < 0.03


def test_tau_gen_is_the_step_of_least_distance():
    tau = tau_gen(STEPS, values(3, 1, 1.05, 2))
    assert (tau.value, tau.low, tau.high) == (200, 100, 800)  # alike at 200 and 400, so anywhere from 100 to 800
    assert tau_gen([*STEPS, 1600], values(3, 2, 1, 2, 3)).low == 200
    first = tau_gen(STEPS, values(1, 2, 3, 4))
    assert (first.value, first.low, first.high) == (100, 1, 200)
    assert tau_gen(STEPS, [undefined("no features", 0), *values(1, 2, 3)]).value == 200
    assert "still improves" in tau_gen(STEPS, values(4, 3, 2, 1)).reason
    assert "every step" in tau_gen(STEPS, [undefined("no features", 0)] * 4).reason


def test_effective_memorization_is_where_recall_falls_through_nine_tenths():
    exact = [proportion(round(10**6 * p), 10**6) for p in expit(logit(0.9) - 2 * np.log(np.array(STEPS) / 250))]
    assert effective_memorization(STEPS, exact).value == pytest.approx(250, rel=1e-3)
    emm = effective_memorization(STEPS, shares(1000, 950, 895, 100))
    assert 200 < emm.low < emm.value < 400 < emm.high < 800
    assert "below 0.9 up to 800" in effective_memorization(STEPS, shares(1000, 1000, 1000, 1000)).reason
    assert "already at 100" in effective_memorization(STEPS, shares(10, 0, 0, 0)).reason


def test_last_step_at_the_floor():
    last = last_step_at_floor(STEPS, shares(0, 3, 6, 30), shares(0, 0, 0, 0))
    assert (last.value, last.low, last.high) == (
        200,
        100,
        400,
    )  # the floor's bound is 0.0037; 6 lie above it, not clearly
    assert last_step_at_floor(STEPS, shares(0, 0, 0, 0), shares(0, 0, 0, 0)).value == 800
    assert last_step_at_floor(STEPS, shares(1, 9, 9, 9), shares(0, 0, 0, 0)).low == 0
    assert "already at step 100" in last_step_at_floor(STEPS, shares(9, 0, 0, 0), shares(0, 0, 0, 0)).reason


def test_least_size_at_the_floor():
    least = least_size_at_floor(STEPS, shares(30, 6, 3, 0), shares(0, 0, 0, 0))
    assert (least.value, least.low, least.high) == (400, 200, 800)
    assert least_size_at_floor(STEPS, shares(30, 6, 3, 1), shares(0, 0, 0, 0)).high == math.inf
    assert least_size_at_floor(STEPS, shares(0, 0, 0, 0), shares(0, 0, 0, 0)).value == 100
    assert "still at 800" in least_size_at_floor(STEPS, shares(0, 0, 0, 9), shares(0, 0, 0, 0)).reason


def test_time_scales_need_rising_steps():
    with pytest.raises(DiffbenchError, match="rising"):
        tau_gen([100, 50], values(1, 2))
    with pytest.raises(DiffbenchError, match="2 steps or sizes for 1 estimates"):
        effective_memorization([100, 200], values(1))


def test_correlations_equal_numpys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 30)), rng.normal(size=(5, 30))
    np.testing.assert_allclose(correlations(a, b), [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])
    assert np.isnan(correlations(np.full((1, 7), 0.1), np.arange(7.0)[None])[0])


def test_pair_consistency_tells_generalizing_from_memorizing():
    rng = np.random.default_rng(1)
    half_a, half_b = rng.normal(size=(2, 100, 50))
    shared = rng.normal(size=(80, 50))
    general = pair_consistency(
        shared + 0.1 * rng.normal(size=shared.shape), shared + 0.1 * rng.normal(size=shared.shape), half_a, half_b, 0
    )
    assert general.between.low > 0.95
    assert general.difference.low > 0.3
    copies = np.stack([half_a[:80], half_b[:80]]) + 0.1 * rng.normal(size=(2, 80, 50))
    memorized = pair_consistency(copies[0], copies[1], half_a, half_b, 0)
    assert memorized.to_own_train.low > 0.95
    assert memorized.between.low < 0 < memorized.between.high
    assert memorized.difference.high < -0.5


def test_pair_consistency_leaves_out_constant_images():
    rng = np.random.default_rng(2)
    first, second, train = rng.normal(size=(6, 20)), rng.normal(size=(6, 20)), rng.normal(size=(9, 20))
    first[0] = 1
    assert pair_consistency(first, second, train, train, 0).between.n == 5
    assert "not constant" in pair_consistency(first * 0, second, train, train, 0).between.reason


@pytest.mark.usefixtures("shapes_unchecked")
def test_samples_that_are_no_pairs_are_named():
    images = np.ones((6, 20))
    with pytest.raises(DiffbenchError, match="pairs"):
        pair_consistency(images, images[:3], images, images, 0)
