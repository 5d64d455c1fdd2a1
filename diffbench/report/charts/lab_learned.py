"""Learned against ideal: the error of trained models of the plane as an equivalent delta."""

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.toolkit import (
    OWN_LEGENDS,
    RAW_SIGMA,
    SEEDS,
    heading,
    log_x,
    log_y,
    number_lines,
    number_tooltips,
    rounded,
    same_axis,
    undefined_marks,
)
from diffbench.report.tables.seeds import aggregate_seeds

RUN = ["model", "train_size", "granularity"]
SHOWN = (0.03, 6.0)
"""Noise levels shown: above, the error hardly depends on delta, and the table alone holds what is left."""

CHOSEN_SIGMAS = (0.1, 0.3, 1.0, 3.0)
"""Noise levels whose equivalent delta is followed over training, or those nearest to them."""
MAXIMUM_RUNS = 4
HEIGHT = 220
FIELDS = ["step", "sigma", "value", "low", "high", "n", "seeds", "reason"]
TOOLTIPS = [alt.Tooltip("step:Q"), *number_tooltips(("sigma", "value", "low", "high"), 3), alt.Tooltip("reason:N")]


def learned_figure(table: pd.DataFrame, width: int) -> Figure | None:
    """Equivalent delta over sigma by training step, and over training steps by sigma; one column per run."""
    if table.empty:
        return None
    means = aggregate_seeds(table, [*RUN, "step", "measure", "sigma"])
    runs = list(means.groupby(RUN, sort=True))[:MAXIMUM_RUNS]
    steps = sorted(int(step) for step in means["step"].unique())
    panel = round(1.9 * width / max(2, len(runs)) - 30)
    columns = [_column(rows, steps, panel, index == 0) for index, (_, rows) in enumerate(runs)]
    chart = alt.hconcat(
        *columns,
        spacing=16,
        title="How ideal the network is: its error at training points as an equivalent δ",
        description="Upper row: the error scale whose closed form has the network's mean error at training points,"
        " against the noise level, by training step. Lower row: the same against the training step at some levels.",
    )
    caption = (
        "The equivalent δ is the error scale of the closed form that errs as much on the same noised training points."
        " Where it falls with training, the network comes closer to the optimum that memorizes."
        f" {SEEDS} The noise that network and closed form share does not widen the intervals."
    )
    return Figure("lab-equivalent", caption, chart, means)


def _column(run: pd.DataFrame, steps: list[int], width: int, first: bool) -> Chart:
    """The two panels of one run, whose axes have titles in the first column."""
    model, size, _ = run[RUN].iloc[0]
    shown = rounded(run.loc[run["sigma"].between(*SHOWN), FIELDS])
    y = log_y("value", "equivalent δ" if first else "", (0.02, 30))
    x = log_x("sigma", RAW_SIGMA if first else "σ", SHOWN)
    upper = _over_sigma(shown, x, y, steps).properties(
        width=width, height=HEIGHT, title=heading(f"{model}, {size} training points")
    )
    lower = _over_steps(shown, y).properties(width=width, height=160)
    return alt.vconcat(upper, lower, spacing=14, resolve=OWN_LEGENDS)


def _over_sigma(shown: pd.DataFrame, x: alt.X, y: alt.Y, steps: list[int]) -> Chart:
    color, dash = number_lines("step", "training step", steps)
    base = alt.Chart(shown).encode(x=x, color=color)
    band = base.mark_area(opacity=0.16, line=False, clip=True).encode(y=same_axis(y, "low"), y2="high:Q")
    line = base.mark_line(strokeWidth=2, clip=True).encode(y=y, strokeDash=dash)
    dots = base.transform_filter("isValid(datum.value)").mark_circle(size=22, opacity=0.9).encode(y=y, tooltip=TOOLTIPS)
    return alt.layer(band, line, dots, undefined_marks(base, HEIGHT, TOOLTIPS[:2]))


def _over_steps(shown: pd.DataFrame, y: alt.Y) -> Chart:
    """At the noise levels nearest to CHOSEN_SIGMAS."""
    levels = sorted(shown["sigma"].unique())
    nearest = sorted({levels[int(np.abs(np.log(np.array(levels) / sigma)).argmin())] for sigma in CHOSEN_SIGMAS})
    followed = shown[shown["sigma"].isin(nearest)].assign(level=lambda rows: rows["sigma"].map("{:.2g}".format))
    color, dash = number_lines("level", "noise level σ", [f"{sigma:.2g}" for sigma in nearest])
    base = alt.Chart(followed).encode(x=log_x("step", "training step"), y=y, color=color, tooltip=TOOLTIPS)
    line = base.mark_line(strokeWidth=2, clip=True).encode(strokeDash=dash)
    return alt.layer(line, base.transform_filter("isValid(datum.value)").mark_circle(size=30, opacity=1))
