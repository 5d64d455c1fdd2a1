"""The laws of the local dimension: over noise by place, over noise by spacing, and by error scale."""

import altair as alt
import pandas as pd

from diffbench.files.store import StageFile
from diffbench.lab.dimension import AT_POINT, PLACES
from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import OKABE_ITO
from diffbench.report.charts.toolkit import (
    OWN_LEGENDS,
    heading,
    line_legend,
    log_x,
    number_lines,
    number_tooltips,
    reference_line,
    rounded,
)
from diffbench.report.tables.lab_topics import dimension_table
from diffbench.settings.lab import DimensionTopic

SHOWN = (0.02, 50.0)
"""Noise levels shown: beyond, the whole circle is a point."""
SHARES = (0.02, 5.0)
"""The same as shares of the spacing."""
HIGHEST = 3.0
"""Dimensions shown: halfway between training points FLIPD grows as (spacing / 2 sigma)^2 without bound."""


def dimension_figure(dimension: StageFile, topic: DimensionTopic, width: int) -> Figure:
    """FLIPD over sigma at two places, over sigma by spacing and number of points, and by error scale."""
    table = dimension_table(dimension)
    train = topic.points // 2
    optimum, central = table["delta"] == 0, table["train_points"] == train
    at_point = table["place"] == AT_POINT
    size = round(0.62 * width)
    places = alt.Scale(domain=PLACES, range=OKABE_ITO[:2])
    legend = line_legend("place", 2)
    by_place = (
        alt.Color("place:N", scale=places, legend=legend),
        alt.StrokeDash("place:N", scale=alt.Scale(domain=PLACES, range=[[1, 0], [6, 3]]), legend=legend),
    )
    counts = sorted(table["train_points"].unique().tolist())
    by_points = number_lines("train_points", "training points", counts, 3)
    by_delta = number_lines("delta", "error scale δ", sorted(table["delta"].unique().tolist()), 3)
    over_sigma, over_share = log_x("sigma", "noise level σ", SHOWN), log_x("share", "σ / spacing", SHARES)
    chart = alt.hconcat(
        _panel(table[optimum & central], over_sigma, SHOWN, by_place, size, f"the optimum, {train} points"),
        _panel(table[optimum & at_point], over_share, SHARES, by_points, size, "the optimum at a training point"),
        _panel(table[central & at_point], over_sigma, SHOWN, by_delta, size, "with an error, at a training point"),
        spacing=16,
        resolve=OWN_LEGENDS,
        title="Laws of the local dimension",
        description="Local dimension FLIPD of the circle against the noise level: of the optimum at a training point"
        " and halfway to the next; at a training point by number of training points, against noise as a share of their"
        " spacing; and at a training point by error scale.",
    )
    caption = (
        "FLIPD = tr ∂D/∂x + ‖x − D‖²/σ²: 1 on a circle, 0 on a point. At noise beyond the spacing the optimum sees the"
        " circle; below 0.4 spacings each training point is a point of its own, which is memorization, and between two"
        " of them nothing fits (left: it grows beyond the picture). Middle: one law for any number of points. Right: an"
        " error δ fills the plane at noise below it, so the dimension dips only in between, and not at all from δ of"
        " a quarter of the spacing. Far beyond the circle all of it is a point."
    )
    return Figure("lab-dimension", caption, chart, table)


def _panel(
    rows: pd.DataFrame,
    x: alt.X,
    shown: tuple[float, float],
    lines: tuple[alt.Color, alt.StrokeDash],
    width: int,
    title: str,
) -> Chart:
    """One line per value of a column over noise, with the circle's own dimension."""
    color, dash = lines
    field = str(x["shorthand"]).partition(":")[0]
    wanted = [field, "flipd", str(color["shorthand"]).partition(":")[0]]
    data = rounded(rows.loc[rows[field].between(*shown), wanted])
    y = alt.Y("flipd:Q", title="FLIPD", scale=alt.Scale(domain=[0, HIGHEST], nice=False), axis=alt.Axis(tickCount=4))
    tooltip = [alt.Tooltip(str(color["shorthand"])), *number_tooltips((field, "flipd"), 3)]
    line = alt.Chart(data).mark_line(strokeWidth=2, clip=True)
    line = line.encode(x=x, y=y, color=color, strokeDash=dash, tooltip=tooltip)
    circle = reference_line(pd.DataFrame({"one": [1.0]}), 1.0, "circle", width)
    return alt.layer(*circle, line, width=width, height=230, title=heading(title))
