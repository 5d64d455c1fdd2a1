"""Layers that charts share: curves over the noise level with bands, points of seeds, marks of undefined values."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.slices import TITLES, Slice, value_text
from diffbench.report.theme import DASHES, NEUTRAL, OKABE_ITO, SEQUENCE, sigma_axis

SEEDS = (
    "Line: mean over seeds. Band: spans the seeds' own 95 % intervals over images. Crosses: undefined, hover for why."
)

TOOLTIPS = [
    alt.Tooltip("value:Q", title="value", format=".4~g"),
    alt.Tooltip("low:Q", title="interval from", format=".4~g"),
    alt.Tooltip("high:Q", title="to", format=".4~g"),
    alt.Tooltip("n:Q", title="n behind it"),
    alt.Tooltip("seeds:Q", title="seeds with a value"),
    alt.Tooltip("reason:N", title="undefined because"),
]


OWN_LEGENDS = alt.Resolve(scale=alt.ScaleResolveMap(color="independent", strokeDash="independent"))
"""Each panel has colours, dashes and a legend of its own. Constructors take such options faster than methods."""


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Floats at five significant digits, to keep pages small; infinite ones as undefined, JSON has none."""
    result = table.copy()
    for name in result.select_dtypes("float").columns:
        values = result[name].to_numpy()
        result[name] = [float(f"{value:.5g}") if np.isfinite(value) else np.nan for value in values]
    return result


def level_color(factor: str, levels: Sequence[str], numbers: bool) -> alt.Color:
    """Colour of a factor's levels: a sequence for numbers, distinct hues for names."""
    if numbers:
        scale = alt.Scale(scheme=SEQUENCE, domain=list(levels))
        return alt.Color("level:O", scale=scale, legend=_legend(factor, levels))
    scale = alt.Scale(range=OKABE_ITO, domain=list(levels))
    return alt.Color("level:N", scale=scale, legend=_legend(factor, levels))


def level_dash(factor: str, levels: Sequence[str], numbers: bool) -> alt.StrokeDash:
    """Dashes of the levels, so that they can be told apart without colour; in one legend with the colours."""
    scale = alt.Scale(range=DASHES, domain=list(levels))
    return alt.StrokeDash(f"level:{'O' if numbers else 'N'}", scale=scale, legend=_legend(factor, levels))


def _legend(factor: str, levels: Sequence[str]) -> alt.Legend:
    longest = max(map(len, levels), default=0)
    columns = 5 if longest <= 12 else 2 if longest <= 28 else 1  # as many as fit below a panel
    return alt.Legend(title=TITLES[factor], orient="bottom", columns=columns, symbolType="stroke", symbolSize=300)


def curves(
    data: pd.DataFrame, y: alt.Y, color: alt.Color, dash: alt.StrokeDash, height: int, tooltips: Sequence[alt.Tooltip]
) -> list[Any]:
    """Layers: band, mean, undefined marks over the noise level; `data`: sigma and columns of `aggregate_seeds`."""
    base = alt.Chart(data).encode(x=sigma_axis(), color=color)
    each = alt.Detail(dash["shorthand"])  # an area has no dash, which would part its curves
    band = base.mark_area(opacity=0.16, line=False).encode(y=_y(y, "low"), y2="high:Q", detail=each)
    line = base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash)
    dots = (
        base.transform_filter("isValid(datum.value)")
        .mark_circle(size=22, opacity=0.9)
        .encode(y=y, tooltip=[*tooltips, *TOOLTIPS])
    )
    return [band, line, dots, undefined_marks(base, height, tooltips)]


def _y(y: alt.Y, field: str) -> alt.Y:
    """The same axis for another field of the table."""
    encoding = y.copy()
    encoding["shorthand"] = f"{field}:Q"
    return encoding


def undefined_marks(base: alt.Chart, height: int, tooltips: Sequence[alt.Tooltip]) -> alt.Chart:
    """A cross on the lower edge for every undefined value."""
    return (
        base.transform_filter("!isValid(datum.value)")
        .mark_point(shape="cross", size=36, opacity=0.75, filled=True)
        .encode(y=alt.value(height - 4), tooltip=[*tooltips, alt.Tooltip("reason:N", title="undefined because")])
    )


def reference_line(data: pd.DataFrame, at: float, text: str, width: int) -> list[Any]:
    """Layers: a grey line across a panel, named at its right end."""
    rule = alt.Chart(data).mark_rule(color=NEUTRAL, strokeDash=[4, 4], strokeWidth=1).encode(y=alt.datum(at))
    label = alt.Chart(data).mark_text(align="right", baseline="bottom", color=NEUTRAL, fontSize=10, dy=-2)
    return [rule, label.encode(y=alt.datum(at), x=alt.value(width), text=alt.value(text))]


def value_domain(
    table: pd.DataFrame, least: float, most: float, limits: tuple[float, float] = (-np.inf, np.inf)
) -> list[float]:
    """Range of an axis that holds all intervals of a table, `least` and `most`, but ends at `limits`."""
    ends = table[["value", "low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    low, high = (float(ends.min()), float(ends.max())) if len(ends) else (least, most)
    margin = 0.03 * (max(high, most) - min(low, least))
    return [max(limits[0], min(low - margin, least)), min(limits[1], max(high + margin, most))]


def on_slice(slice_: Slice, means: pd.DataFrame) -> pd.DataFrame:
    """The rows of a slice, with the factor's value as text in the column `level`."""
    rows = slice_.rows(means)
    return rows.assign(level=rows[slice_.factor].map(value_text))


def levels_of(slice_: Slice) -> list[str]:
    """The factor's values as text, in order."""
    return [value_text(value) for value in slice_.values]


def panels_by_factor(
    tables: Sequence[tuple[Slice, pd.DataFrame]],
    y_title: str,
    domain: Sequence[float],
    width: int,
    references: Sequence[tuple[float, str]],
    heading: str,
    description: str,
) -> Any:
    """One panel of curves per factor with its rows, all with the same axes."""
    columns = 2 if len(tables) in (1, 2, 4) else 3
    panel, height = round(width * (0.92 if columns == 2 else 0.58)), 210
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(domain=list(domain), clamp=True, nice=False))
    panels = []
    for cut, table in tables:
        tooltips = [alt.Tooltip("level:N", title=TITLES[cut.factor]), alt.Tooltip("sigma:Q", title="σ", format=".3~g")]
        levels = levels_of(cut)
        data = rounded(table[["sigma", "level", "value", "low", "high", "n", "seeds", "reason"]])
        color, dash = level_color(cut.factor, levels, cut.numbers), level_dash(cut.factor, levels, cut.numbers)
        layers = curves(data, y, color, dash, height, tooltips)
        one = data.head(1)[["sigma"]]
        named = [layer for at, text in references for layer in reference_line(one, at, text, panel)]
        title = alt.Title(
            f"by {TITLES[cut.factor]}",
            subtitle=cut.held,
            fontSize=12,
            subtitleFontSize=10,
            subtitleColor=NEUTRAL,
            offset=6,
        )
        panels.append(alt.layer(*named, *layers, width=panel, height=height, title=title))
    return alt.concat(*panels, columns=columns, resolve=OWN_LEGENDS, title=heading, description=description)
