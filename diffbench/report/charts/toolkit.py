"""What charts are made of: axes, colours with legends, tooltips, headings, reference lines and curves with bands."""

from collections.abc import Iterable, Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import Chart
from diffbench.report.charts.theme import DASHES, NEUTRAL, OKABE_ITO, SEQUENCE, SIGMA_TICKS
from diffbench.report.tables.slices import TITLES

SEEDS = (
    "Line: mean over seeds. Band: spans the seeds' own 95 % intervals over images. Crosses: undefined, hover for why."
)

SIGMAS = (0.002, 100.0)
"""Noise levels of scaled images that charts reach over."""

GAP_TITLE = "gap (validation − train) / train"
RAW_SIGMA = "noise level σ (circle of radius 10)"

OWN_LEGENDS = alt.Resolve(scale=alt.ScaleResolveMap(color="independent", strokeDash="independent"))
"""Each panel has colours, dashes and a legend of its own. Constructors take such options faster than methods."""

VALUE_TOOLTIPS = [
    alt.Tooltip("value:Q", title="value", format=".4~g"),
    alt.Tooltip("low:Q", title="interval from", format=".4~g"),
    alt.Tooltip("high:Q", title="to", format=".4~g"),
    alt.Tooltip("n:Q", title="n behind it"),
]
REASON_TOOLTIP = alt.Tooltip("reason:N", title="undefined because")
MEAN_TOOLTIPS = [*VALUE_TOOLTIPS, alt.Tooltip("seeds:Q", title="seeds with a value"), REASON_TOOLTIP]
SIGMA_TOOLTIP = alt.Tooltip("sigma:Q", title="σ", format=".3~g")


def number_tooltips(fields: Iterable[str], digits: int) -> list[alt.Tooltip]:
    """Columns of numbers under their own names, with so many significant digits."""
    return [alt.Tooltip(f"{field}:Q", format=f".{digits}~g") for field in fields]


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Floats at five significant digits, to keep pages small; infinite ones as undefined, JSON has none."""
    result = table.copy()
    for name in result.select_dtypes("float").columns:
        values = result[name].to_numpy()
        result[name] = [float(f"{value:.5g}") if np.isfinite(value) else np.nan for value in values]
    return result


def sigma_axis() -> alt.X:
    """The noise level of scaled images on a log axis with a tick per decade."""
    return alt.X(
        "sigma:Q",
        scale=alt.Scale(type="log", nice=False, domain=list(SIGMAS)),
        axis=alt.Axis(title="noise level σ", values=SIGMA_TICKS, format="~g", grid=True),
    )


def log_x(field: str, title: str, domain: Sequence[float] | None = None) -> alt.X:
    """A logarithmic axis with plain numbers."""
    return alt.X(f"{field}:Q", scale=_log_scale(domain), axis=alt.Axis(title=title, format="~g", tickCount=6))


def log_y(field: str, title: str, domain: Sequence[float] | None = None) -> alt.Y:
    """The same upright."""
    return alt.Y(f"{field}:Q", scale=_log_scale(domain), axis=alt.Axis(title=title, format="~g", tickCount=6))


def _log_scale(domain: Sequence[float] | None) -> alt.Scale:
    return alt.Scale(type="log", nice=False, domain=list(domain)) if domain else alt.Scale(type="log", nice=False)


def same_axis(y: alt.Y, field: str) -> alt.Y:
    """The same axis for another field of the table."""
    encoding = y.copy()
    encoding["shorthand"] = f"{field}:Q"
    return encoding


def value_domain(
    table: pd.DataFrame, least: float, most: float, limits: tuple[float, float] = (-np.inf, np.inf)
) -> list[float]:
    """Range of an axis that holds all intervals of a table, `least` and `most`, but ends at `limits`."""
    ends = table[["value", "low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    low, high = (float(ends.min()), float(ends.max())) if len(ends) else (least, most)
    margin = 0.03 * (max(high, most) - min(low, least))
    return [max(limits[0], min(low - margin, least)), min(limits[1], max(high + margin, most))]


WIDE = 10.0
LINEAR = 0.1


def value_axis(title: str, domain: Sequence[float]) -> alt.Y:
    """The upright axis of `value`: beyond LINEAR logarithmic if it reaches beyond WIDE, so that small ones are seen."""
    if max(map(abs, domain)) <= WIDE:
        return alt.Y("value:Q", title=title, scale=alt.Scale(domain=list(domain), clamp=True, nice=False))
    low = domain[0] if domain[0] < -WIDE else max(domain[0], -1.0)  # the margin of a wide domain is no small step here
    powers = [sign * 10.0**power for sign in (-1, 1) for power in range(-1, 7)]
    ticks = sorted(each for each in [0.0, *powers] if low <= each <= domain[1])
    scale = alt.Scale(type="symlog", constant=LINEAR, domain=[low, domain[1]], clamp=True, nice=False)
    return alt.Y("value:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format=".3~g"))


def line_legend(title: str | None, columns: int) -> alt.Legend:
    """A legend of lines below a panel."""
    return alt.Legend(title=title, orient="bottom", columns=columns, symbolType="stroke", symbolSize=300)


def number_lines(
    field: str, title: str, values: Sequence[float | str], columns: int = 6
) -> tuple[alt.Color, alt.StrokeDash]:
    """Colours and dashes of a number's values in their order, in one legend: lines can be told apart without colour."""
    legend = line_legend(title, columns)
    color = alt.Color(f"{field}:O", scale=alt.Scale(scheme=SEQUENCE, domain=list(values)), legend=legend)
    return color, alt.StrokeDash(f"{field}:O", scale=_dashes(values), legend=legend)


