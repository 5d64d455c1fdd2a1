"""Chart of the controls: proportions against the ranges in which they must lie."""

import math

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import heading, number_tooltips, rounded
from diffbench.report.tables.controls import WHERE
from diffbench.summary.controls import MET, UNDEFINED, UNMET

COLOURS = {MET: OKABE_ITO[0], UNMET: OKABE_ITO[1], UNDEFINED: NEUTRAL}
SHAPES = {MET: "circle", UNMET: "cross", UNDEFINED: "diamond"}
RANGE = ["value", "low", "high", "expected_low", "expected_high"]
DRAWN = ["model", *WHERE, "measure", "value", "low", "high", "n", "expected_low", "expected_high", "why", "verdict"]


def expected_figure(judged: pd.DataFrame, width: int) -> Figure | None:
    """Proportions against their ranges: a panel per measure; nothing if none is expected."""
    finite = judged[["value", "expected_low", "expected_high"]].map(math.isfinite).all(axis=1)
    bounded = (judged["expected_low"] >= 0) & (judged["expected_high"] <= 1) & (judged["sigmas"] == "")
    drawn = judged[finite & bounded]
    drawn = drawn[drawn.groupby("measure")["model"].transform("size") > 1]
    if drawn.empty:
        return None
    measures = list(dict.fromkeys(drawn["measure"]))
    data = rounded(drawn[DRAWN])
    chart = alt.concat(
        *(_panel(data[data["measure"] == measure], measure, round(0.46 * width)) for measure in measures),
        columns=3,
        title="Proportions of the controls against the ranges in which they must lie",
        description="One panel per measure, one line per control: the value with its 95 % interval as a point, "
        "the range that is expected as a thick bar behind it.",
    )
    caption = (
        "Point: value, circle where it lies in its range, cross where not; thin bar: its 95 % interval. Thick green "
        "bar: the range that is expected. The table holds all measures, also those not drawn."
    )
    return Figure("controls", caption, chart, judged)


def _panel(data: pd.DataFrame, measure: str, width: int) -> Chart:
    base = alt.Chart(data).encode(y=alt.Y("model:N", title=None, sort=None))
    x = alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1]))
    tooltips = [
        *(alt.Tooltip(f"{name}:N") for name in ("model", *WHERE)),
        *number_tooltips(RANGE, 4),
        *(alt.Tooltip(f"{name}:N") for name in ("why", "verdict")),
    ]
    colours = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    shapes = alt.Scale(domain=list(SHAPES), range=list(SHAPES.values()))
    color = alt.Color("verdict:N", scale=colours, legend=None)
    layers = [
        base.mark_rule(color=OKABE_ITO[2], strokeWidth=11, strokeCap="round", opacity=0.4).encode(
            x=alt.X("expected_low:Q"), x2="expected_high:Q"
        ),
        base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q"), x2="high:Q", color=color),
        base.mark_point(size=42, filled=True, opacity=1).encode(
            x=x, color=color, shape=alt.Shape("verdict:N", scale=shapes, legend=None), tooltip=tooltips
        ),
    ]
    height = 18 * data["model"].nunique() + 10
    return alt.layer(*layers, width=width, height=height, title=heading(measure.replace("_", " ")))
