"""The outcomes of every cell, and their mean over seeds: the numbers that the leaderboard, charts and words share."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from diffbench.report.results import Results, shown_factors
from diffbench.report.slices import SETTING
from diffbench.study.grid import Cell
from diffbench.summary.tables import FACTORS

STAGE_OF = {
    "memorized_fraction": "memorization",
    "memorized_floor": "memorization",
    "distance_to_validation": "memorization",
    "distance_to_validation_floor": "memorization",
    "peak_gap": "denoise",
    "sigma_at_peak": "denoise",
}
"""Scalars of a cell that the report shows, and the stage whose table holds them."""

AT_PEAK = "train_likeness_at_peak"
CURVES_AT_PEAK = {
    AT_PEAK: "train_likeness",
    "shell_radius_at_peak": "shell_radius_states",
    "shell_radius_unseen_at_peak": "shell_radius_validation",
}
"""Outcomes that are read from curves of the overlap table at the peak of the cell's gap."""
FIELDS = ["value", "low", "high", "n", "reason"]


def outcomes(results: Results) -> pd.DataFrame:
    """FACTORS, measure, value, low, high, n, reason, sigma: a row per cell and outcome, also where missing.

    `sigma` is the level at which CURVES_AT_PEAK were read: the sampler's level nearest in ln(sigma) to the peak of the
    cell's gap, which lies on another grid.
    """
    scalars = results.estimates[results.estimates["sigma"].isna()]
    checkpoint = [factor for factor in FACTORS if factor != "guidance"]
    parts = []
    for measure, stage in STAGE_OF.items():
        keys = checkpoint if stage == "denoise" else FACTORS
        found = scalars.loc[scalars["measure"] == measure, keys + FIELDS]
        parts.append(_every_cell(results, found, keys, measure, stage))
    peaks = parts[list(STAGE_OF).index("sigma_at_peak")]
    for measure, name in CURVES_AT_PEAK.items():
        at_peak = _nearest_level(results.estimates[results.estimates["measure"] == name], peaks)
        parts.append(_every_cell(results, at_peak, FACTORS, measure, "overlap", peaks))
    return pd.concat(parts, ignore_index=True)


def _every_cell(
    results: Results,
    found: pd.DataFrame,
    keys: Sequence[str],
    measure: str,
    stage: str,
    peaks: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per cell of the study; cells without a row get an undefined value and the reason."""
    cells = pd.DataFrame([shown_factors(cell) for cell in results.study.cells], columns=FACTORS)
    rows = cells.merge(found, how="left", on=list(keys), indicator="origin").assign(measure=measure)
    absent = rows.pop("origin") == "left_only"
    why = _why_absent(results, stage)
    for index in np.flatnonzero(absent):
        cell = results.study.cells[index]
        reason = why(cell)
        if not reason and peaks is not None:
            reason = f"the gap has no peak: {peaks['reason'].iloc[index] or 'no value'}"
        rows.loc[index, ["reason", "n"]] = [reason or "not in the tables of this study", 0]
    if "sigma" not in rows:
        rows["sigma"] = np.nan
    return rows[[*FACTORS, "measure", *FIELDS, "sigma"]]


def _why_absent(results: Results, stage: str) -> Callable[[Cell], str]:
    missing = results.status[results.status["state"] != "done"].set_index("file")["reason"]
    known = set(results.status["file"])

    def why(cell: Cell) -> str:
        file = f"{cell.checkpoint.path if stage == 'denoise' else cell.path}/{stage}.h5"
        if file in missing.index:
            return f"missing: {missing[file]}"
        return "" if file in known else f"this model has no {stage} measures"

    return why


def _nearest_level(curve: pd.DataFrame, peaks: pd.DataFrame) -> pd.DataFrame:
    """Of each cell's curve (FACTORS, sigma, ...) the row whose sigma is nearest in ln(sigma) to the cell's peak."""
    defined = peaks[np.isfinite(peaks["value"])]
    rows = curve.merge(defined[[*FACTORS, "value"]].rename(columns={"value": "peak"}), on=FACTORS)
    rows["distance"] = np.abs(np.log(rows["sigma"] / rows["peak"]))
    nearest = rows.sort_values("distance", kind="stable").drop_duplicates(FACTORS)
    return nearest[[*FACTORS, *FIELDS, "sigma"]]


def aggregate_seeds(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean over the rows that share `keys`, which are repeats with different seeds.

    value: mean of the defined values (geometric for the sigma at the peak); low and high: the lowest and highest end of
    the seeds' own 95 % intervals, so they hold the images' and the seeds' spread; n: sum; seeds: rows with a value,
    of: all rows; reason: why some are undefined.
    """
    rows = rows.assign(geometric=np.where(rows["measure"] == "sigma_at_peak", _log(rows["value"]), np.nan))
    grouped = rows.groupby(list(keys), dropna=False, sort=False)
    means = grouped.agg(
        value=("value", "mean"),
        geometric=("geometric", "mean"),
        low=("low", "min"),
        high=("high", "max"),
        n=("n", "sum"),
        seeds=("value", "count"),
        of=("value", "size"),
        reason=("reason", _reasons),
    ).reset_index()
    geometric = np.exp(means.pop("geometric").to_numpy(float))
    means["value"] = np.where(np.isnan(geometric), means["value"], geometric)
    return means


def _log(values: pd.Series) -> pd.Series:
    return pd.Series(np.log(values.where(values > 0).to_numpy(float)), index=values.index)


def _reasons(reasons: pd.Series) -> str:
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def settings(outcome_rows: pd.DataFrame) -> pd.DataFrame:
    """Outcomes as mean over seeds: SETTING, measure, the columns of `aggregate_seeds`, geometric mean of sigma."""
    means = aggregate_seeds(outcome_rows, [*SETTING, "measure"])
    levels = _log(outcome_rows["sigma"]).groupby([outcome_rows[key] for key in [*SETTING, "measure"]], sort=False)
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


def spread_over_ranks(count: int, limit: int) -> list[int]:
    """At most `limit` ranks out of `count`, evenly spaced, with the first and the last."""
    return sorted({round(rank) for rank in np.linspace(0, count - 1, min(count, limit))})
