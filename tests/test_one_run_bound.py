"""The bound of privacy from one run: the figures of the binomial bound, its null, and a mechanism of known epsilon."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from diffbench.measures.one_run_bound import epsilon_bound, one_run_bound, right_guesses


def bound(right: int, guesses: int) -> float:
    return float(epsilon_bound(np.array([right]), np.array([guesses]))[0])


@pytest.mark.parametrize(
    ("right", "guesses", "expected"), [(100, 100, 3.49), (190, 200, 2.40), (55, 100, 0), (0, 4, 0)]
)
def test_figures_of_the_binomial_bound(right, guesses, expected):
    assert bound(right, guesses) == pytest.approx(expected, abs=0.005)


@given(guesses=st.integers(1, 400), data=st.data())
def test_it_is_the_least_epsilon_that_is_not_ruled_out_and_grows_with_right_guesses(guesses, data):
    right = data.draw(st.integers(0, guesses))
    epsilon = bound(right, guesses)
    if epsilon > 0:
        honest = 1 / (1 + math.exp(-epsilon))
        assert stats.binom.sf(right - 1, guesses, honest) == pytest.approx(0.05, rel=1e-6)
    assert right == guesses or bound(right + 1, guesses) >= epsilon


def test_guesses_are_counted_from_both_ends():
    members, others = np.array([0.0, 1, 5]), np.array([2.0, 6, 7, 8, 9])
    counts = [right_guesses(members, others, seed).tolist() for seed in range(20)]
    assert all(each[0] == 2 for each in counts)  # the lowest is a member, the highest is not
    assert {len(each) for each in counts} == {3}


def test_ties_tell_nothing():
    right = np.mean([right_guesses(np.zeros(100), np.zeros(100), seed)[-1] for seed in range(50)])
    assert right == pytest.approx(100, abs=4)


def test_chance_is_hardly_ever_taken_for_a_leak():
    above = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        sides = [(rng.normal(size=60), rng.normal(size=90)) for _ in range(2)]
        found = one_run_bound(sides[0], sides[1], seed)
        above += found.value > 0
        assert (found.low, found.high) == (found.value, math.inf)
    assert above / 400 <= 0.075


def test_a_mechanism_of_known_epsilon_is_not_said_to_leak_more():
    """Randomised response: a member's score is low, another's is high, with e^eps / (1 + e^eps), else the reverse."""
    epsilon, exceeded = 1.5, 0

    def side(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        told = rng.random((2, 150)) < 1 / (1 + math.exp(-epsilon))
        return np.where(told[0], 0, 10) + rng.random(150), np.where(told[1], 10, 0) + rng.random(150)

    bounds = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        bounds.append(one_run_bound(side(rng), side(rng), seed).value)
        exceeded += bounds[-1] > epsilon
    assert exceeded / 300 <= 0.08
    assert np.median(bounds) > 0.8


def test_all_right():
    sides = (np.zeros(100), np.ones(100)), (np.zeros(100), np.ones(100))
    found = one_run_bound(*sides, seed=0)
    assert (found.value, found.n) == (pytest.approx(bound(200, 200)), 200)
    assert "at least 2 images" in one_run_bound((np.zeros(1), np.ones(9)), sides[1], 0).reason
