"""The noise-free gap: over sigma by delta, points and guidance; and against Monte Carlo and the ordinary stages."""

from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import OKABE_ITO
from diffbench.report.charts.toolkit import (
    GAP_TITLE,
    OWN_LEGENDS,
    RAW_SIGMA,
    heading,
    log_x,
    number_lines,
    number_tooltips,
    rounded,
)
from diffbench.report.tables.lab_topics import checked_gaps, gap_table
from diffbench.settings.lab import GapTopic

SHOWN = (0.01, 20.0)
"""Noise levels shown: beyond, the gap is 0."""

CHECKED = (0.05, 20.0)
"""Noise levels shown in the cross-check, around the bump."""

CHECKED_COLUMNS = 4

GAP_SCALE = alt.Scale(type="symlog", constant=0.1, domainMin=0)
GAP_TICKS = [0, 0.1, 0.2, 0.5, 1, 2, 5, 10]


@dataclass(frozen=True)
class Sweep:
    """Curves that differ in one column of the table only."""

    rows: pd.DataFrame
    field: str
    legend: str
    title: str
    held: str


def gap_figure(gap: StageFile, topic: GapTopic, width: int) -> Figure:
    """Three panels of curves, one per factor; the others held at the topic's central setting."""
    table = gap_table(gap)
    panels = [_panel(sweep, round(0.62 * width)) for sweep in _sweeps(table, topic)]
    chart = alt.hconcat(
        *panels,
        spacing=18,
        resolve=OWN_LEGENDS,
        title="Where the gap lies, without noise: by model error, density of support and guidance",
        description="Relative gap of the mean error norms between validation and training points of the symmetric"
        " circle against the noise level, by quadrature; three panels sweep the error scale, the number of points"
        " and the guidance weight.",
    )
    caption = (
        "Each curve is a bump at intermediate σ and 0 at both ends. Model error (larger δ) and dense support (more"
        " training points) flatten it; guidance away from a worse model raises it. By quadrature, so the curves carry"
        " no noise; the y axis is linear below 0.1 and logarithmic above. Dots: peaks."
    )
    return Figure("lab-gap", caption, chart, table.drop(columns="setting"))


def _sweeps(table: pd.DataFrame, topic: GapTopic) -> list[Sweep]:
    plain = table["guidance"] == 0
    at_points, at_delta = table["points"] == topic.points, np.isclose(table["delta"], topic.delta)
    sizes = table[plain & at_delta].assign(train_points=lambda rows: rows["points"] // 2)
    few, error = f"{topic.points // 2} training points", f"δ = {topic.delta:g}"
    guided = f"{few}, {error} guided by δ = {topic.guide_delta:g}"
    return [
        Sweep(table[plain & at_points], "delta", "error scale δ", "by model error", few),
        Sweep(sizes, "train_points", "training points", "by density of support", error),
        Sweep(table[at_points & at_delta], "guidance", "guidance weight w", "by autoguidance", guided),
    ]


def _panel(sweep: Sweep, width: int) -> Chart:
    field, rows = sweep.field, sweep.rows
    shown = rows.loc[(rows["sigma"] >= SHOWN[0]) & (rows["sigma"] <= SHOWN[1])]
    data = rounded(shown.loc[:, [field, "sigma", "gap", "train", "validation"]])
    peaks = data.loc[data.groupby(field)["gap"].idxmax()]
    x = log_x("sigma", RAW_SIGMA, SHOWN)
    y = alt.Y("gap:Q", scale=GAP_SCALE, axis=alt.Axis(title=GAP_TITLE, values=GAP_TICKS, format="~g"))
    color, dash = number_lines(field, sweep.legend, sorted(rows[field].unique().tolist()))
    tooltip = [alt.Tooltip(f"{field}:Q"), *number_tooltips(("sigma", "gap", "train", "validation"), 4)]
    line = alt.Chart(data).mark_line(strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    dots = alt.Chart(peaks).mark_circle(size=45, opacity=1).encode(x=x, y=y, color=color, tooltip=tooltip)
    return alt.layer(line, dots, width=width, height=260, title=heading(sweep.title, sweep.held))


def check_figure(gap: StageFile, topic: GapTopic, measured: pd.DataFrame, width: int) -> Figure:
    """Quadrature as lines; Monte Carlo, and what the ordinary stages measured, as points with intervals."""
    curves, points = gap_table(gap), checked_gaps(gap, topic, measured)
    within = points["sigma"].between(*CHECKED)
    panel = round(2.2 * width / CHECKED_COLUMNS - 46)
    panels = [
        _check_panel(curves, points.loc[within & (points["panel"] == name)], str(name), panel)
        for name in points["panel"].unique()
    ]
    chart = alt.concat(
        *panels,
        columns=CHECKED_COLUMNS,
        spacing=12,
        title="Two ways to one number: quadrature against sampling",
        description="Lines: the gap by quadrature. Points with intervals: the gap by Monte Carlo in the laboratory, and"
        " as the denoise stage measured it for the closed-form models of the study, as it measures networks on images.",
    )
    caption = (
        "Gap over σ. Lines: quadrature. Points: sampled noise, with 95 % intervals; the first panel by the"
        " laboratory's own Monte Carlo, the others by the stage that measures networks and images, for the study's"
        " closed-form models. Points that leave the line by more than their interval are rare: 1 in 20 by design."
    )
    return Figure("lab-check", caption, chart, points.drop(columns="setting"))


def _check_panel(curves: pd.DataFrame, points: pd.DataFrame, name: str, width: int) -> Chart:
    curve = curves.loc[(curves["setting"] == points["setting"].iloc[0]) & curves["sigma"].between(*CHECKED)]
    x = log_x("sigma", "σ", CHECKED)
    y = alt.Y("gap:Q", axis=alt.Axis(title=None, tickCount=5, minExtent=24))
    exact = alt.Chart(rounded(curve.loc[:, ["sigma", "gap"]]))
    line = exact.mark_line(color=OKABE_ITO[0], strokeWidth=2).encode(x=x, y=y)
    fields = ["sigma", "value", "low", "high", "exact"]
    base = alt.Chart(rounded(points.loc[:, fields])).encode(x=x)
    bars = base.mark_rule(color=OKABE_ITO[1], strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    dots = base.mark_point(color=OKABE_ITO[1], shape="diamond", size=34, filled=True, opacity=1).encode(
        y="value:Q", tooltip=number_tooltips(fields, 4)
    )
    return alt.layer(line, bars, dots, width=width, height=180, title=heading(name))
