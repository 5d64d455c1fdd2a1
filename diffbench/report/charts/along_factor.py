"""What panels along a factor are made of: an axis with a place for each value, seeds beside each other, floors."""

import json
import textwrap
from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import rounded
from diffbench.report.tables.slices import Slice

FEW = 5
"""Values whose names have room for two lines."""
LONG = 20
"""Letters of a name that is not broken."""


def factor_axis(cut: Slice, labels: bool = True) -> alt.X:
    """The factor's values at whole numbers, of which `placed` puts seeds beside each other."""
    guides = cut.factor == "guidance"
    texts = [_in_lines(text, 2 if len(cut.texts) <= FEW else 1) for text in cut.texts]
    axis = alt.Axis(
        title=None,
        values=list(range(len(cut.texts))),
        labelExpr=f"{json.dumps(texts)}[datum.value]",
        labels=labels,
        labelAngle=-60 if guides and not cut.numbers else -35,  # guides are named at length
        labelLimit=280 if guides else 90,
        labelOverlap=False,
        grid=False,
    )
    return alt.X("place:Q", scale=alt.Scale(domain=[-0.5, len(cut.texts) - 0.5], nice=False), axis=axis)


def _in_lines(text: str, lines: int) -> list[str]:
    return [text] if len(text) <= LONG or lines == 1 else textwrap.wrap(text, len(text) // lines + 4)


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
