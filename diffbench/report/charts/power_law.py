"""Chart of how time scales grow with the training set: a straight line on log-log axes is a power law."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import DASHES, OKABE_ITO
from diffbench.report.charts.toolkit import VALUE_TOOLTIPS, heading, log_x, log_y, rounded, undefined_marks
from diffbench.report.tables.format import interval, number
from diffbench.report.tables.slices import TITLES, short_name
from diffbench.report.tables.timescales import exponents_shown
from diffbench.study.study import Study

NAMES = {
    "tau_mem": "τ mem: copies exceed the floor",
    "tau_half": "τ half: half are copies",
    "tau_gen": "τ gen: best quality",
}
GROUP = ["model", "granularity", "guidance"]
HEIGHT = 260
PANELS = 12
"""That a reader looks through."""

BESIDE = 0.035
"""How far the seeds' points stand beside each other, in ln n."""


def power_law_figure(scales: pd.DataFrame, study: Study, width: int) -> Figure | None:
    """Times against training sizes, a panel for each group of runs that differ in these and the seed alone.

    scales: the table of time scales. Nothing where no group has a time at two sizes.
    """
    times = scales[scales["measure"].isin(NAMES)]
    exponents = exponents_shown(scales)
    groups = [
        (factors, group)
        for factors in times[GROUP].drop_duplicates().to_dict("records")
        if (group := _of(times, factors)).dropna(subset=["value"])["train_size"].nunique() > 1
    ]
    if not groups:
        return None
    total, groups = len(groups), groups[: max(1, MAXIMUM_ROWS // max(2 * len(group) for _, group in groups))][:PANELS]
    columns = min(2, len(groups))
    panel = round(width * (1.3 if columns == 1 else 0.92))
    steps = [step / 1.3 if step == min(study.steps) else step * 1.3 for step in (min(study.steps), max(study.steps))]
    chart = alt.concat(
        *(_panel(factors, group, _of(exponents, factors), steps, panel) for factors, group in groups),
        columns=columns,
        title="How long until samples are copies: training step against training images",
        description="Training step at which copies exceed the floor, at which half of the samples are copies, and of "
        "the best quality, against the training-set size on log-log axes, with fitted power laws.",
    )
    caption = (
        "Points: seeds, beside each other, with the intervals of their times; what reaches beyond the milestones "
        "ends at the panel's edge. Lines: power laws fitted per seed over the training sizes at which every seed has a "
        "time, mean over seeds; the exponents stand above, with 95 % intervals. Crosses: undefined, hover for why."
        + (f" The first {len(groups)} of {total} groups of runs are drawn." if len(groups) < total else "")
    )
    return Figure("time-scales", caption, chart, pd.concat([*(group for _, group in groups), exponents]))


def _of(rows: pd.DataFrame, factors: dict[Any, Any]) -> pd.DataFrame:
    return rows[np.logical_and.reduce([rows[name] == value for name, value in factors.items()])]


def _panel(
    factors: dict[Any, Any], times: pd.DataFrame, exponents: pd.DataFrame, steps: Sequence[float], width: int
) -> Chart:
    sizes = sorted(times["train_size"].unique())
    rank = times["seed"].rank(method="dense")
    beside = times["train_size"] * np.exp(BESIDE * (rank - (1 + rank.max()) / 2))
    times = times.assign(high=times["high"].clip(upper=steps[1]))  # JSON has no infinity
    data = rounded(times[["train_size", "seed", "value", "low", "high", "n", "reason"]])
    data = data.assign(scale=times["measure"].map(NAMES), place=beside)
    x = log_x("place", TITLES["train_size"], [sizes[0] / 1.25, sizes[-1] * 1.25])
    x["axis"]["values"] = [int(size) for size in sizes]
    y = log_y("value", TITLES["step"], steps)
    y["scale"]["clamp"] = True
    domain = list(NAMES.values())
    legend = alt.Legend(title=None, orient="bottom", columns=1, symbolSize=90)
    color = alt.Color("scale:N", scale=alt.Scale(domain=domain, range=OKABE_ITO[: len(domain)]), legend=legend)
    shape = alt.Shape("scale:N", scale=alt.Scale(domain=domain), legend=legend)
    dash = alt.StrokeDash("scale:N", scale=alt.Scale(domain=domain, range=DASHES[: len(domain)]), legend=legend)
    tooltips = [alt.Tooltip("scale:N"), alt.Tooltip("train_size:Q", title=TITLES["train_size"]), alt.Tooltip("seed:N")]
    base = alt.Chart(data).encode(x=x, color=color)
    layers = [
        base.mark_rule(opacity=0.55).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.transform_filter("isValid(datum.value)")
        .mark_point(size=46, filled=True, opacity=1)
        .encode(y=y, shape=shape, tooltip=[*tooltips, *VALUE_TOOLTIPS]),
        undefined_marks(base, HEIGHT, tooltips),
    ]
    lines = _lines(times, exponents)
    if len(lines):
        fits = alt.Chart(lines).mark_line(strokeWidth=1.6).encode(x=x, y=y, color=color, strokeDash=dash)
        layers.insert(0, fits)
    title = heading(short_name(factors), _said(exponents))
    return alt.layer(*layers, width=width, height=HEIGHT, title=title)


def _lines(times: pd.DataFrame, exponents: pd.DataFrame) -> pd.DataFrame:
    """The ends of each measure's fitted line: place, value, scale."""
    ends = []
    for fit in exponents.dropna(subset=["value"]).to_dict("records"):
        measure = fit["measure"].removesuffix("_exponent")
        table = times[times["measure"] == measure].pivot(index="train_size", columns="seed", values="value").dropna()
        x, y = np.log(table.index.to_numpy(float)), np.log(table.to_numpy(float)).mean()
        for place in (x.min(), x.max()):
            at = y + fit["value"] * (place - x.mean())
            ends.append({"place": np.exp(place), "value": np.exp(at), "scale": NAMES[measure]})
    return rounded(pd.DataFrame(ends))


def _said(exponents: pd.DataFrame) -> list[str]:
    """The exponents in words, a line for each."""
    said = []
    for row in exponents.to_dict("records"):
        name = NAMES[row["measure"].removesuffix("_exponent")].partition(":")[0]
        value = "undefined" if np.isnan(row["value"]) else f"{number(row['value'])} {interval(row['low'], row['high'])}"
        said.append(f"{name} exponent {value}".strip())
    return said