def factor_lines(factor: str, texts: Sequence[str], numbers: bool) -> tuple[alt.Color, alt.StrokeDash]:
    """The same for a factor's values in the column `factor_value`: distinct hues where they are names."""
    longest = max(map(len, texts), default=0)
    columns = 5 if longest <= 12 else 2 if longest <= 28 else 1  # as many as fit below a panel
    if numbers:
        return number_lines("factor_value", TITLES[factor], texts, columns)
    legend = line_legend(TITLES[factor], columns)
    color = alt.Color("factor_value:N", scale=alt.Scale(range=OKABE_ITO, domain=list(texts)), legend=legend)
    return color, alt.StrokeDash("factor_value:N", scale=_dashes(texts), legend=legend)


def _dashes(values: Sequence[float | str]) -> alt.Scale:
    return alt.Scale(domain=list(values), range=[DASHES[index % len(DASHES)] for index in range(len(values))])


def heading(text: str | alt.ExprRef, subtitle: str | list[str] = "") -> alt.Title:
    """The title of a panel, with one or several lines below it."""
    if not subtitle:
        return alt.Title(text, fontSize=12, offset=6)
    return alt.Title(text, subtitle=subtitle, fontSize=12, subtitleFontSize=10, subtitleColor=NEUTRAL, offset=6)


def select_box(name: str, options: Sequence[str | int], label: str) -> alt.VariableParameter:
    """A box above a chart in which the reader chooses one of the values of the column `name`; the first at first."""
    return alt.VariableParameter(
        name=name, value=options[0], bind=alt.binding_select(options=list(options), name=label)
    )


def level_slider(levels: Sequence[object], start: int, order: str) -> list[alt.Parameter]:
    """A slider over noise levels: the place `level` that the reader chooses, `start` at first, and the level `now`."""
    bind = alt.binding_range(min=0, max=len(levels) - 1, step=1, name=f"noise level, {order}: ")
    return [alt.param(name="level", value=start, bind=bind), alt.param(name="now", expr=f"{list(levels)}[level]")]


def chosen(name: str) -> alt.FilterTransform:
    """The rows whose column `name` has the value that the reader chose in its select box."""
    return alt.FilterTransform(filter=f"datum.{name} == {name}")


def reference_line(data: pd.DataFrame, at: float, text: str, width: int) -> list[alt.Chart]:
    """Layers: a grey line across a panel, named at its right end."""
    rule = alt.Chart(data).mark_rule(color=NEUTRAL, strokeDash=[4, 4], strokeWidth=1).encode(y=alt.datum(at))
    label = alt.Chart(data).mark_text(align="right", baseline="bottom", color=NEUTRAL, fontSize=10, dy=-2)
    return [rule, label.encode(y=alt.datum(at), x=alt.value(width), text=alt.value(text))]


def upright(at: float, text: str, field: str) -> Chart:
    """A grey upright line at one place of the axis of `field`, named at its top."""
    data = pd.DataFrame({field: [at], "text": [text]})
    base = alt.Chart(data).encode(x=f"{field}:Q")
    rule = base.mark_rule(color=NEUTRAL, strokeDash=[4, 4])
    label = base.mark_text(align="left", baseline="top", dx=4, color=NEUTRAL, fontSize=10)
    return alt.layer(rule, label.encode(y=alt.value(2), text="text:N"))


def undefined_marks(base: alt.Chart, height: int, tooltips: Sequence[alt.Tooltip | str]) -> alt.Chart:
    """A cross on the lower edge for every undefined value."""
    return (
        base.transform_filter("!isValid(datum.value)")
        .mark_point(shape="cross", size=36, opacity=0.75, filled=True)
        .encode(y=alt.value(height - 4), tooltip=[*tooltips, REASON_TOOLTIP])
    )


def banded(
    base: alt.Chart,
    y: alt.Y,
    dash: alt.StrokeDash,
    height: int,
    tooltips: Sequence[alt.Tooltip],
    told: Sequence[alt.Tooltip] = MEAN_TOOLTIPS,
    emphasis: alt.OpacityValue | None = None,
) -> list[Chart]:
    """Layers: band, line, points and undefined marks of value, low and high over the x of `base`, a line per dash.

    tooltips: what a place is; told: what else is told of a value there; emphasis: opacity of lines, dots and crosses,
    where it tells them apart.
    """
    each = alt.Detail(dash["shorthand"])  # an area has no dash, which would part its curves
    band = base.mark_area(opacity=0.16, line=False).encode(y=same_axis(y, "low"), y2="high:Q", detail=each)
    opacity = emphasis or alt.Undefined
    line = base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash, opacity=opacity)
    dots = (
        base.transform_filter("isValid(datum.value)")
        .mark_circle(size=22, opacity=0.9)
        .encode(y=y, tooltip=[*tooltips, *told], opacity=opacity)
    )
    return [band, line, dots, undefined_marks(base.encode(opacity=opacity), height, tooltips)]


def curves(
    data: pd.DataFrame,
    y: alt.Y,
    color: alt.Color,
    dash: alt.StrokeDash,
    height: int,
    tooltips: Sequence[alt.Tooltip],
    emphasis: alt.OpacityValue | None = None,
) -> list[Chart]:
    """The same over the noise level; `data`: sigma and columns of `aggregate_seeds`."""
    base = alt.Chart(data).encode(x=sigma_axis(), color=color)
    return banded(base, y, dash, height, tooltips, emphasis=emphasis)
