"""Charts of the closed forms: recall, the error along the circle, discretization, and the collapse level."""

import altair as alt
import numpy as np
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import heading, log_x, log_y, number_lines, number_tooltips, rounded, upright
from diffbench.report.tables.lab_topics import collapse_table, distance_table, profile_table, recall_table

SOLVERS = ["exact", "heun", "euler"]
DRAWN_DISTANCES = 1e-5
"""Squared Frechet distances below this are drawn at it: on a log axis a minimum of 0 has no place."""


def recall_figure(recall: StageFile, width: int) -> Figure:
    """Probability of recall over delta by points, and over delta as a share of the spacing."""
    table = recall_table(recall)
    color, dash = number_lines("train_points", "training points", sorted(table["train_points"].unique().tolist()))
    data = rounded(table)
    y = alt.Y("recall:Q", scale=alt.Scale(domain=[0, 1.02], nice=False), axis=alt.Axis(title="probability of recall"))
    tooltip = [alt.Tooltip("train_points:Q"), *number_tooltips(("delta", "share", "recall"), 3)]
    panels = []
    for field, title in (("delta", "error scale δ"), ("share", "error scale δ / spacing of the training points")):
        base = alt.Chart(data).encode(x=log_x(field, title), y=y, color=color, tooltip=tooltip)
        line = base.mark_line(strokeWidth=2).encode(strokeDash=dash)
        panels.append(alt.layer(line, base.mark_circle(size=26, opacity=1), width=round(0.95 * width), height=240))
    chart = alt.hconcat(
        *panels,
        spacing=24,
        title="What suppresses exact recall: model error and dense support",
        description="Probability that a generated point recalls a training point, against the error scale (left) and"
        " against the error scale as a share of the spacing (right), one line per number of training points.",
    )
    caption = (
        "Recall: a generated point is three times as near to a training point as to any other"
        " (exactly, from the kernel density that the exact flow generates). Left: with more training points the same"
        " error ends recall earlier. Right: the curves fall together, so what counts is error relative to spacing."
    )
    return Figure("lab-recall", caption, chart, table)


def profile_figure(profile: StageFile, width: int) -> Figure:
    """Error along the circle from one training point to the next, one panel per noise level."""
    table = profile_table(profile)
    color, dash = number_lines("delta", "error scale δ", sorted(table["delta"].unique().tolist()))
    data = rounded(table)
    between = float(profile["angle"].max()) / 2
    panels = []
    for sigma in profile["sigma"]:
        base = alt.Chart(data.loc[np.isclose(data["sigma"], sigma)])
        line = base.mark_line(strokeWidth=2).encode(
            x=alt.X("angle:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title="angle / degrees", tickCount=5)),
            y=alt.Y("error:Q", axis=alt.Axis(title="mean error ‖D − x₀‖", tickCount=5)),
            color=color,
            strokeDash=dash,
            tooltip=["delta:Q", "angle:Q", "error:Q"],
        )
        mark, title = upright(between, "validation", "angle"), heading(f"σ = {sigma:g}")
        panels.append(alt.layer(mark, line, width=round(0.6 * width), height=210, title=title))
    chart = alt.hconcat(
        *panels,
        spacing=16,
        title="The error from one training point to the next",
        description="Mean error of the denoiser for clean points of the circle against their angle, from a training"
        " point over a validation point to the next; one panel per noise level, one line per error scale.",
    )
    caption = (
        "Training points lie at both ends, a validation point in the middle. Where a line is bent the denoiser tells"
        " them apart; where it is flat there is no gap. The y axes differ."
    )
    return Figure("lab-profile", caption, chart, table)


def discretization_figure(discretization: StageFile, width: int) -> Figure:
    """Frechet distance over delta by solver and steps, and the delta that seems best over steps."""
    names = ("solver", "steps", "best_delta", "best_distance")
    runs = pd.DataFrame({name: discretization[name] for name in names})
    table = distance_table(discretization)
    color = alt.Color(
        "solver:N",
        scale=alt.Scale(domain=SOLVERS, range=[NEUTRAL, OKABE_ITO[0], OKABE_ITO[1]]),
        legend=alt.Legend(title="solver", orient="bottom"),
    )
    chart = alt.hconcat(
        _distances(table, color, round(1.1 * width)),
        _best(runs, color, round(0.75 * width)),
        spacing=24,
        title="A coarse solver fakes an optimal error scale",
        description="Left: squared Frechet distance between what a solver generates and the true circle, against the"
        " error scale, by solver and number of steps. Right: the error scale of least distance against the steps.",
    )
    caption = (
        "The exact flow (grey) has no optimum: the less error, the better. Euler's loss of variance is made up for by"
        " the blur of δ, so its distance dips at a δ that moves with the number of steps; Heun shows none. A best δ"
        f" found with few Euler steps measures the solver. Distances below {DRAWN_DISTANCES:g} are drawn there."
    )
    return Figure("lab-discretization", caption, chart, table.merge(runs, on=["solver", "steps"]))


def _distances(table: pd.DataFrame, color: alt.Color, width: int) -> alt.Chart:
    data = rounded(table.assign(distance=table["distance"].clip(lower=DRAWN_DISTANCES)))
    data["run"] = data["solver"] + " " + data["steps"].astype(str)
    _, dash = number_lines("steps", "steps", [0, *sorted(set(data["steps"]) - {0})])
    dash["legend"]["labelExpr"] = "datum.value == 0 ? 'exact' : datum.label"  # pyright: ignore[reportIndexIssue]
    y = log_y("distance", "squared Fréchet distance to the circle", (DRAWN_DISTANCES, 100))
    x = alt.X("delta:Q", axis=alt.Axis(title="error scale δ"))
    lines = alt.Chart(data, width=width, height=260, title=heading("distance over δ"))
    return lines.mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, color=color, strokeDash=dash, detail="run:N")


