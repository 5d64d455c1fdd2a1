"""Cost beside benefit: planted prices are found, ties have none, what is undefined says why."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffbench.report.tables.benefits import BENEFITS, Exchange, exchanges
from diffbench.report.tables.format import prefixed
from diffbench.report.tables.results import shown_factors
from diffbench.report.tables.slices import slices
from diffbench.study.file import parse_study
from diffbench.study.study import Study

COPIES, FD = BENEFITS
STUDY = {
    "name": "s",
    "steps": [100, 200, 300],
    "seeds": [0, 1, 2],
    "center": {"model": "mlp-small", "train_size": 32, "granularity": "classes", "guidance": 0},
}
WOBBLE = np.array([0.001, -0.002, 0.001])


def rows(study: Study, measure: str, value: Any, half: float = 0.0) -> list[dict[str, Any]]:
    """Of each cell; value: a function of its factors and seed."""
    made = []
    for cell in study.cells:
        number = value(shown_factors(cell))
        ends = {"value": number, "low": number - half, "high": number + half, "n": 100}
        made.append(shown_factors(cell) | ends | {"measure": measure, "reason": ""})
    return made


def found(outcome: Any, half: float = 0.01, seeds: tuple[int, ...] = (0, 1, 2)) -> list[Exchange]:
    study = parse_study(STUDY | {"seeds": list(seeds)}, "s.yaml")
    cells = pd.DataFrame(rows(study, COPIES.measure, outcome, half))
    costs = rows(study, "train_flops", lambda own: 1e9 * own["step"])
    costs += rows(study, "train_seconds", lambda own: 2.0 * own["step"] + own["seed"])
    return exchanges(slices(study), cells, pd.DataFrame(costs), COPIES)


def test_a_planted_price_is_found_in_the_direction_of_the_better_outcome() -> None:
    """Each 100 steps copy 20 points more and cost 1e11 FLOP: training less saves 5e9 a point."""
    first, second = found(lambda own: 0.002 * own["step"] + WOBBLE[own["seed"]])
    for each, ends in ((first, ("200", "100")), (second, ("300", "200"))):
        assert (each.start, each.end) == ends
        assert each.told
        assert each.gain.value == pytest.approx(20)
        flops, seconds = each.prices["train_flops"], each.prices["train_seconds"]
        assert flops.change == pytest.approx(-1e11)
        assert flops.each.value == pytest.approx(-5e9)
        assert flops.each.low < -5e9 < flops.each.high < 0
        assert seconds.each.value == pytest.approx(-10)
        assert flops.text.startswith("−5.00 GFLOP [")
        assert each.prices["sample_flops"].each.reason == "the cost is not known"


def test_ties_have_no_price_and_equal_settings_never_differ() -> None:
    noise = np.random.default_rng(0).normal(size=(4, 3)) * 0.01
    for each in found(lambda own: 0.5 + noise[own["step"] // 100, own["seed"]], half=0.02):
        assert not each.told
        assert each.reason == "not told apart"
        assert np.isnan(each.prices["train_flops"].each.value)
    for each in found(lambda own: 0.25):
        assert (each.gain.value, each.told) == (0, False)


def test_one_seed_has_prices_in_what_is_counted_and_not_in_seconds() -> None:
    each, _ = found(lambda own: 0.002 * own["step"], seeds=(0,))
    assert each.told
    assert each.seeds == 1
    assert each.prices["train_flops"].each.value == pytest.approx(-5e9)
    assert each.prices["train_seconds"].each.reason == "seconds of one seed have no interval"


def test_a_setting_without_values_says_why() -> None:
    study = parse_study(STUDY, "s.yaml")
    cells = pd.DataFrame(rows(study, FD.measure, lambda own: np.nan if own["step"] == 200 else 1.0))
    cells.loc[cells["step"] == 200, "reason"] = "missing: not there"
    costs = pd.DataFrame(rows(study, "train_flops", lambda own: 1.0))
    for each in exchanges(slices(study), cells, costs, FD):
        assert (each.told, each.seeds, each.reason) == (False, 0, "missing: not there")
        assert each.gain_text == "undefined"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.431e9, "1.43 G"), (-5e9, "−5.00 G"), (950.0, "950 "), (0.0, "0 "), (float("nan"), "undefined ")],
)
def test_large_numbers_have_prefixes(value: float, text: str) -> None:
    assert prefixed(value) == text
