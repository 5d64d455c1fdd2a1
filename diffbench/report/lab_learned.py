"""Learned against ideal: the error of trained models of the plane as an equivalent delta."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.cells import aggregate_seeds
from diffbench.report.lab_charts import RAW_SIGMA, heading, log_axis, ordered_color, ordered_dash
from diffbench.report.marks import SEEDS, rounded, undefined_marks
from diffbench.report.page import Figure

RUN = ["model", "train_size"]
SHOWN = (0.03, 6.0)
"""Noise levels shown: above, the error hardly depends on delta, and the table alone holds what is left."""

CHOSEN_SIGMAS = (0.1, 0.3, 1.0, 3.0)
"""Noise levels whose equivalent delta is followed over training, or those nearest to them."""
MAXIMUM_RUNS = 4
HEIGHT = 220


def learned_figure(table: pd.DataFrame, width: int) -> Figure | None:
    """Equivalent delta over sigma by training step, and over training steps by sigma; one column per run."""
    if table.empty:
        return None
    means = aggregate_seeds(table, [*RUN, "granularity", "step", "measure", "sigma"])
    runs = list(means.groupby([*RUN, "granularity"], sort=True))[:MAXIMUM_RUNS]
    steps = sorted(int(step) for step in means["step"].unique())
    panel = round(1.9 * width / max(2, len(runs)) - 30)
    columns = [_column(key, rows, steps, panel, index == 0) for index, (key, rows) in enumerate(runs)]
    chart = alt.hconcat(*columns, spacing=16).properties(
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


def _column(key: Any, rows: pd.DataFrame, steps: list[int], width: int, first: bool) -> Any:
    model, size, _ = key
    shown = rounded(
        rows.loc[rows["sigma"].between(*SHOWN), ["step", "sigma", "value", "low", "high", "n", "seeds", "reason"]]
    )
    y = log_axis("value", "equivalent δ" if first else "", (0.02, 30), alt.Y)
    numbers = (alt.Tooltip(f"{name}:Q", format=".3~g") for name in ("sigma", "value", "low", "high"))
    tooltip = ["step:Q", *numbers, "reason:N"]
    color, dash = ordered_color("step", "training step", steps), ordered_dash("step", "training step", steps)
    base = alt.Chart(shown).encode(x=log_axis("sigma", RAW_SIGMA if first else "σ", SHOWN), color=color)
    band = base.mark_area(opacity=0.16, line=False, clip=True).encode(y=_end(y, "low"), y2="high:Q")
    line = base.mark_line(strokeWidth=2, clip=True).encode(y=y, strokeDash=dash)
    dots = base.transform_filter("isValid(datum.value)").mark_circle(size=22, opacity=0.9).encode(y=y, tooltip=tooltip)
    upper = alt.layer(band, line, dots, undefined_marks(base, HEIGHT, tooltip[:2])).properties(
        width=width, height=HEIGHT, title=heading(f"{model}, {size} training points")
    )
    levels = sorted(shown["sigma"].unique())
    chosen = sorted({levels[int(np.abs(np.log(np.array(levels) / sigma)).argmin())] for sigma in CHOSEN_SIGMAS})
    followed = shown[shown["sigma"].isin(chosen)].assign(level=lambda part: part["sigma"].map("{:.2g}".format))
    names = [f"{sigma:.2g}" for sigma in chosen]
    over_steps = alt.Chart(followed).encode(
        x=log_axis("step", "training step"),
        y=y,
        color=ordered_color("level", "noise level σ", names),
        tooltip=tooltip,
    )
    lower = alt.layer(
        over_steps.mark_line(strokeWidth=2, clip=True).encode(strokeDash=ordered_dash("level", "noise level σ", names)),
        over_steps.transform_filter("isValid(datum.value)").mark_circle(size=30, opacity=1),
    ).properties(width=width, height=160)
    return alt.vconcat(upper, lower, spacing=14).resolve_scale(color="independent", strokeDash="independent")


def _end(y: alt.Y, field: str) -> alt.Y:
    """The same axis for another field."""
    encoding = y.copy()
    encoding["shorthand"] = f"{field}:Q"
    return encoding
