"""The outcomes of every cell, and their mean over seeds: the numbers that the leaderboard, charts and words share."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from diffbench.report.tables.estimates import FIELDS
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds, logarithm
from diffbench.report.tables.slices import SETTING
from diffbench.report.tables.slices import spread_over_ranks as spread_over_ranks
from diffbench.study.grid import Cell
from diffbench.study.layout import DENOISE, MEMORIZATION, OVERLAP, Kind
from diffbench.summary.rows import FACTORS

SCALARS = {
    "memorized_fraction": MEMORIZATION,
    "memorized_floor": MEMORIZATION,
    "calibrated_fraction": MEMORIZATION,
    "calibrated_floor": MEMORIZATION,
    "fd": MEMORIZATION,
    "fd_floor": MEMORIZATION,
    "peak_gap": DENOISE,
    "sigma_at_peak": DENOISE,
    "skill_at_peak": DENOISE,
}
"""Scalars of a cell that the report shows, and the files that hold them."""

AT_PEAK = "train_likeness_at_peak"
CURVES_AT_PEAK = {
    AT_PEAK: "train_likeness",
    "shell_radius_at_peak": "shell_radius_states",
    "shell_radius_unseen_at_peak": "shell_radius_validation",
    "overlap_coefficient_at_peak": "overlap_coefficient",
    "states_inside_at_peak": "states_inside",
}
"""Outcomes that are read from curves of the overlap table at the peak of the cell's gap."""

SHARE_AT_PEAK = "memorized_share_at_peak"
"""Share of what the optimum memorizes, read there from its curve, which has the gap's own levels."""

CHECKPOINT = [factor for factor in FACTORS if factor != "guidance"]


def outcomes(results: Results) -> pd.DataFrame:
    """FACTORS, measure, value, low, high, n, reason, sigma: a row per cell and outcome, also where missing.

    `sigma` is the level at which CURVES_AT_PEAK were read: the sampler's level nearest in ln(sigma) to the peak of the
    cell's gap, which lies on another grid.
    """
    estimates = results.estimates.of(SCALARS)
    scalars = {
        measure: of_every_cell(results, measure, estimates[estimates["measure"] == measure], kind)
        for measure, kind in SCALARS.items()
    }
    peaks = scalars["sigma_at_peak"]
    levels = peaks[np.isfinite(peaks["value"])].rename(columns={"value": "level"})
    curves = results.estimates.nearest(CURVES_AT_PEAK.values(), levels[[*FACTORS, "level"]])
    otherwise = [f"the gap has no peak: {reason or 'no value'}" for reason in peaks["reason"]]
    at_peak = [
        _at_levels(results, measure, curves[curves["measure"] == curve].drop(columns="measure"), OVERLAP, otherwise)
        for measure, curve in CURVES_AT_PEAK.items()
    ]
    of_checkpoints = levels[[*FACTORS, "level"]].assign(guidance=None).drop_duplicates()
    shares = results.estimates.nearest(["memorized_share"], of_checkpoints)[[*CHECKPOINT, *FIELDS, "sigma"]]
    share = _at_levels(results, SHARE_AT_PEAK, shares, DENOISE, otherwise)
    return pd.concat([*scalars.values(), *at_peak, share], ignore_index=True)


def of_every_cell(results: Results, measure: str, rows: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """One scalar of every cell, of its rows in the tables; the cells of a checkpoint share those of its losses."""
    keys = CHECKPOINT if kind is DENOISE else FACTORS
    scalars = rows.loc[rows["sigma"].isna(), [*keys, *FIELDS, "sigma"]]
    return _at_levels(results, measure, scalars, kind, ["not in the tables of this study"] * len(results.study.cells))


def _at_levels(
    results: Results, measure: str, rows: pd.DataFrame, kind: Kind, otherwise: Sequence[str]
) -> pd.DataFrame:
    """One row per cell of the study: those of `rows`, else undefined because of the cell's file, or `otherwise`."""
    cells = results.study.cells
    keys = [factor for factor in FACTORS if factor in rows]
    table = results.cells.merge(rows, how="left", on=keys, indicator="origin")
    absent = (table.pop("origin") == "left_only").to_numpy()
    why = _why_absent(results, kind)
    table.loc[absent, "reason"] = [why(cells[index]) or otherwise[index] for index in np.flatnonzero(absent).tolist()]
    table.loc[absent, "n"] = 0
    return table.assign(measure=measure)[[*FACTORS, "measure", *FIELDS, "sigma"]]


def _why_absent(results: Results, kind: Kind) -> Callable[[Cell], str]:
    """Why a cell is not in a table: its file has a fault, or none is expected; empty if the file is there."""
    known, files = results.known_faults, frozenset(results.status["file"])

    def why(cell: Cell) -> str:
        file = kind.of(cell.factors)
        if fault := known.get(file):
            return f"{fault.state}: {fault.reason}"
        return "" if file in files else f"this model has no {kind.stage} measures"

    return why


def settings(outcome_rows: pd.DataFrame) -> pd.DataFrame:
    """Outcomes as mean over seeds: SETTING, measure, the columns of `aggregate_seeds`, geometric mean of sigma."""
    means = aggregate_seeds(outcome_rows, [*SETTING, "measure"])
    levels = logarithm(outcome_rows["sigma"]).groupby([outcome_rows[key] for key in [*SETTING, "measure"]], sort=False)
    means["sigma"] = np.exp(levels.mean().to_numpy())
    return means


def wide(means: pd.DataFrame, field: str) -> pd.DataFrame:
    """One field of the outcomes, measures as columns, indexed by setting."""
    return means.pivot(index=SETTING, columns="measure", values=field)


def ranked(means: pd.DataFrame) -> pd.DataFrame:
    """The settings, most memorizing first, ties by peak gap, undefined last."""
    values = wide(means, "value")
    order = values.sort_values(["memorized_fraction", "peak_gap"], ascending=False, na_position="last", kind="stable")
    return order.index.to_frame(index=False)


def above_floor(means: pd.DataFrame) -> pd.Series:
    """Whether a setting's memorized fraction lies above its floor with intervals apart; by setting."""
    return wide(means, "low")["memorized_fraction"] > wide(means, "high")["memorized_floor"]


def overfitted(means: pd.DataFrame) -> pd.Series:
    """Whether a setting is worse than a linear filter on unseen images where its gap peaks; by setting."""
    return wide(means, "high")["skill_at_peak"] < 0
