"""The noise-free gap: over sigma by delta, points and guidance; and against Monte Carlo and the ordinary stages."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.report.lab_charts import RAW_SIGMA, heading, log_axis, ordered_color, ordered_dash
from diffbench.report.lab_data import tidy
from diffbench.report.marks import rounded
from diffbench.report.page import Figure
from diffbench.report.theme import OKABE_ITO
from diffbench.settings.lab import GapTopic

SHOWN = (0.01, 20.0)
"""Noise levels shown: beyond, the gap is 0."""

CHECKED = (0.05, 20.0)
"""Noise levels shown in the cross-check, around the bump."""

CHECKED_COLUMNS = 4

GAP_SCALE = alt.Scale(type="symlog", constant=0.1, domainMin=0)
GAP_TITLE = "gap (validation − train) / train"


def curves_table(gap: StageFile) -> pd.DataFrame:
    """One row per setting and noise level: the setting, sigma, mean error norms and gap."""
    columns = {name: gap[name][:, None] for name in ("points", "delta", "guide_delta", "guidance")}
    columns |= {"setting": np.arange(len(gap["points"]))[:, None], "sigma": gap["sigma"][None, :]}
    return tidy(columns | {name: gap[name] for name in ("train", "validation", "gap", "gap_square")})


def gap_figure(gap: StageFile, topic: GapTopic, width: int) -> Figure:
    """Three panels of curves, one per factor; the others held at the topic's central setting."""
    table = curves_table(gap)
    plain = table["guidance"] == 0
    at_points, at_delta = table["points"] == topic.points, np.isclose(table["delta"], topic.delta)
    few, error = f"{topic.points // 2} training points", f"δ = {topic.delta:g}"
    sweeps = [
        (table[plain & at_points], "delta", "error scale δ", "by model error", few),
        (
            table[plain & at_delta].assign(train_points=lambda rows: rows["points"] // 2),
            "train_points",
            "training points",
            "by density of support",
            error,
        ),
        (
            table[at_points & at_delta],
            "guidance",
            "guidance weight w",
            "by autoguidance",
            f"{few}, {error} guided by δ = {topic.guide_delta:g}",
        ),
    ]
    panels = [_panel(*sweep, width=round(0.62 * width)) for sweep in sweeps]
    chart = (
        alt.hconcat(*panels, spacing=18)
        .resolve_scale(color="independent", strokeDash="independent")
        .properties(
            title="Where the gap lies, without noise: by model error, density of support and guidance",
            description="Relative gap of the mean error norms between validation and training points of the symmetric"
            " circle against the noise level, by quadrature; three panels sweep the error scale, the number of points"
            " and the guidance weight.",
        )
    )
    caption = (
        "Each curve is a bump at intermediate σ and 0 at both ends. Model error (larger δ) and dense support (more"
        " training points) flatten it; guidance away from a worse model raises it. By quadrature, so the curves carry"
        " no noise; the y axis is linear below 0.1 and logarithmic above. Dots: peaks."
    )
    return Figure("lab-gap", caption, chart, table.drop(columns="setting"))


def _panel(table: pd.DataFrame, field: str, legend: str, title: str, held: str, width: int) -> Any:
    values = sorted(table[field].unique().tolist())
    shown = table.loc[(table["sigma"] >= SHOWN[0]) & (table["sigma"] <= SHOWN[1])]
    data = rounded(shown.loc[:, [field, "sigma", "gap", "train", "validation"]])
    peaks = data.loc[data.groupby(field)["gap"].idxmax()]
    x = log_axis("sigma", RAW_SIGMA, SHOWN)
    y = alt.Y(
        "gap:Q", scale=GAP_SCALE, axis=alt.Axis(title=GAP_TITLE, values=[0, 0.1, 0.2, 0.5, 1, 2, 5, 10], format="~g")
    )
    color, dash = ordered_color(field, legend, values), ordered_dash(field, legend, values)
    tooltip = [
        f"{field}:Q",
        *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("sigma", "gap", "train", "validation")),
    ]
    line = alt.Chart(data).mark_line(strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    dots = alt.Chart(peaks).mark_circle(size=45, opacity=1).encode(x=x, y=y, color=color, tooltip=tooltip)
    return alt.layer(line, dots).properties(width=width, height=260, title=heading(title, held))


def check_figure(gap: StageFile, topic: GapTopic, measured: pd.DataFrame, width: int) -> Figure:
    """Quadrature as lines; Monte Carlo, and what the ordinary stages measured, as points with intervals."""
    curves = curves_table(gap)
    center = np.flatnonzero(
        (gap["points"] == topic.points) & np.isclose(gap["delta"], topic.delta) & (gap["guidance"] == 0)
    )[0]
    sampled = pd.DataFrame(
        {"sigma": gap["check"], "value": gap["check_gap"], "low": gap["check_low"], "high": gap["check_high"]}
    )
    parts = [sampled.assign(panel="laboratory's Monte Carlo", setting=center)]
    if len(measured):
        parts.append(
            measured.rename(columns={"model": "panel"}).loc[:, ["sigma", "value", "low", "high", "panel", "setting"]]
        )
    points = pd.concat(parts, ignore_index=True)
    points["exact"] = [
        _exact(gap, int(setting), float(sigma))
        for setting, sigma in zip(points["setting"], points["sigma"], strict=True)
    ]
    within = points["sigma"].between(*CHECKED)
    panel = round(2.2 * width / CHECKED_COLUMNS - 46)
    panels = [
        _check_panel(curves, points.loc[within & (points["panel"] == name)], str(name), panel)
        for name in points["panel"].unique()
    ]
    chart = alt.concat(*panels, columns=CHECKED_COLUMNS, spacing=12).properties(
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


def agreement(gap: StageFile) -> tuple[int, int]:
    """At how many noise levels, and of how many, the Monte-Carlo interval holds the exact gap."""
    inside = (gap["check_low"] <= gap["check_exact"]) & (gap["check_exact"] <= gap["check_high"])
    return int(inside.sum()), len(inside)


def _exact(gap: StageFile, setting: int, sigma: float) -> float:
    """The gap by quadrature, between the levels of its curve."""
    return float(np.interp(np.log(sigma), np.log(gap["sigma"][::-1]), gap["gap"][setting][::-1]))


def _check_panel(curves: pd.DataFrame, points: pd.DataFrame, name: str, width: int) -> Any:
    setting = curves.loc[(curves["setting"] == points["setting"].iloc[0]) & curves["sigma"].between(*CHECKED)]
    x = log_axis("sigma", "σ", CHECKED)
    y = alt.Y("gap:Q", axis=alt.Axis(title=None, tickCount=5, minExtent=24))
    line = (
        alt.Chart(rounded(setting.loc[:, ["sigma", "gap"]]))
        .mark_line(color=OKABE_ITO[0], strokeWidth=2)
        .encode(x=x, y=y)
    )
    base = alt.Chart(rounded(points.loc[:, ["sigma", "value", "low", "high", "exact"]])).encode(x=x)
    bars = base.mark_rule(color=OKABE_ITO[1], strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    dots = base.mark_point(color=OKABE_ITO[1], shape="diamond", size=34, filled=True, opacity=1).encode(
        y="value:Q", tooltip=[alt.Tooltip(f"{n}:Q", format=".4~g") for n in ("sigma", "value", "low", "high", "exact")]
    )
    return alt.layer(line, bars, dots).properties(width=width, height=180, title=heading(name))
