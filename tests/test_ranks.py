"""Rank groups in the leaderboard: planted settings fall apart, ties stay together, what cannot be ranked says so."""

import math

import numpy as np
import pandas as pd
import pytest

from diffbench.measures.rank_groups import rank_groups
from diffbench.report.tables import ranks
from diffbench.report.tables.slices import SETTING

SEEDS = 4


def cells(values: dict[str, list[float]], measure: str = "memorized_fraction") -> pd.DataFrame:
    """Outcomes of models, a value per seed each; all other measures are there and undefined."""
    rows = [
        dict(zip(SETTING, (model, 64, "classes", 100, "0"), strict=True))
        | {"seed": seed, "measure": each, "value": value if each == measure else math.nan}
        for model, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
        for each in ranks.RANKED
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)  # in no order


def groups(values: dict[str, list[float]], measure: str = "memorized_fraction") -> dict[str, tuple[int | None, ...]]:
    """Group, low and high rank by model."""
    by_setting = ranks.ranks(cells(values, measure))[measure]
    return {str(key[0]): (rank.group, rank.low, rank.high) for key, rank in by_setting.items()}


def around(center: float, seed: int) -> list[float]:
    return [center + shift for shift in 1e-3 * np.random.default_rng(seed).standard_normal(SEEDS)]


def test_planted_settings_fall_in_groups_of_their_own_in_the_order_of_the_outcome():
    planted = {"low": around(0.1, 0), "high": around(0.9, 1), "middle": around(0.5, 2)}
    assert groups(planted) == {"high": (1, 1, 1), "middle": (2, 2, 2), "low": (3, 3, 3)}
    assert groups(planted, "fd") == {"low": (1, 1, 1), "middle": (2, 2, 2), "high": (3, 3, 3)}


def test_settings_are_compared_on_the_seeds_that_they_share():
    """What a seed adds to all settings drowns their difference unless they are paired by it."""
    offsets = [0.0, 0.3, 0.5, 0.2]
    one = [offset + each for offset, each in zip(offsets, around(0.2, 0), strict=True)]
    other = [offset + each for offset, each in zip(offsets, around(0.1, 1), strict=True)]
    assert groups({"one": one, "other": other}) == {"one": (1, 1, 1), "other": (2, 2, 2)}
    assert groups({"one": one, "other": other[1:] + other[:1]}) == {"one": (1, 1, 2), "other": (1, 1, 2)}


def test_ties_share_a_group_and_all_its_ranks():
    """How often ties fall apart by chance is simulated beside the function itself."""
    tied = {f"model-{index}": around(0.5, index) for index in range(4)}
    assert groups(tied) == dict.fromkeys(tied, (1, 1, 4))


def test_a_setting_of_one_seed_at_the_head_does_not_hold_all_others_in_its_group():
    missing = [math.nan] * (SEEDS - 1)
    planted = {"optimal": [1.0, *missing], "high": around(0.9, 1), "low": around(0.1, 0)}
    assert groups(planted) == {"optimal": (None, None, None), "high": (1, 1, 1), "low": (2, 2, 2)}
    alone = ranks.ranks(cells(planted))["memorized_fraction"][("optimal", 64, "classes", 100, "0")]
    assert (alone.n, alone.reason) == (1, ranks.ALONE)


def test_unbounded_and_missing_values_have_no_rank_and_say_so():
    by_setting = ranks.ranks(
        cells({"optimal": [math.inf] * SEEDS, "one": around(1, 0), "other": around(2, 1)}, "peak_gap")
    )
    ranked = {str(key[0]): rank for key, rank in by_setting["peak_gap"].items()}
    assert ranked["optimal"].group is None
    assert ranked["optimal"].reason == "no value in any unit"
    assert (ranked["other"].group, ranked["one"].group) == (1, 2)
    assert all(rank.group is None for rank in by_setting["fd"].values())


def test_one_seed_or_too_many_settings_are_not_ranked(monkeypatch):
    one_seed = cells({"one": [0.1], "other": [0.9]})
    assert ranks.ranks(one_seed) == {}
    assert ranks.columns({}).empty
    monkeypatch.setattr(ranks, "LARGEST", 1)
    assert ranks.ranks(cells({"one": around(0.1, 0), "other": around(0.9, 1)})) == {}


def test_columns_hold_what_the_function_says_of_the_same_values():
    values = {"one": around(0.1, 0), "other": around(0.9, 1), "third": around(0.9, 2)}
    table = ranks.columns(ranks.ranks(cells(values))).set_index("model")
    for model, rank in zip(values, rank_groups(np.array(list(values.values())), higher_is_better=True), strict=True):
        row = table.loc[model]
        assert [row[f"memorized_fraction_rank_{name}"] for name in ("group", "low", "high")] == [
            rank.group,
            rank.low,
            rank.high,
        ]
    assert table["fd_rank_group"].isna().all()


@pytest.mark.parametrize("measure", ranks.RANKED)
def test_every_ranked_outcome_is_one_of_the_report(measure):
    from diffbench.report.tables.outcomes import CURVES_AT_PEAK, SCALARS

    assert measure in {*SCALARS, *CURVES_AT_PEAK}
