"""Chart of quality against memorization: which settings no other beats in both."""

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_POINTS, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import number_tooltips, rounded
from diffbench.report.tables.outcomes import ranked, wide
from diffbench.report.tables.slices import SETTING, short_name

QUALITY, MEMORIZED = "fd", "memorized_fraction"
BEST, BEATEN = "no other beats it", "another beats it"


def pareto_figure(means: pd.DataFrame, width: int) -> Figure | None:
    """A point per setting, the front joined; nothing where no setting has both values."""
    data = _points(means)
    if data.empty:
        return None
    shown = rounded(data.sort_values("best", ascending=False, kind="stable").head(MAXIMUM_POINTS)).iloc[::-1]
    base = alt.Chart(shown)
    x = alt.X("quality:Q", title="FD to held-out images (less is better)", scale=alt.Scale(zero=False))
    y = alt.Y("memorized:Q", title="memorized fraction (less is better)", scale=alt.Scale(domain=[0, 1]))
    scale = alt.Scale(domain=[BEST, BEATEN], range=[OKABE_ITO[1], OKABE_ITO[0]])
    shapes = alt.Scale(domain=[BEST, BEATEN], range=["diamond", "circle"])
    legend = alt.Legend(title=None, orient="bottom")
    color = alt.Color("front:N", scale=scale, legend=legend)
    shape = alt.Shape("front:N", scale=shapes, legend=legend)
    thin, clear = (alt.condition("kept && !kept[datum.row]", alt.value(0.12), alt.value(each)) for each in (0.25, 0.9))
    whiskers = [
        base.mark_rule().encode(y=y, x="quality_low:Q", x2="quality_high:Q", color=color, opacity=thin),
        base.mark_rule().encode(x=x, y="memorized_low:Q", y2="memorized_high:Q", color=color, opacity=thin),
    ]
    stairs = base.transform_filter("datum.best").mark_line(color=NEUTRAL, interpolate="step-after", strokeWidth=1.4)
    names = [name for name in map(str, data) if name.startswith(("quality", "memorized"))]
    tooltips = [alt.Tooltip("setting:N"), *number_tooltips(names, 3)]
    dots = base.mark_point(size=64, filled=True).encode(
        x=x, y=y, color=color, shape=shape, opacity=clear, tooltip=tooltips
    )
    chart = alt.layer(
        stairs.encode(x=x, y=y, order="quality:Q"),
        *whiskers,
        dots,
        params=[alt.VariableParameter(name="kept", value=False)],  # which rows the filters of the table keep
        width=round(1.6 * width),
        height=320,
        title="Good and original: quality against memorization",
        description="One point per setting: memorized fraction of its samples against their Frechet distance to "
        "held-out images, with the intervals of both. The settings that no other beats are joined.",
    )
    left_out = (
        f" {len(shown)} of {len(data)} settings are drawn, the front among them." if len(shown) < len(data) else ""
    )
    caption = (
        "One point per setting, mean over seeds; bars span the seeds' own 95 % intervals, of which the front takes no "
        "account. One setting beats another if it is better in one and no worse in the other. A memorized fraction "
        "means something only beyond its floor. Settings without a finite value of both are left out. "
        f"Those that the filters of the table leave out are pale; the front is that of all.{left_out}"
    )
    return Figure("pareto", caption, chart, data.drop(columns=["setting", "row"]))


def _points(means: pd.DataFrame) -> pd.DataFrame:
    """Factors, both values with their intervals, the name and row of the setting, whether it is on the front."""
    fields = {"": wide(means, "value"), "_low": wide(means, "low"), "_high": wide(means, "high")}
    columns = {
        f"{name}{suffix}": table[measure]
        for name, measure in (("quality", QUALITY), ("memorized", MEMORIZED))
        for suffix, table in fields.items()
    }
    rows = ranked(means).rename_axis("row").reset_index()
    data = pd.DataFrame(columns).reset_index().merge(rows, on=SETTING)
    data = data[np.isfinite(data["quality"]) & np.isfinite(data["memorized"])].sort_values(["quality", "memorized"])
    apart = data.drop_duplicates(["quality", "memorized"])  # settings that tie in both beat each other in none
    held = set(map(tuple, apart.loc[front(apart["memorized"].to_numpy()), ["quality", "memorized"]].to_numpy()))
    best = np.array([pair in held for pair in zip(data["quality"], data["memorized"], strict=True)])
    return data.assign(
        best=best, front=np.where(best, BEST, BEATEN), setting=[short_name(row) for _, row in data.iterrows()]
    )


def front(memorized: np.ndarray) -> np.ndarray:
    """Of settings in the order of their quality, ties by memorization: those that memorize less than all before.

    No two tie in both.
    """
    before = np.minimum.accumulate(np.concatenate([[np.inf], memorized[:-1]]))
    return memorized < before
