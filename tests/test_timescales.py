"""Time scales and pair consistency on planted courses."""

import math

import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.consistency import correlations, pair_consistency
from diffbench.measures.intervals import proportion
from diffbench.measures.timescales import effective_memorization, tau_gen, tau_mem

STEPS = [100, 200, 400, 800]


def shares(*hits, n=1000):
    return [proportion(hit, n) for hit in hits]


def values(*points, half=0.1):
    return [Estimate(p, p - half, p + half, 10) for p in points]


def test_tau_mem_is_the_first_step_clearly_above_the_floor():
    tau = tau_mem(STEPS, shares(0, 1, 100, 300), shares(0, 0, 0, 0))
    assert (tau.value, tau.low, tau.high) == (400, 400, 400)
    late = tau_mem(STEPS, shares(0, 6, 100, 300), shares(0, 0, 0, 0))
    assert (late.value, late.low) == (400, 200)  # 0.006 exceeds the floor's bound 0.0037, its own interval does not
    assert tau_mem(STEPS, shares(50, 60, 40, 300), shares(50, 50, 50, 50)).value == 800


def test_tau_mem_not_reached_is_undefined():
    never = tau_mem(STEPS, shares(0, 0, 1, 2), shares(1, 1, 1, 1))
    assert math.isnan(never.value)
    assert "up to step 800" in never.reason


def test_tau_gen_is_the_step_of_least_distance():
    tau = tau_gen(STEPS, values(3, 1, 1.05, 2))
    assert (tau.value, tau.low, tau.high) == (200, 200, 400)
    assert tau_gen(STEPS, [undefined("no features", 0), *values(1, 2, 3)]).value == 200
    assert "still improves" in tau_gen(STEPS, values(4, 3, 2, 1)).reason
    assert "every step" in tau_gen(STEPS, [undefined("no features", 0)] * 4).reason


def test_effective_memorization_is_the_largest_recalled_size():
    emm = effective_memorization(STEPS, shares(1000, 950, 895, 100))
    assert (emm.value, emm.low, emm.high) == (200, 200, 400)
    assert "still 0.9" in effective_memorization(STEPS, shares(1000, 1000, 1000, 1000)).reason
    assert "already at 100" in effective_memorization(STEPS, shares(10, 0, 0, 0)).reason


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
