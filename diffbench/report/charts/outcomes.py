"""Charts of what a cell comes to: peak gap, memorized fraction and train-likeness, against factors and each other."""

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.along_factor import factor_axis, floor_bars, placed
from diffbench.report.charts.figure import MAXIMUM_POINTS, Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO, SEQUENCE
from diffbench.report.charts.toolkit import VALUE_TOOLTIPS, number_tooltips, rounded, undefined_marks, value_domain
from diffbench.report.tables.outcomes import AT_PEAK, wide
from diffbench.report.tables.results import Results
from diffbench.report.tables.slices import SETTING, TITLES, Slice, short_name, slices, value_text

ROWS = {
    "peak_gap": ("peak gap", None),
    "memorized_fraction": ("memorized fraction", "memorized_floor"),
    AT_PEAK: ("train-likeness at peak", None),
}
"""Outcome of a row of panels -> its title and the name of its floor."""

HEIGHT = 130
SHOWN = ["factor_value", "value", "low", "high", "n", "reason"]
PAIRED = ["gap", "gap_low", "gap_high", "memorized", "memorized_low", "memorized_high", "memorized_floor"]


def outcomes_by_factor(results: Results, cells: pd.DataFrame, means: pd.DataFrame, width: int) -> Figure | None:
    """Outcomes against each factor: points per seed with their intervals, a line through the means."""
    cuts = slices(results.study)
    if not cuts:
        return None
    measures = [*ROWS, *(floor for _, floor in ROWS.values() if floor)]
    columns, tables = [], []
    panel = min(width // 2, round(2.15 * width / len(cuts)) - 62)  # all factors fit beside each other
    domains = {measure: _domain(cells, measure) for measure in ROWS}
    for index, cut in enumerate(cuts):
        points = cut.with_values(cells[cells["measure"].isin(measures)])
        lines = cut.with_values(means[means["measure"].isin(measures)])
        panels = [_panel(cut, points, lines, measure, domains[measure], panel, index == 0) for measure in ROWS]
        title = alt.Title(TITLES[cut.factor], fontSize=12, offset=8, anchor="middle")
        columns.append(alt.vconcat(*panels, spacing=14, title=title))
        tables.append(points.assign(factor=cut.factor, fixed=cut.held))
    chart = alt.hconcat(
        *columns,
        spacing=18,
        title="What made them: outcomes against each factor, the others held at the centre of the study",
        description="Rows: peak of the denoising gap, memorized fraction of the samples with its floor, and "
        "train-likeness of sampling trajectories at the peak. Columns: the factors of the study. "
        "Points are seeds with their 95 % intervals.",
    )
    held = " ".join(f"{TITLES[cut.factor].capitalize()}: {cut.held}." for cut in cuts)
    caption = (
        "Points: seeds, with their own 95 % intervals over images. Line: mean over seeds. Grey bars: floor with its "
        "interval, the same number for validation images as if generated. Grey dashes: no gap; train-likeness of "
        "unseen data (0) and of training data (1), read at the sampler's level nearest in ln σ to the peak. "
        f"Crosses: undefined, hover for why. The gap does not depend on guidance. Held: {held}"
    )
    return Figure("outcomes-by-factor", caption, chart, pd.concat(tables))


def _domain(cells: pd.DataFrame, measure: str) -> list[float]:
    """One range for all panels of a row."""
    if measure == "memorized_fraction":
        return [0.0, 1.0]
    return value_domain(cells[cells["measure"] == measure], 0.0, 1.0 if measure == AT_PEAK else 0.1)


def _panel(
    cut: Slice, points: pd.DataFrame, lines: pd.DataFrame, measure: str, domain: list[float], width: int, first: bool
) -> Chart:
    title, floor = ROWS[measure]
    x = factor_axis(cut, labels=measure == AT_PEAK)  # only below the lowest row: rows of all columns are aligned
    ticks = alt.Axis(title=title if first else None, tickCount=5)
    y = alt.Y("value:Q", scale=alt.Scale(domain=domain, nice=False), axis=ticks)
    seeds = _placed(points, measure, ["seed", "sigma"], cut)
    means = _placed(lines, measure, ["seeds"], cut)
    tooltips = [alt.Tooltip("factor_value:N", title=TITLES[cut.factor]), alt.Tooltip("seed:N")]
    if measure == AT_PEAK:
        tooltips.append(alt.Tooltip("sigma:Q", title="at σ", format=".3~g"))
    base = alt.Chart(seeds).encode(x=x)
    whiskers = base.mark_rule(color=OKABE_ITO[0], opacity=0.55).encode(y=alt.Y("low:Q"), y2="high:Q")
    known = base.transform_filter("isValid(datum.value)")
    dots = known.mark_circle(size=30, color=OKABE_ITO[0], opacity=1).encode(y=y, tooltip=[*tooltips, *VALUE_TOOLTIPS])
    line = alt.Chart(means).mark_line(color=OKABE_ITO[1], strokeWidth=1.6).encode(x=x, y=y)
    if floor:
        baselines = floor_bars(_placed(lines, floor, [], cut), x)
    else:
        baselines = _dashed_lines(means, [0.0, 1.0] if measure == AT_PEAK else [0.0])
    layers = [*baselines, whiskers, line, dots, undefined_marks(base, HEIGHT, tooltips)]
    return alt.layer(*layers, width=width, height=HEIGHT)


def _placed(table: pd.DataFrame, measure: str, more: list[str], cut: Slice) -> pd.DataFrame:
    return placed(table[table["measure"] == measure], [*SHOWN, *more], cut)


def _dashed_lines(table: pd.DataFrame, heights: list[float]) -> list[alt.Chart]:
    """Dashed grey lines across a panel."""
    base = alt.Chart(table.head(1)[["factor_value"]])
    return [base.mark_rule(color=NEUTRAL, strokeDash=[4, 3]).encode(y=alt.datum(height)) for height in heights]


def gap_against_memorized(means: pd.DataFrame, width: int) -> Figure | None:
    """Do samples follow the gap? One point per setting."""
    data = _paired(means)
    if data.empty:
        return None
    steps = [value_text(step) for step in sorted(data["step"].unique())]
    models = list(dict.fromkeys(data["model"]))
    shown = data.head(MAXIMUM_POINTS)
    base = alt.Chart(rounded(shown.assign(step=shown["step"].map(value_text))))
    x = alt.X("gap:Q", title="peak gap (training side)")
    y = alt.Y("memorized:Q", title="memorized fraction (inference side)", scale=alt.Scale(domain=[0, 1]))
    color = alt.Color("step:O", scale=alt.Scale(scheme=SEQUENCE, domain=steps), legend=alt.Legend(title=TITLES["step"]))
    named = alt.Legend(title="model", symbolFillColor=NEUTRAL, symbolStrokeColor=NEUTRAL)
    shape = alt.Shape("model:N", scale=alt.Scale(domain=models), legend=named)
    path = base.mark_line(color=NEUTRAL, opacity=0.5, strokeWidth=1).encode(x=x, y=y, detail="path:N", order="order:Q")
    across = base.mark_rule(opacity=0.22).encode(y=y, x="gap_low:Q", x2="gap_high:Q", color=color)
    up = base.mark_rule(opacity=0.22).encode(x=x, y="memorized_low:Q", y2="memorized_high:Q", color=color)
    tooltips = [alt.Tooltip("setting:N"), *number_tooltips(PAIRED, 3)]
    dots = base.mark_point(size=70, filled=True, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=tooltips)
    chart = alt.layer(
        path,
        across,
        up,
        dots,
        width=round(1.3 * width),
        height=300,
        title="Do samples follow? Memorized fraction against the peak of the denoising gap",
        description="One point per setting: memorized fraction of its samples against the peak of its denoising gap, "
        "coloured by training step, with the intervals of both. Grey lines join the steps of one run.",
    )
    left_out = f" The first {len(shown)} of {len(data)} settings are drawn." if len(shown) < len(data) else ""
    caption = (
        "One point per setting, mean over seeds; bars span the seeds' own 95 % intervals; grey lines join the training "
        "steps of one run at one guidance. Settings with an undefined or unbounded value are left out; the leaderboard "
        f"says why.{left_out}"
    )
    return Figure("gap-against-memorized", caption, chart, data.drop(columns=["path", "order"]))


def _paired(means: pd.DataFrame) -> pd.DataFrame:
    """Gap and memorized fraction of each setting where both are finite."""
    value, low, high = (wide(means, field) for field in ("value", "low", "high"))
    data = pd.DataFrame(
        {
            "gap": value["peak_gap"],
            "gap_low": low["peak_gap"],
            "gap_high": high["peak_gap"],
            "memorized": value["memorized_fraction"],
            "memorized_low": low["memorized_fraction"],
            "memorized_high": high["memorized_fraction"],
            "memorized_floor": value["memorized_floor"],
        }
    ).reset_index()
    data = data[np.isfinite(data["gap"]) & np.isfinite(data["memorized"])]
    data["setting"] = [short_name(row) for _, row in data.iterrows()]
    runs = data[[name for name in SETTING if name != "step"]]
    return data.assign(path=[short_name(run) for _, run in runs.iterrows()], order=data["step"])
