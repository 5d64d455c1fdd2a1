"""Time scales and pair consistency as tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from diffbench.report.tables.shown import Shown, show, show_count
from diffbench.report.tables.slices import TITLES, value_text
from diffbench.study.study import Study

ONSET = "earliest_onset"


@dataclass(frozen=True)
class Table:
    """Values by group of cells: one row per group, one column per measure."""

    factors: tuple[str, ...]  # titles of what tells groups apart
    measures: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Shown | None, ...]], ...]  # factors, values; None: no such measure there


def run_table(scales: pd.DataFrame, study: Study) -> Table:
    """tau_mem and tau_gen of every run and guidance, and the earliest onset of the run's gap over the noise levels."""
    taus = scales[scales["measure"].isin(["tau_mem", "tau_gen"])]
    keys = ["model", "train_size", "granularity", "guidance", "seed"]
    onsets = earliest_onsets(scales).drop(columns="guidance")
    onsets = onsets.merge(taus[keys].drop_duplicates(), on=[key for key in keys if key != "guidance"], how="left")
    return _table(pd.concat([taus, onsets]), keys, ["tau_mem", "tau_gen", ONSET], show_count, study)


def earliest_onsets(scales: pd.DataFrame) -> pd.DataFrame:
    """Of each run its gap_onset with the least step, at the lowest noise level of equals; undefined if all are."""
    onsets = scales[scales["measure"] == "gap_onset"].sort_values(["value", "sigma"], na_position="last")
    return onsets.drop_duplicates(["model", "train_size", "granularity", "seed"]).assign(measure=ONSET)


def recall_table(scales: pd.DataFrame, study: Study) -> Table:
    """Effective memorization of cells that differ in the training size alone."""
    keys = ["model", "granularity", "step", "guidance", "seed"]
    return _table(scales, keys, ["effective_memorization"], show_count, study)


def consistency_table(rows: pd.DataFrame, study: Study) -> Table:
    """Pair consistency of every cell with a twin."""
    keys = ["model", "train_size", "granularity", "step", "guidance", "seed"]
    measures = ["pair_correlation", "correlation_to_own_train", "pair_consistency"]
    return _table(rows, keys, measures, show, study)


def _table(
    rows: pd.DataFrame, keys: Sequence[str], measures: Sequence[str], text: Callable[[pd.Series], Shown], study: Study
) -> Table:
    rows = rows[rows["measure"].isin(measures)]
    order = [guidance.text for guidance in study.guidances.values()]
    rows = rows.assign(guidance=pd.Categorical(rows["guidance"], order, ordered=True))
    groups = []
    for _, members in rows.groupby(list(keys), sort=True, dropna=False, observed=True):
        values = {row["measure"]: text(row) for _, row in members.iterrows()}
        names = tuple("any" if pd.isna(members[key].iloc[0]) else value_text(members[key].iloc[0]) for key in keys)
        groups.append((names, tuple(values.get(measure) for measure in measures)))
    return Table(tuple(TITLES[key] for key in keys), tuple(measures), tuple(groups))