def _best(runs: pd.DataFrame, color: alt.Color, width: int) -> Chart:
    exact = runs.loc[runs["solver"] == "exact"]
    solved = rounded(runs.loc[runs["solver"] != "exact"])
    base = alt.Chart(solved).encode(
        x=log_x("steps", "steps"),
        y=alt.Y("best_delta:Q", axis=alt.Axis(title="δ of least distance")),
        color=color,
        shape=alt.Shape("solver:N", scale=alt.Scale(domain=SOLVERS, range=["circle", "square", "triangle"])),
        tooltip=["solver:N", "steps:Q", "best_delta:Q", "best_distance:Q"],
    )
    rule = alt.Chart(exact).mark_rule(color=NEUTRAL, strokeWidth=2).encode(y="best_delta:Q")
    lines, points = base.mark_line(strokeWidth=1.5), base.mark_point(size=60, filled=True, opacity=1)
    return alt.layer(rule, lines, points, width=width, height=260, title=heading("the δ that seems best"))


def collapse_figure(collapse: StageFile, width: int) -> Figure:
    """The analytic level and the measured one over the training size, and their ratio."""
    table = collapse_table(collapse)
    color, dash = number_lines("dimension", "dimension d", sorted(table["dimension"].unique().tolist()))
    untold = alt.Chart(rounded(table)).encode(x=log_x("train_size", "training points n"), color=color)
    tooltip = ["dimension:Q", "train_size:Q", *number_tooltips(("theory", "measured", "ratio"), 3)]
    diamonds = untold.encode(tooltip=tooltip).mark_point(size=40, filled=True, opacity=0.9, shape="diamond")
    chart = alt.hconcat(
        _collapse_levels(untold.encode(tooltip=tooltip), diamonds, dash).properties(
            width=round(0.95 * width), height=240
        ),
        _collapse_ratios(untold, diamonds, dash).properties(width=round(0.85 * width), height=240),
        spacing=24,
        title="From which noise level one training point stands out: theory against measurement",
        description="For Gaussian data, the analytic collapse level sigma_C (lines) and the level at which the"
        " posterior's mean effective number falls to 2 (points) against the training size, by dimension; their ratios.",
    )
    caption = (
        "Gaussian data of standard deviation 0.5. Lines: σ_C = 0.5 / √(n^(2/d) − 1), where the information in a noised"
        " point equals ln n (Biroli et al. 2024). Diamonds: where the posterior of a drawn training set concentrates"
        " (mean effective number 2), one per draw. In high dimension σ_C hardly falls with n: more data do not help."
    )
    return Figure("lab-collapse", caption, chart, table)


def _collapse_levels(base: alt.Chart, diamonds: alt.Chart, dash: alt.StrokeDash) -> Chart:
    line = base.mark_line(strokeWidth=2).encode(y=log_y("theory", "noise level σ"), strokeDash=dash)
    return alt.layer(line, diamonds.encode(y="measured:Q"), title=heading("level of collapse"))


def _collapse_ratios(base: alt.Chart, diamonds: alt.Chart, dash: alt.StrokeDash) -> Chart:
    """`base` has no tooltips, which would split the mean."""
    share = alt.Y("mean(ratio):Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="measured / σ_C"))
    line = base.mark_line(strokeWidth=1.5).encode(y=share, strokeDash=dash)
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(color=NEUTRAL, strokeDash=[4, 4]).encode(y="one:Q")
    return alt.layer(one, line, diamonds.encode(y="ratio:Q"), title=heading("measured against theory"))
