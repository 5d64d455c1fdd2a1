"""Charts of the denoising gap over the noise level."""

import altair as alt
import pandas as pd

from diffbench.report.charts.by_factor import CurvesByFactor
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import (
    GAP_TITLE,
    SEEDS,
    chosen,
    curves,
    factor_lines,
    number_tooltips,
    rounded,
    select_box,
    sigma_axis,
)
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import slices

RUN = ["model", "train_size", "granularity"]
CHECKPOINT = [*RUN, "step"]
HEIGHT = 230
BASELINES = {"mse_wiener_validation": [6, 3], "mse_optimum_validation": [2, 2]}
"""Errors of closed forms, and their dashes."""

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


SKILL_BY_FACTOR = CurvesByFactor(
    name="skill-by-factor",
    heading="Is it more than overfitting? Skill on unseen images over the noise level, one factor at a time",
    description="1 - validation error of the network / that of the Wiener filter of the same training images, against "
    "the noise level sigma, one panel for each factor of the study, one line for each of its values.",
    caption=f"{SEEDS} Below 0 a network is worse on unseen images than the best affine filter: its gap there is plain "
    "overfitting. The axis ends at −1.",
    y_title="skill 1 − MSE / MSE of the Wiener filter",
    holds=(-0.2, 0.5),
    limits=(-1.0, 1.0),
    references=((0, "as good as a linear filter"),),
)


def skill_by_factor(results: Results, width: int) -> Figure | None:
    """The skill on unseen images over sigma, as `gap_by_factor`."""
    means = curves_over_seeds(results.estimates, ["skill_validation"], CHECKPOINT)
    return SKILL_BY_FACTOR.figure((cut for cut in slices(results.study) if cut.factor != "guidance"), means, width)


def gap_by_step(results: Results, width: int) -> Figure | None:
    """Losses and gap over sigma by training step, of the run that the reader chooses."""
    means = curves_over_seeds(results.estimates, ["gap", "mse_train", "mse_validation", *BASELINES], CHECKPOINT)
    if means.empty:
        return None
    # Closed forms of the training subset are the same at every step.
    means = means[~(means["measure"].isin(BASELINES) & means.duplicated([*RUN, "measure", "sigma"]))]
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
    caption = (
        f"{SEEDS} Grey: errors on unseen images of two closed forms of the same training images, the Wiener filter "
        "(dashed) and the optimum (dotted). A network above the dashed line is worse than a linear filter. Losses of 0 "
        f"have no place on the log axis.{left_out}"
    )
    return Figure("gap-by-step", caption, chart, means.drop(columns=["factor_value"]).sort_values(CHECKPOINT))


def _losses(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
    closed = data["measure"].isin(BASELINES)
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
    layers = curves(data[~closed], y, color, split, HEIGHT, [alt.Tooltip("measure:N"), *TOOLTIPS])
    lines = [
        alt.Chart(data[data["measure"] == measure], transform=[chosen("run")])
        .mark_line(color=NEUTRAL, strokeWidth=1.5, strokeDash=dash)
        .encode(x=sigma_axis(), y=y)
        for measure, dash in BASELINES.items()
    ]
    return alt.layer(*lines, alt.layer(*layers, transform=[chosen("run")]), width=width, height=HEIGHT)


def _gap(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
    color, dash = factor_lines("step", steps, numbers=True)
    layers = curves(data, alt.Y("value:Q", title=GAP_TITLE), color, dash.legend(None), HEIGHT, TOOLTIPS)
    return alt.layer(*layers, transform=[chosen("run")], width=width, height=HEIGHT)
