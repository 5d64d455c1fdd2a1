"""Spearman's rank correlation against scipy and a jackknife; coverage of its interval by simulation, ties included."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffbench.files.estimates import Estimate
from diffbench.measures.rank_correlation import spearman

SIMULATIONS = 400
Law = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def linked(correlation: float) -> Law:
    """Normal pairs."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=n)
        return x, correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=n)

    return draw


def counted(level: float, slope: float) -> Law:
    """Poisson counts of mean exp(level + slope x)."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=n)
        return x, rng.poisson(np.exp(level + slope * x))

    return draw


LAWS = {
    "independent": linked(0),
    "linked": linked(0.6),
    "nearly one line": linked(0.95),
    "rare counts, independent": counted(-4.5, 0),
    "rare counts of some": counted(-5, 1.5),
    "counts": counted(-2.5, 1),
    "often": counted(-0.5, 1),
}


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=10, max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_value_is_scipys_with_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs).T
    found = spearman(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(found.value)
        assert "no ranks" in found.reason
        return
    assert found.value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(pairs)


@pytest.mark.parametrize("name", ["linked", "counts", "often"])
def test_variance_is_the_jackknifes(name: str) -> None:
    """Leaving each pair out, for real."""
    x, y = LAWS[name](np.random.default_rng(0), 400)
    without = np.array([stats.spearmanr(np.delete(x, row), np.delete(y, row))[0] for row in range(len(x))])
    error = math.sqrt((len(x) - 1) / len(x) * ((without - without.mean()) ** 2).sum())
    found = spearman(x, y)
    width = (math.atanh(found.high) - math.atanh(found.low)) / 2
    assert width == pytest.approx(1.96 * max(error / (1 - found.value**2), 397**-0.5), rel=0.02)


@pytest.mark.parametrize("name", LAWS)
def test_interval_covers(name: str) -> None:
    x, y = LAWS[name](np.random.default_rng(1), 200_000)
    truth = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    rng = np.random.default_rng(2)
    for n in (16, 64, 256):
        found = [spearman(*LAWS[name](rng, n)) for _ in range(SIMULATIONS)]
        defined = [each for each in found if not each.reason]
        assert np.mean([each.low <= truth <= each.high for each in defined]) >= 0.92, n  # 0.95 but for the simulation


def test_ranks_that_agree_have_an_interval_all_the_same() -> None:
    up, down = spearman(np.arange(100), np.arange(100) ** 3), spearman(np.arange(100), -np.arange(100))
    assert (up.value, up.high) == (1, 1)
    assert 0.97 < up.low < 1
    assert down == Estimate(-1, -1, -up.low, 100)


def test_few_pairs_and_single_values_are_undefined() -> None:
    assert spearman(np.arange(9), np.arange(9)).reason == "a rank correlation needs 10 pairs, got 9"
    assert "no ranks" in spearman(np.arange(20), np.zeros(20)).reason
