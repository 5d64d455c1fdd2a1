"""Charts of the denoising gap over the noise level, and of the losses and the skill behind it."""

import json
from typing import Any

import altair as alt
import pandas as pd

from diffbench.report.charts.by_factor import CurvesByFactor
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.linked import CHOSEN_STEP, emphasis
from diffbench.report.charts.theme import DASHES, NEUTRAL
from diffbench.report.charts.toolkit import (
    GAP_TITLE,
    MEAN_TOOLTIPS,
    SEEDS,
    SIGMA_TOOLTIP,
    chosen,
    curves,
    factor_lines,
    line_legend,
    number_tooltips,
    rounded,
    select_box,
    sigma_axis,
)
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import short_name, slices

RUN = ["model", "train_size", "granularity"]
CHECKPOINT = [*RUN, "step"]
HEIGHT = 230
LOSSES = {"mse_train": "train", "mse_validation": "validation"}
CLOSED_FORMS = {"mse_wiener_validation": "linear filter, validation", "mse_optimum_validation": "optimum, validation"}
"""Losses beside those of a run, which do not depend on its training."""
TOOLTIPS = [alt.Tooltip("factor_value:N", title="step"), *number_tooltips(["sigma"], 3)]

GAP_BY_FACTOR = CurvesByFactor(
    name="gap-by-factor",
    heading="Where the gap lies: denoising gap over the noise level, one factor at a time",
    description="Relative gap between validation and training denoising error against the noise level sigma, "
    "one panel for each factor of the study, one line for each of its values.",
    caption=f"{SEEDS} Guidance acts on sampling only, so it has no panel. The upright axis is logarithmic where gaps "
    "differ widely.",
    y_title=GAP_TITLE,
    holds=(0.0, 0.1),
    references=((0, "no gap"),),
)

SKILL_BY_FACTOR = CurvesByFactor(
    name="skill-by-factor",
    heading="Is it better than a linear filter? Skill on unseen images over the noise level, one factor at a time",
    description="Skill of the denoiser on validation images, 1 minus its error over that of the Wiener filter of its "
    "training images, against the noise level sigma, one panel for each factor, one line for each of its values.",
    caption=f"{SEEDS} Skill is 1 − MSE / MSE of the Wiener filter, the best linear denoiser of the same training "
    "images, on validation images. Where it is below 0 a gap is plain overfitting. The axis ends at −1 and 1, values "
    "beyond lie on its edge.",
    y_title="skill on unseen images",
    holds=(-0.2, 0.6),
    limits=(-1.0, 1.0),
    references=((0, "a linear filter"),),
)

ABSOLUTE_BY_FACTOR = CurvesByFactor(
    name="absolute-gap-by-factor",
    heading="How large is it? Absolute gap over the noise level, one factor at a time",
    description="Validation minus training denoising error per pixel against the noise level sigma, one panel for each "
    "factor of the study, one line for each of its values.",
    caption=f"{SEEDS} Losses are small where there is little noise, so that the relative gap can be large there and "
    "the absolute one small.",
    y_title="loss on validation − on training images",
    holds=(0.0, 1e-3),
    references=((0, "no gap"),),
)

SHARE_BY_FACTOR = CurvesByFactor(
    name="share-by-factor",
    heading="How much of what can be memorized? Share of the closed-form optimum, one factor at a time",
    description="Absolute gap between validation and training denoising error over that of the closed-form optimum, "
    "against the noise level sigma, one panel for each factor of the study, one line for each of its values.",
    caption=f"{SEEDS} 0: nothing memorized, 1: all that can be. Undefined where the optimum has no gap within its "
    "interval. The upright axis is logarithmic where shares differ widely.",
    y_title="share of the optimum's gap",
    holds=(0.0, 1.0),
    references=((0, "nothing"), (1, "the optimum")),
)


def gap_by_factor(results: Results, width: int) -> Figure | None:
    """The gap over sigma, one panel per factor; nothing if no factor varies or no gap was measured."""
    return _by_factor(GAP_BY_FACTOR, results, "gap", width)


def absolute_gap_by_factor(results: Results, width: int) -> Figure | None:
    """The absolute gap likewise."""
    return _by_factor(ABSOLUTE_BY_FACTOR, results, "absolute_gap", width)


def skill_by_factor(results: Results, width: int) -> Figure | None:
    """The skill on unseen images likewise."""
    return _by_factor(SKILL_BY_FACTOR, results, "skill_validation", width)


def share_by_factor(results: Results, width: int) -> Figure | None:
    """The share of what the optimum memorizes likewise."""
    return _by_factor(SHARE_BY_FACTOR, results, "memorized_share", width)


def _by_factor(chart: CurvesByFactor, results: Results, measure: str, width: int) -> Figure | None:
    """Guidance acts on sampling only."""
    cuts = [cut for cut in slices(results.study) if cut.factor != "guidance"]
    return chart.of(results, cuts, measure, CHECKPOINT, width)


