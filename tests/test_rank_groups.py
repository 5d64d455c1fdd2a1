"""Rank groups of simulated ties, planted orders and missing values; p-values against scipy, Holm's by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.measures.rank_groups import holm, rank_groups

RUNS = 1000
OFFSETS = 10.0
"""Spread of what settings share in a unit, in standard deviations of what is their own."""


def simulated(rng, means, units, own=1.0):
    """Values of settings in units that differ much more than settings do."""
    return np.array(means)[:, None] + rng.normal(0, OFFSETS, units) + rng.normal(0, own, (len(means), units))


def groups(ranks):
    return [rank.group for rank in ranks]


def ends(ranks):
    return [(rank.low, rank.high) for rank in ranks]


def share_in_one_group(draw, k):
    return np.mean([groups(rank_groups(draw(), True)) == [1] * k for _ in range(RUNS)])


@pytest.mark.parametrize("units", [3, 5, 10])
@pytest.mark.parametrize("k", [3, 6])
def test_ties_fall_in_one_group(k, units):
    rng = np.random.default_rng(100 * k + units)
    assert share_in_one_group(lambda: simulated(rng, [0] * k, units), k) >= 0.95


@pytest.mark.parametrize("units", [3, 5, 10])
def test_ties_with_missing_values_fall_in_one_group(units):
    rng = np.random.default_rng(units)

    def draw():
        values = simulated(rng, [0] * 6, units)
        missing = rng.random(values.shape) < 0.2
        missing[:, 0] = False  # each setting has a value, and so a rank
        return np.where(missing, np.nan, values)

    assert share_in_one_group(draw, 6) >= 0.95


@pytest.mark.parametrize("units", [3, 5, 10])
def test_ties_of_few_hits_fall_in_one_group(units):
    """Such as 0 or 1 memorized of 512 samples: differences are often the same in all units."""
    rng = np.random.default_rng(units)
    assert share_in_one_group(lambda: rng.binomial(512, 0.5 / 512, (6, units)) / 512, 6) >= 0.95


@pytest.mark.parametrize("units", [3, 5, 10])
@pytest.mark.parametrize("step", [3.0, 1e4])
def test_rank_intervals_hold_all_ranks_at_once(units, step):
    """Of two ties, which may have either rank, among settings that differ.

    Where these are told apart for sure, Holm leaves the ties the whole 5 %: coverage is nominal, so the bound is two
    standard errors of the simulation below it.
    """
    rng = np.random.default_rng(units)
    means, first, last = [0, step, step, 2 * step, 10 * step], [5, 3, 3, 2, 1], [5, 4, 4, 2, 1]
    held = []
    for _ in range(RUNS):
        low, high = np.array(ends(rank_groups(simulated(rng, means, units), True))).T
        held.append((low <= first).all() and (last <= high).all())
    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / RUNS)


@pytest.mark.parametrize("units", [5, 10])
def test_the_best_of_ties_compared_with_the_others_alone_would_stand_out(units):
    """Why the correction is over all pairs."""
    rng = np.random.default_rng(units)
    stands_out = []
    for _ in range(RUNS):
        values = simulated(rng, [0] * 6, units)
        best = values.mean(axis=1).argmax()
        others = np.delete(values, best, axis=0)
        stands_out.append(holm(stats.ttest_rel(values[[best]], others, axis=1).pvalue).min() < 0.05)
    assert np.mean(stands_out) > 0.07


@pytest.mark.parametrize("units", [3, 5, 10])
def test_settings_far_apart_fall_in_groups_of_their_own(units):
    rng = np.random.default_rng(units)
    ranks = rank_groups(simulated(rng, [3, 0, 4, 1], units, own=1e-3), True)
    assert groups(ranks) == [2, 4, 1, 3]
    assert ends(ranks) == [(2, 2), (4, 4), (1, 1), (3, 3)]
    assert {(rank.n, rank.reason) for rank in ranks} == {(units, "")}


def test_pairs_share_a_group():
    own = 0.01 * np.array([[1, 0, 0], [0, 0, 2], [0, 0, 1], [2, 0, 0]])  # pairs differ by +1, 0, -1 and -2, 0, 2
    ranks = rank_groups(np.array([[0.0], [5.0], [0.0], [5.0]]) + own + [3.0, -1.0, 7.0], False)
    assert groups(ranks) == [1, 2, 1, 2]
    assert ends(ranks) == [(1, 2), (3, 4), (1, 2), (3, 4)]


def test_what_is_near_the_best_but_surely_worse_is_left_out():
    """The second differs little and always, the third more and by chance: only this one may be the best."""
    spread = np.array([0.0, 0.1, -0.1, 0.05, -0.05])
    values = np.array([0 * spread, -1 + spread, -2 + 30 * spread])
    ranks = rank_groups(values, True)
    assert groups(ranks) == [1, 2, 1]
    assert ends(ranks) == [(1, 2), (2, 3), (1, 3)]


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.5])) == pytest.approx([1, 1])
    assert holm(np.array([])).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
@settings(max_examples=100, deadline=None)
def test_holm_steps_down(p, alpha):
    """Holm 1979: from the least p on, reject while p (tests left) <= alpha."""
    rejected = np.zeros(len(p), dtype=bool)
    for left, index in zip(range(len(p), 0, -1), np.argsort(p, kind="stable"), strict=True):
        if p[index] * left > alpha:
            break
        rejected[index] = True
    assert ((holm(np.array(p)) <= alpha) == rejected).all()


@given(seed=st.integers(0, 2**32), k=st.integers(2, 7), units=st.integers(2, 8))
@settings(max_examples=100, deadline=None)
def test_rank_intervals_count_the_paired_t_tests_of_scipy(seed, k, units):
    rng = np.random.default_rng(seed)
    values = simulated(rng, rng.normal(0, 6, k), units)
    pairs = list(combinations(range(k), 2))
    tests = [stats.ttest_rel(values[i], values[j]) for i, j in pairs]
    low, high = np.ones(k), np.full(k, k)
    order = sorted(range(len(pairs)), key=lambda pair: tests[pair].pvalue)
    for left, pair in zip(range(len(pairs), 0, -1), order, strict=True):
        if tests[pair].pvalue * left >= 0.05:
            break
        winner, loser = pairs[pair] if tests[pair].statistic > 0 else pairs[pair][::-1]
        low[loser] += 1
        high[winner] -= 1
    assert ends(rank_groups(values, True)) == list(zip(low, high, strict=True))


def matrices():
    """Whole numbers, exact in sums and differences, with many ties and gaps."""
    value = st.integers(-30, 30).map(float) | st.just(float("nan"))
    return st.tuples(st.integers(1, 6), st.integers(1, 7)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=value)
    )


@given(values=matrices(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_order_of_settings_does_not_matter(values, data):
    order = data.draw(st.permutations(range(len(values))))
    ranks = rank_groups(values, True)
    assert rank_groups(values[order], True) == [ranks[index] for index in order]


@given(values=matrices(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_what_all_settings_share_in_a_unit_does_not_matter(values, data):
    units = values.shape[1]
    offsets = data.draw(arrays(np.float64, units, elements=st.integers(-1000, 1000).map(float)))
    assert rank_groups(values + offsets, True) == rank_groups(values, True)


@given(values=matrices())
@settings(max_examples=200, deadline=None)
def test_ranks_are_consistent(values):
    ranks = rank_groups(values, True)
    assert ranks == rank_groups(-values, False)
    ranked = [(rank.group, rank.low, rank.high) for rank in ranks if rank.group]
    assert len(ranked) == np.isfinite(values).any(axis=1).sum()
    group, low, high = np.array(ranked, dtype=int).reshape(-1, 3).T
    assert set(group) == set(range(1, 1 + group.max(initial=0)))
    assert ((low >= 1) & (low <= high) & (high <= len(ranked))).all()
    assert (group[low == 1] == 1).all()
    assert [rank.n for rank in ranks] == np.isfinite(values).sum(axis=1).tolist()


def test_one_unit_tells_nothing_apart_and_says_so():
    ranks = rank_groups(np.array([[1.0], [2.0], [300.0]]), True)
    assert (groups(ranks), ends(ranks)) == ([1, 1, 1], [(1, 3)] * 3)
    assert all("fewer than 2 shared units" in rank.reason and "not told from 2 of" in rank.reason for rank in ranks)


def test_a_setting_without_values_has_no_rank_and_takes_none():
    nan = np.nan
    values = np.array([[1.0, 2.0, 3.01], [nan, nan, nan], [11.0, 12.0, 13.0], [5.0, nan, nan]])
    ranks = rank_groups(values, True)
    assert (ranks[1].group, ranks[1].low, ranks[1].n, ranks[1].reason) == (None, None, 0, "no value in any unit")
    assert groups(ranks) == [2, None, 1, 1]
    assert ends(ranks) == [(2, 3), (None, None), (1, 2), (1, 3)]
    assert ["not told from 2 of" in rank.reason for rank in ranks] == [False, False, False, True]
    assert ["not told from 1 of" in rank.reason for rank in ranks] == [True, False, True, False]


@pytest.mark.parametrize(("units", "separable"), [(3, False), (5, False), (6, True)])
def test_differences_without_spread_count_by_their_signs(units, separable):
    """Rounding is no spread: 0.3 - 0.1 and 0.4 - 0.2 differ by 3e-17."""
    base = np.linspace(0.1, 0.7, units)
    ranks = rank_groups(np.array([base, base + 0.2]), True)
    assert groups(ranks) == ([2, 1] if separable else [1, 1])
    assert all(bool(rank.reason) != separable for rank in ranks)
    assert {rank.reason for rank in rank_groups(np.array([base, base]), True)} == {""}


def test_no_settings_have_no_ranks():
    assert rank_groups(np.empty((0, 3)), True) == []
    assert rank_groups(np.empty((2, 0)), True)[0].group is None
    assert ends(rank_groups(np.ones((1, 2)), True)) == [(1, 1)]


def test_a_diverged_setting_hides_nothing():
    values = simulated(np.random.default_rng(0), [0, 5, 10], 5, own=1e-2)
    diverged = np.array([1e18, 3e15, 7e12, 2e20, 4e16])
    assert groups(rank_groups(np.array([*values, diverged]), False))[:3] == [1, 2, 3]
    with pytest.raises(DiffbenchError, match="infinite"):
        rank_groups(np.array([[1.0, np.inf], [1.0, 2.0]]), True)
