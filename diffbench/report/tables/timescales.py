"""Time scales and pair consistency as tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from diffbench.report.tables.shown import Shown, show, show_count
from diffbench.report.tables.slices import TITLES, value_text
from diffbench.study.study import Study

LONGEST = 300
"""Rows of a table on the page: the summary's tables have all."""

ONSET = "earliest_onset"
TIMES = ("tau_mem", "tau_half", "tau_gen")
EXPONENTS = tuple(f"{time}_exponent" for time in TIMES)


@dataclass(frozen=True)
class Table:
    """Values by group of cells: one row per group, one column per measure."""

    factors: tuple[str, ...]  # titles of what tells groups apart
    measures: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Shown | None, ...]], ...]  # factors, values; None: no such measure there
    groups: int  # of cells, of which rows are the first


def run_table(scales: pd.DataFrame, study: Study) -> Table:
    """Times of every run and guidance, and the earliest onset of the run's gap over the noise levels."""
    taus = scales[scales["measure"].isin(TIMES)]
    keys = ["model", "train_size", "granularity", "guidance", "seed"]
    onsets = earliest_onsets(scales).drop(columns="guidance")
    onsets = onsets.merge(taus[keys].drop_duplicates(), on=[key for key in keys if key != "guidance"], how="left")
    return _table(pd.concat([taus, onsets]), keys, [*TIMES, ONSET], show_count, study)


def exponent_table(scales: pd.DataFrame, study: Study) -> Table:
    """Exponents of the times' growth with the training size, per seed and over seeds."""
    keys = ["model", "granularity", "guidance", "seed"]
    return _table(scales, keys, EXPONENTS, show, study)


def exponents_shown(scales: pd.DataFrame) -> pd.DataFrame:
    """The rows of exponents that hold for a setting: over seeds, or of the only seed."""
    rows = scales[scales["measure"].isin(EXPONENTS)].sort_values("seed", na_position="first", kind="stable")
    return rows.drop_duplicates(["model", "granularity", "guidance", "measure"]).sort_index()


def earliest_onsets(scales: pd.DataFrame) -> pd.DataFrame:
    """Of each run its gap_onset with the least step, at the lowest noise level of equals; undefined if all are."""
    onsets = scales[scales["measure"] == "gap_onset"].sort_values(["value", "sigma"], na_position="last")
    return onsets.drop_duplicates(["model", "train_size", "granularity", "seed"]).assign(measure=ONSET)


def recall_table(scales: pd.DataFrame, study: Study) -> Table:
    """Effective memorization, and the least size at the floor, of cells that differ in the training size alone."""
    keys = ["model", "granularity", "step", "guidance", "seed"]
    return _table(scales, keys, ["effective_memorization", "least_size_at_floor"], show_count, study)


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
    grouped = rows.groupby(list(keys), sort=True, dropna=False, observed=True)
    groups = []
    for _, members in islice(grouped, LONGEST):
        values = {row["measure"]: text(row) for _, row in members.iterrows()}
        names = tuple(_name(key, members[key].iloc[0]) for key in keys)
        groups.append((names, tuple(values.get(measure) for measure in measures)))
    return Table(tuple(TITLES[key] for key in keys), tuple(measures), tuple(groups), grouped.ngroups)


def _name(factor: str, value: object) -> str:
    """A factor's value as text; what holds for all seeds, or whatever the factor is, has none."""
    if pd.isna(value):  # pyright: ignore[reportArgumentType, reportCallIssue] (a scalar)
        return "all" if factor == "seed" else "any"
    return value_text(value)
