"""Time scales and pair consistency as tables, and the onset of the gap over the noise level."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from diffbench.report.cells import aggregate_seeds
from diffbench.report.format import count
from diffbench.report.leaderboard import Shown, show
from diffbench.report.marks import SEEDS, on_slice, panels_by_factor, value_domain
from diffbench.report.page import Figure
from diffbench.report.slices import TITLES, slices, value_text
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
    return _table(pd.concat([taus, onsets]), keys, ["tau_mem", "tau_gen", ONSET], whole, study)


def earliest_onsets(scales: pd.DataFrame) -> pd.DataFrame:
    """Of each run its gap_onset with the least step, at the lowest noise level of equals; undefined if all are."""
    onsets = scales[scales["measure"] == "gap_onset"].sort_values(["value", "sigma"], na_position="last")
    return onsets.drop_duplicates(["model", "train_size", "granularity", "seed"]).assign(measure=ONSET)


def recall_table(scales: pd.DataFrame, study: Study) -> Table:
    """Effective memorization of every design point, over its training sizes."""
    keys = ["model", "granularity", "step", "guidance", "seed"]
    return _table(scales, keys, ["effective_memorization"], whole, study)


def consistency_table(rows: pd.DataFrame, study: Study) -> Table:
    """Pair consistency of every cell with a twin."""
    keys = ["model", "train_size", "granularity", "step", "guidance", "seed"]
    measures = ["pair_correlation", "correlation_to_own_train", "pair_consistency"]
    return _table(rows, keys, measures, show, study)


def whole(row: pd.Series) -> Shown:
    """A row whose value and interval are steps or sizes."""
    shown = show(row)
    if not shown.drawable:
        return shown
    ends = f"[{count(shown.low)}, {count(shown.high)}]" if math.isfinite(shown.low + shown.high) else ""
    return replace(shown, text=count(shown.value), interval=ends)


def _table(
    rows: pd.DataFrame, keys: Sequence[str], measures: Sequence[str], text: Callable[[pd.Series], Shown], study: Study
) -> Table:
    rows = rows[rows["measure"].isin(measures)]
    order = [guidance.text for guidance in study.guidances.values()]
    rows = rows.assign(guidance=pd.Categorical(rows["guidance"], order, ordered=True))
    found = []
    for _, members in rows.groupby(list(keys), sort=True, dropna=False, observed=True):
        values: dict[Any, Shown] = {row["measure"]: text(row) for _, row in members.iterrows()}
        names = tuple("any" if pd.isna(members[key].iloc[0]) else value_text(members[key].iloc[0]) for key in keys)
        found.append((names, tuple(values.get(measure) for measure in measures)))
    return Table(tuple(TITLES[key] for key in keys), tuple(measures), tuple(found))


def onset_figure(scales: pd.DataFrame, study: Study, width: int) -> Figure | None:
    """The gap's onset over sigma, one panel per factor; nothing if no factor varies or no onset is defined."""
    rows = scales[scales["measure"] == "gap_onset"]
    if rows["value"].notna().sum() == 0:
        return None
    means = aggregate_seeds(rows, ["model", "train_size", "granularity", "measure", "sigma"])
    cuts = (cut for cut in slices(study) if cut.factor in ("model", "train_size", "granularity"))
    tables = [(cut, table) for cut in cuts if len(table := on_slice(cut, means))]
    if not tables:
        return None
    data = pd.concat([table.assign(factor=cut.factor) for cut, table in tables])
    chart = panels_by_factor(
        tables,
        "onset: step of least validation loss",
        value_domain(data, 0.0, 1.0),
        width,
        [],
        heading="When the gap sets in: step of least validation loss over the noise level",
        description="Training step at which the validation denoising error is least, against the noise level sigma, "
        "one panel for each factor of the study, one line for each of its values.",
    )
    return Figure("gap-onset", f"{SEEDS} Steps are milestones of the study.", chart, data)