def gap_by_step(results: Results, width: int) -> Figure | None:
    """Losses and gap over sigma by training step, of the run that the reader chooses."""
    measures = ["gap", *LOSSES, *CLOSED_FORMS]
    there = results.estimates.groups(measures, [*CHECKPOINT, "measure", "sigma"]).dropna(subset=["sigma"])
    if there.empty:
        return None
    runs = runs_by_gap(results)
    rows_per_run = len(_closed_forms_once(there)) // len(there[RUN].drop_duplicates()) + 1
    chosen_runs = runs[: max(1, MAXIMUM_ROWS // rows_per_run)]
    shown = [short_name(run) for run in chosen_runs]
    means = curves_over_seeds(results.estimates.of(measures, chosen_runs), measures, CHECKPOINT)
    names = means["model"] + " · n " + means["train_size"].astype(str) + " · " + means["granularity"]
    means = _closed_forms_once(means.assign(run=names, factor_value=means["step"].astype(str)))
    fields = ["run", "step", "measure", "sigma", "factor_value", "value", "low", "high", "n", "seeds", "reason"]
    data = rounded(means[fields].assign(step=means["step"].where(~means["measure"].isin(CLOSED_FORMS))))
    data["line"] = [f"step {step:.0f}" if step == step else "" for step in data["step"]]
    steps = [str(step) for step in sorted(means["step"].unique())]
    panel = round(0.92 * width)
    chart = alt.hconcat(
        _losses(data[(data["measure"] != "gap") & ~(data["low"] <= 0)], steps, panel),
        _gap(data[data["measure"] == "gap"], steps, panel),
        params=[select_box("run", shown, "Run: "), CHOSEN_STEP],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(strokeDash="independent")),
        title="How it grows in training: loss and gap of one run, by training step",
        description="Left: denoising error on training and validation images against the noise level, by training "
        "step, beside that of the linear filter and the optimum of the same training images on validation images. "
        "Right: the relative gap. The select box chooses the run.",
    )
    left_out = (
        f" The {len(shown)} of {len(runs)} runs with the most milestones and the largest gaps can be chosen."
        if len(shown) < len(runs)
        else ""
    )
    caption = (
        f"{SEEDS} Grey: closed forms of the same training images on validation images, Wiener filter and optimum, the "
        f"same at every step (in the table beside the first). Losses of 0 have no place on the log axis.{left_out}"
    )
    return Figure("gap-by-step", caption, chart, means.drop(columns=["factor_value"]).sort_values(CHECKPOINT))


def runs_by_gap(results: Results) -> list[dict[str, Any]]:
    """RUN of all runs whose gap was measured: those with the most milestones first, and the largest gap of these."""
    runs = curves_over_seeds(results.estimates.of(["gap"]), ["gap"], CHECKPOINT).groupby(RUN, sort=False)
    order = runs.agg(milestones=("step", "nunique"), peak=("value", "max"))
    peaks = order.sort_values(["milestones", "peak"], ascending=False)
    return [dict(zip(RUN, run, strict=True)) for run in peaks.index]


def _closed_forms_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Closed forms of a run at its first checkpoint alone: they are the same at all."""
    return rows[~(rows["measure"].isin(CLOSED_FORMS) & rows.duplicated([*RUN, "measure", "sigma"]))]


def _losses(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
    names = LOSSES | CLOSED_FORMS
    legend = line_legend("error on", 2)
    legend["labelExpr"] = f"{json.dumps(names)}[datum.value]"
    split = alt.StrokeDash(
        "measure:N",
        sort=list(names),
        scale=alt.Scale(domain=list(names), range=DASHES[: len(names)]),
        legend=legend,
    )
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(title="mean squared error per pixel", format="~g", tickCount=6),
    )
    color, _ = factor_lines("step", steps, numbers=True)
    closed, name = data["measure"].isin(CLOSED_FORMS), alt.Tooltip("measure:N")
    base = alt.Chart(data[closed]).encode(x=sigma_axis(), y=y)
    line = base.mark_line(strokeWidth=1.5, color=NEUTRAL).encode(strokeDash=split)
    dots = base.mark_circle(size=14, color=NEUTRAL).encode(tooltip=[name, SIGMA_TOOLTIP, *MEAN_TOOLTIPS])
    own = curves(data[~closed], y, color, split, HEIGHT, [name, *TOOLTIPS], emphasis(map(int, steps)))
    # Each has the choice for itself: a layer's transforms reach only what shares its data.
    parts = [alt.layer(*layers, transform=[chosen("run")]) for layers in ([line, dots], own)]
    return alt.layer(*parts, width=width, height=HEIGHT)


def _gap(data: pd.DataFrame, steps: list[str], width: int) -> Chart:
    color, dash = factor_lines("step", steps, numbers=True)
    y, faded = alt.Y("value:Q", title=GAP_TITLE), emphasis(map(int, steps))
    layers = curves(data, y, color, dash.legend(None), HEIGHT, TOOLTIPS, faded)
    return alt.layer(*layers, transform=[chosen("run")], width=width, height=HEIGHT)
