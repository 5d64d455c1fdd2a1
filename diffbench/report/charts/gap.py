"""Charts of the denoising gap over the noise level."""

import altair as alt
import pandas as pd

from diffbench.report.charts.by_factor import CurvesByFactor
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.toolkit import (
    GAP_TITLE,
    SEEDS,
    chosen,
    curves,
    factor_lines,
    number_tooltips,
    rounded,
    select_box,
)
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import slices

RUN = ["model", "train_size", "granularity"]
CHECKPOINT = [*RUN, "step"]
HEIGHT = 230
TOOLTIPS = [alt.Tooltip("factor_value:N", title="step"), *number_tooltips(["sigma"], 3)]

GAP_BY_FACTOR = CurvesByFactor(
    name="gap-by-factor",
    heading="Where the gap lies: denoising gap over the noise level, one factor at a time",
    description="Relative gap between validation and training denoising error against the noise level sigma, "
    "one panel for each factor of the study, one line for each of its values.",
    caption=f"{SEEDS} Guidance acts on sampling only, so it has no panel.",
    y_title=GAP_TITLE,
    holds=(0.0, 0.1),
    references=((0, "no gap"),),
)


def gap_by_factor(results: Results, width: int) -> Figure | None:
    """The gap over sigma, one panel per factor; nothing if no factor varies or no gap was measured."""
    means = curves_over_seeds(results.estimates, ["gap"], CHECKPOINT)
    return GAP_BY_FACTOR.figure((cut for cut in slices(results.study) if cut.factor != "guidance"), means, width)


def gap_by_step(results: Results, width: int) -> Figure | None:
    """Losses and gap over sigma by training step, of the run that the reader chooses."""
    means = curves_over_seeds(results.estimates, ["gap", "mse_train", "mse_validation"], CHECKPOINT)
    if means.empty:
        return None
    means["run"] = means["model"] + " · n " + means["train_size"].astype(str) + " · " + means["granularity"]
    peaks = means[means["measure"] == "gap"].groupby("run", sort=False)["value"].max().sort_values(ascending=False)
    rows_per_run = len(means) // means["run"].nunique() + 1
    shown = list(peaks.index[: max(1, MAXIMUM_ROWS // rows_per_run)])
    means = means[means["run"].isin(shown)].assign(factor_value=means["step"].astype(str))
    data = rounded(means[["run", "measure", "sigma", "factor_value", "value", "low", "high", "n", "seeds", "reason"]])
    steps = [str(step) for step in sorted(means["step"].unique())]
    panel = round(0.92 * width)
    chart = alt.hconcat(
        _losses(data[(data["measure"] != "gap") & ~(data["low"] <= 0)], steps, panel),
        _gap(data[data["measure"] == "gap"], steps, panel),
        params=[select_box("run", shown, "Run: ")],
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
    return Figure("gap-by-step", caption, chart, means.drop(columns=["factor_value"]).sort_values(CHECKPOINT))


def _losses(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
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
    color, _ = factor_lines("step", steps, numbers=True)
    layers = curves(data, y, color, split, HEIGHT, [alt.Tooltip("measure:N"), *TOOLTIPS])
    return alt.layer(*layers, transform=[chosen("run")], width=width, height=HEIGHT)


def _gap(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
    color, dash = factor_lines("step", steps, numbers=True)
    layers = curves(data, alt.Y("value:Q", title=GAP_TITLE), color, dash.legend(None), HEIGHT, TOOLTIPS)
    return alt.layer(*layers, transform=[chosen("run")], width=width, height=HEIGHT)
