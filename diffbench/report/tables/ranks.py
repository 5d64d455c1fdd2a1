"""Rank groups of settings in the leaderboard: which of them a measure tells apart, over seeds."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from diffbench.measures.rank_groups import Rank, rank_groups
from diffbench.report.tables.slices import SETTING

RANKED = {
    "memorized_fraction": True,
    "peak_gap": True,
    "skill_at_peak": True,
    "train_likeness_at_peak": True,
    "fd": False,
}
"""Outcomes that settings are ranked by: whether the first rank is the largest value."""

LARGEST = 300
"""Settings that are compared: of more, with 10^5 pairs to correct for, a few seeds tell none apart."""

ALONE = "a value of one seed only: nothing to compare it by"

Setting = tuple[object, ...]
"""Values of SETTING."""


def ranks(cells: pd.DataFrame) -> dict[str, dict[Setting, Rank]]:
    """Of each outcome in RANKED the rank of each setting; empty where there is one seed, or too many settings.

    cells: rows of `outcomes.outcomes`. An unbounded value, such as the optimum's peak gap, has no mean and no rank.
    """
    if cells["seed"].nunique() < 2 or len(cells[SETTING].drop_duplicates()) > LARGEST:
        return {}
    return {measure: _ranks_by(cells[cells["measure"] == measure], first) for measure, first in RANKED.items()}


def _ranks_by(rows: pd.DataFrame, largest_first: bool) -> dict[Setting, Rank]:
    values = rows.pivot(index=SETTING, columns="seed", values="value").astype(float)
    finite = values.where(np.isfinite(values))
    seeds = finite.notna().sum(axis=1)
    compared = finite.where(seeds > 1)  # told from none, one at the head of a group would hold them all in it
    told = zip(seeds, rank_groups(compared.to_numpy(), largest_first), strict=True)
    ranks = (replace(rank, n=1, reason=ALONE) if n == 1 else rank for n, rank in told)
    return dict(zip(values.index, ranks, strict=True))


def columns(ranked: Mapping[str, Mapping[Setting, Rank]]) -> pd.DataFrame:
    """The same as columns of a table: SETTING, then MEASURE_rank_group, MEASURE_rank_low and MEASURE_rank_high."""
    tables = [
        pd.DataFrame(
            [[*setting, rank.group, rank.low, rank.high] for setting, rank in by_setting.items()],
            columns=[*SETTING, *(f"{measure}_rank_{name}" for name in ("group", "low", "high"))],
        ).set_index(SETTING)
        for measure, by_setting in ranked.items()
    ]
    return pd.concat(tables, axis=1).astype("Int64").reset_index() if tables else pd.DataFrame(columns=SETTING)
