"""What panels along a factor are made of: an axis with a place for each value, seeds beside each other, floors."""

import json
from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import rounded
from diffbench.report.tables.slices import Slice


def factor_axis(cut: Slice, labels: bool = True) -> alt.X:
    """The factor's values at whole numbers, of which `placed` puts seeds beside each other."""
    guides = cut.factor == "guidance"
    axis = alt.Axis(
        title=None,
        values=list(range(len(cut.texts))),
        labelExpr=f"{json.dumps(cut.texts)}[datum.value]",
        labels=labels,
        labelAngle=-60 if guides and not cut.numbers else -35,  # guides are named at length
        labelLimit=280 if guides else 90,
        labelOverlap=False,
        grid=False,
    )
    return alt.X("place:Q", scale=alt.Scale(domain=[-0.5, len(cut.texts) - 0.5], nice=False), axis=axis)


def placed(rows: pd.DataFrame, columns: Sequence[str], cut: Slice) -> pd.DataFrame:
    """Some columns of rows that have a `factor_value`, and their `place` on the axis."""
    shown = rounded(rows[list(columns)])
    place = shown["factor_value"].map(cut.texts.index).astype(float)
    if "seed" in shown:
        rank = shown["seed"].rank(method="dense")
        place += (rank - (1 + rank.max()) / 2) * min(0.16, 0.6 / max(rank.max(), 1.0))
    return shown.assign(place=place)


def floor_bars(floors: pd.DataFrame, x: alt.X) -> list[alt.Chart]:
    """A grey bar over the interval of the floor at each place, with a line at its value."""
    base = alt.Chart(floors.assign(left=floors["place"] - 0.42, place=floors["place"] + 0.42))
    bar = base.mark_rect(color=NEUTRAL, opacity=0.22).encode(x=x, x2="left:Q", y="low:Q", y2="high:Q")
    return [bar, base.mark_rule(color=NEUTRAL, strokeWidth=2).encode(x=x, x2="left:Q", y="value:Q")]
