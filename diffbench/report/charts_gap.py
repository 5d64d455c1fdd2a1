"""Charts of the denoising gap over the noise level."""

from typing import Any

import altair as alt
import pandas as pd

from diffbench.report.cells import aggregate_seeds
from diffbench.report.marks import (
    SEEDS,
    curves,
    level_color,
    level_dash,
    on_slice,
    panels_by_factor,
    rounded,
    value_domain,
)
from diffbench.report.page import MAXIMUM_ROWS, Figure
from diffbench.report.results import Results
from diffbench.report.slices import slices

CHECKPOINT = ["model", "train_size", "granularity", "step"]
OF_RUN = alt.FilterTransform(filter="datum.run == run")
GAP_TITLE = "gap (validation − train) / train"


def curves_over_seeds(results: Results, measures: list[str], setting: list[str]) -> pd.DataFrame:
    """Curves over sigma as means over seeds, one row per setting, measure and level."""
    rows = results.estimates[results.estimates["measure"].isin(measures) & results.estimates["sigma"].notna()]
    return aggregate_seeds(rows, [*setting, "measure", "sigma"])


def gap_by_factor(results: Results, width: int) -> Figure | None:
    """The gap over sigma, one panel per factor; nothing if no factor varies or no gap was measured."""
    means = curves_over_seeds(results, ["gap"], CHECKPOINT)
    cuts = (cut for cut in slices(results.study) if cut.factor != "guidance")
    tables = [(cut, table) for cut in cuts if len(table := on_slice(cut, means))]
    if not tables:
        return None
    data = pd.concat([table.assign(factor=cut.factor) for cut, table in tables])
    chart = panels_by_factor(
        tables,
        GAP_TITLE,
        value_domain(data, 0.0, 0.1),
        width,
        [(0, "no gap")],
        heading="Where the gap lies: denoising gap over the noise level, one factor at a time",
        description="Relative gap between validation and training denoising error against the noise level sigma, "
        "one panel for each factor of the study, one line for each of its values.",
    )
    return Figure("gap-by-factor", f"{SEEDS} Guidance acts on sampling only, so it has no panel.", chart, data)


def gap_by_step(results: Results, width: int) -> Figure | None:
    """Losses and gap over sigma by training step, of the run that the reader chooses."""
    run = CHECKPOINT[:3]
    means = curves_over_seeds(results, ["gap", "mse_train", "mse_validation"], CHECKPOINT)
    if means.empty:
        return None
    means["run"] = means["model"] + " · n " + means["train_size"].astype(str) + " · " + means["granularity"]
    peaks = means[means["measure"] == "gap"].groupby("run", sort=False)["value"].max().sort_values(ascending=False)
    rows_per_run = len(means) // means["run"].nunique() + 1
    shown = list(peaks.index[: max(1, MAXIMUM_ROWS // rows_per_run)])
    means = means[means["run"].isin(shown)].assign(level=means["step"].astype(str))
    data = rounded(means[["run", "measure", "sigma", "level", "value", "low", "high", "n", "seeds", "reason"]])
    chosen = alt.VariableParameter(name="run", value=shown[0], bind=alt.binding_select(options=shown, name="Run: "))
    steps = [str(step) for step in sorted(means["step"].unique())]
    panel = round(0.92 * width)
    chart = alt.hconcat(
        _losses(data[(data["measure"] != "gap") & ~(data["low"] <= 0)], steps, panel),
        _gap(data[data["measure"] == "gap"], steps, panel),
        params=[chosen],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(strokeDash="independent")),
        title="How it grows in training: loss and gap of one run, by training step",
        description="Left: denoising error on training and validation images against the noise level, by training "
        "step. Right: their relative gap. The select box chooses the run.",
    )
    left_out = (
        f" The {len(shown)} of {len(peaks)} runs with the largest gaps can be chosen."
        if len(shown) < len(peaks)
        else ""
    )
    caption = f"{SEEDS} Losses of 0 have no place on the log axis.{left_out}"
    return Figure("gap-by-step", caption, chart, means.drop(columns=["level"]).sort_values([*run, "step"]))


def _losses(data: pd.DataFrame, steps: list[str], width: int) -> Any:
    split = alt.StrokeDash(
        "measure:N",
        sort=["mse_train", "mse_validation"],
        scale=alt.Scale(domain=["mse_train", "mse_validation"], range=[[1, 0], [5, 3]]),
        legend=alt.Legend(
            title="split", orient="bottom", labelExpr="datum.value == 'mse_train' ? 'train' : 'validation'"
        ),
    )
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(title="mean squared error per pixel", format="~g", tickCount=6),
    )
    tooltips = [alt.Tooltip("measure:N"), alt.Tooltip("level:N", title="step"), alt.Tooltip("sigma:Q", format=".3~g")]
    layers = curves(data, y, level_color("step", steps, True), split, 230, tooltips)
    return alt.layer(*layers, transform=[OF_RUN], width=width, height=230)


def _gap(data: pd.DataFrame, steps: list[str], width: int) -> Any:
    tooltips = [alt.Tooltip("level:N", title="step"), alt.Tooltip("sigma:Q", format=".3~g")]
    y = alt.Y("value:Q", title=GAP_TITLE)
    layers = curves(
        data, y, level_color("step", steps, True), level_dash("step", steps, True).legend(None), 230, tooltips
    )
    return alt.layer(*layers, transform=[OF_RUN], width=width, height=230)
