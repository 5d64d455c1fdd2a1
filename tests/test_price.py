"""What a gain costs: planted relations are recovered, ties are not told apart, intervals are those of other ways."""

import numpy as np
import pytest
from scipy import optimize, stats

from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.measures.price import Gain, gain, price, told_apart


def estimates(values: np.ndarray, half: float) -> list[Estimate]:
    return [Estimate(float(value), float(value) - half, float(value) + half, 100) for value in values]


def drawn(rng: np.random.Generator, mean: float, seeds: int, spread: float, error: float) -> list[Estimate]:
    """Seeds around a mean, each measured on images of its own."""
    values = mean + spread * rng.normal(size=seeds) + error * rng.normal(size=seeds)
    return estimates(values, 1.96 * error)


@pytest.mark.parametrize(("seeds", "spread", "error"), [(1, 0.0, 0.02), (3, 0.02, 0.02), (3, 0.05, 0.001)])
def test_ties_are_told_apart_in_five_percent_of_families_at_most(seeds: int, spread: float, error: float) -> None:
    rng = np.random.default_rng(seeds)
    families = [
        [gain(*(drawn(rng, 0.4, seeds, spread, error) for _ in range(2))) for _ in range(8)] for _ in range(300)
    ]
    wrong = np.mean([told_apart(family).any() for family in families])
    assert wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(families))


def test_a_setting_and_itself_are_never_told_apart() -> None:
    same = [proportion(3, 128), proportion(5, 128), proportion(0, 128)]
    found = gain(same, same)
    assert found.value == 0
    assert found.p == 1
    assert not told_apart([found])[0]


def test_a_planted_linear_relation_is_recovered_within_its_interval() -> None:
    """Each further unit costs 7 and brings 0.05 less: a price of 140; over 400 studies the interval holds it."""
    rng, held = np.random.default_rng(1), []
    for _ in range(400):
        found = gain(drawn(rng, 0.5, 4, 0.004, 0.003), drawn(rng, 0.45, 4, 0.004, 0.003))
        if told_apart([found])[0]:
            each = price(np.full(4, 7.0), found)
            held.append(each.low <= 140 <= each.high)
    assert len(held) > 300
    assert np.mean(held) >= 0.95


def test_all_copies_against_none_is_told_by_images_alone_where_seeds_do_not_differ() -> None:
    all_, none = [proportion(128, 128)] * 3, [proportion(0, 128)] * 3
    found = gain(all_, none)
    assert found.value == 1
    assert told_apart([found])[0]
    assert np.isnan(found.seeds).all()
    assert price(np.array([2.0, 2.0, 2.0]), found).value == pytest.approx(2)
    few = gain([proportion(2, 4)] * 3, [proportion(0, 4)] * 3)
    assert not told_apart([few])[0]


def test_seeds_that_disagree_are_not_outvoted_by_many_images() -> None:
    sure = 1e-4
    found = gain(estimates(np.array([0.5, 0.4, 0.3]), sure), estimates(np.array([0.3, 0.41, 0.2]), sure))
    assert found.images[0] > 0
    assert not told_apart([found])[0]
    low, high = found.interval
    assert low < 0 < high


def test_an_interval_over_seeds_is_that_of_the_inverted_t_test() -> None:
    rng = np.random.default_rng(2)
    gains = 5 + rng.normal(size=6)
    costs = 10 + 2 * gains + rng.normal(size=6)

    def p(ratio: float) -> float:
        rest = costs - ratio * gains
        return 2 * float(stats.t.sf(abs(rest.mean()) / rest.std(ddof=1) * np.sqrt(6), 5)) - 0.05

    center = costs.mean() / gains.mean()
    ends = [optimize.brentq(p, center - 10, center), optimize.brentq(p, center, center + 10)]
    narrow = (gains.mean() - 1e-9, gains.mean() + 1e-9)
    each = price(costs, Gain(gains, narrow, (0.1, 9.0), 0.0))
    assert [each.low, each.high] == pytest.approx(ends, rel=1e-6)
