"""Charts of the closed forms: recall, the error along the circle, discretization, and the collapse level."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.report.lab_charts import heading, log_axis, ordered_color, ordered_dash, upright
from diffbench.report.lab_data import tidy
from diffbench.report.marks import rounded
from diffbench.report.page import Figure
from diffbench.report.theme import NEUTRAL, OKABE_ITO
from diffbench.settings.lab import RecallTopic

SOLVERS = ["exact", "heun", "euler"]
DRAWN_DISTANCES = 1e-5
"""Squared Frechet distances below this are drawn at it: on a log axis a minimum of 0 has no place."""


def recall_figure(recall: StageFile, topic: RecallTopic, width: int) -> Figure:
    """Probability of recall over delta by points, and over delta as a share of the spacing."""
    table = tidy(
        {
            "train_points": recall["points"][:, None] // 2,
            "spacing": recall["spacing"][:, None],
            "delta": recall["delta"][None, :],
            "recall": recall["recall"],
        }
    )
    table["share"] = table["delta"] / table["spacing"]
    values = sorted(table["train_points"].unique().tolist())
    color, dash = (
        ordered_color("train_points", "training points", values),
        ordered_dash("train_points", "training points", values),
    )
    data = rounded(table)
    y = alt.Y("recall:Q", scale=alt.Scale(domain=[0, 1.02], nice=False), axis=alt.Axis(title="probability of recall"))
    tooltip = ["train_points:Q", *(alt.Tooltip(f"{n}:Q", format=".3~g") for n in ("delta", "share", "recall"))]
    panels = []
    for field, title in (("delta", "error scale δ"), ("share", "error scale δ / spacing of the training points")):
        base = alt.Chart(data).encode(x=log_axis(field, title), y=y, color=color, tooltip=tooltip)
        layers = alt.layer(base.mark_line(strokeWidth=2).encode(strokeDash=dash), base.mark_circle(size=26, opacity=1))
        panels.append(layers.properties(width=round(0.95 * width), height=240))
    chart = alt.hconcat(*panels, spacing=24).properties(
        title="What suppresses exact recall: model error and dense support",
        description="Probability that a generated point lies near a training point, against the error scale (left) and"
        " against the error scale as a share of the spacing (right), one line per number of training points.",
    )
    caption = (
        f"Recall: a generated point lies within {topic.radius:g} of the training points' spacing of one of them"
        " (exactly, from the kernel density that the exact flow generates). Left: with more training points the same"
        " error ends recall earlier. Right: the curves fall together, so what counts is error relative to spacing."
    )
    return Figure("lab-recall", caption, chart, table)


def profile_figure(profile: StageFile, width: int) -> Figure:
    """Error along the circle from one training point to the next, one panel per noise level."""
    table = tidy(
        {
            "delta": profile["delta"][:, None, None],
            "sigma": profile["sigma"][None, :, None],
            "angle": profile["angle"][None, None, :],
            "error": profile["norm"],
        }
    )
    deltas = sorted(table["delta"].unique().tolist())
    data = rounded(table)
    between = float(profile["angle"].max()) / 2
    panels = []
    for sigma in profile["sigma"]:
        base = alt.Chart(data.loc[np.isclose(data["sigma"], sigma)])
        line = base.mark_line(strokeWidth=2).encode(
            x=alt.X("angle:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title="angle / degrees", tickCount=5)),
            y=alt.Y("error:Q", axis=alt.Axis(title="mean error ‖D − x₀‖", tickCount=5)),
            color=ordered_color("delta", "error scale δ", deltas),
            strokeDash=ordered_dash("delta", "error scale δ", deltas),
            tooltip=["delta:Q", "angle:Q", "error:Q"],
        )
        mark = upright(between, "validation", "angle")
        panels.append(
            alt.layer(mark, line).properties(width=round(0.6 * width), height=210, title=heading(f"σ = {sigma:g}"))
        )
    chart = alt.hconcat(*panels, spacing=16).properties(
        title="The error from one training point to the next",
        description="Mean error of the denoiser for clean points of the circle against their angle, from a training"
        " point over a validation point to the next; one panel per noise level, one line per error scale.",
    )
    caption = (
        "Training points lie at both ends, a validation point in the middle. Where a line is bent the denoiser tells"
        " them apart; where it is flat there is no gap. The y axes differ."
    )
    return Figure("lab-profile", caption, chart, table)


def discretization_figure(found: StageFile, width: int) -> Figure:
    """Frechet distance over delta by solver and steps, and the delta that seems best over steps."""
    runs = pd.DataFrame({name: found[name] for name in ("solver", "steps", "best_delta", "best_distance")})
    table = tidy(
        {
            "solver": found["solver"].astype(str)[:, None],
            "steps": found["steps"][:, None],
            "delta": found["delta"][None, :],
            "distance": found["distance"],
        }
    )
    data = rounded(table.assign(distance=table["distance"].clip(lower=DRAWN_DISTANCES)))
    data["run"] = data["solver"] + " " + data["steps"].astype(str)
    color = alt.Color(
        "solver:N",
        scale=alt.Scale(domain=SOLVERS, range=[NEUTRAL, OKABE_ITO[0], OKABE_ITO[1]]),
        legend=alt.Legend(title="solver", orient="bottom"),
    )
    steps = sorted(set(runs["steps"]) - {0})
    dash = ordered_dash("steps", "steps", [0, *steps])
    dash["legend"]["labelExpr"] = "datum.value == 0 ? 'exact' : datum.label"  # pyright: ignore[reportIndexIssue]
    y = log_axis("distance", "squared Fréchet distance to the circle", (DRAWN_DISTANCES, 100), alt.Y)
    lines = (
        alt.Chart(data)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X("delta:Q", axis=alt.Axis(title="error scale δ")), y=y, color=color, strokeDash=dash, detail="run:N"
        )
        .properties(width=round(1.1 * width), height=260, title=heading("distance over δ"))
    )
    best = _best(runs, color, round(0.75 * width))
    chart = alt.hconcat(lines, best, spacing=24).properties(
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


def _best(runs: pd.DataFrame, color: alt.Color, width: int) -> Any:
    exact = runs.loc[runs["solver"] == "exact"]
    solved = rounded(runs.loc[runs["solver"] != "exact"])
    base = alt.Chart(solved).encode(
        x=log_axis("steps", "steps"),
        y=alt.Y("best_delta:Q", axis=alt.Axis(title="δ of least distance")),
        color=color,
        shape=alt.Shape("solver:N", scale=alt.Scale(domain=SOLVERS, range=["circle", "square", "triangle"])),
        tooltip=["solver:N", "steps:Q", "best_delta:Q", "best_distance:Q"],
    )
    rule = alt.Chart(exact).mark_rule(color=NEUTRAL, strokeWidth=2).encode(y="best_delta:Q")
    return alt.layer(
        rule, base.mark_line(strokeWidth=1.5), base.mark_point(size=60, filled=True, opacity=1)
    ).properties(width=width, height=260, title=heading("the δ that seems best"))


def collapse_figure(collapse: StageFile, width: int) -> Figure:
    """The analytic level and the measured one over the training size, and their ratio."""
    measured = collapse["measured"]
    table = tidy(
        {
            "dimension": collapse["dimension"][:, None, None],
            "train_size": collapse["train_size"][None, :, None],
            "draw": np.arange(measured.shape[2])[None, None, :],
            "theory": collapse["theory"][:, :, None],
            "measured": measured,
        }
    )
    table["ratio"] = table["measured"] / table["theory"]
    dimensions = sorted(table["dimension"].unique().tolist())
    color, dash = (
        ordered_color("dimension", "dimension d", dimensions),
        ordered_dash("dimension", "dimension d", dimensions),
    )
    data = rounded(table)
    x = log_axis("train_size", "training points n")
    tooltip = [
        "dimension:Q",
        "train_size:Q",
        *(alt.Tooltip(f"{n}:Q", format=".3~g") for n in ("theory", "measured", "ratio")),
    ]
    base = alt.Chart(data).encode(x=x, color=color, tooltip=tooltip)
    line = base.mark_line(strokeWidth=2).encode(y=log_axis("theory", "noise level σ", channel=alt.Y), strokeDash=dash)
    dots = base.mark_point(size=40, filled=True, opacity=0.9, shape="diamond").encode(y="measured:Q")
    untold = alt.Chart(data).encode(x=x, color=color)  # tooltips would split the mean
    share = alt.Y("mean(ratio):Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="measured / σ_C"))
    ratio = untold.mark_line(strokeWidth=1.5).encode(y=share, strokeDash=dash)
    ratios = base.mark_point(size=40, filled=True, opacity=0.9, shape="diamond").encode(y="ratio:Q")
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(color=NEUTRAL, strokeDash=[4, 4]).encode(y="one:Q")
    level, against = heading("level of collapse"), heading("measured against theory")
    chart = alt.hconcat(
        alt.layer(line, dots).properties(width=round(0.95 * width), height=240, title=level),
        alt.layer(one, ratio, ratios).properties(width=round(0.85 * width), height=240, title=against),
        spacing=24,
    ).properties(
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
