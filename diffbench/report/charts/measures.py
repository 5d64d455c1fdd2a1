"""Chart of any measure against each factor: the reader chooses which."""

from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.along_factor import factor_axis, floor_bars, placed
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import OKABE_ITO
from diffbench.report.charts.toolkit import (
    MEAN_TOOLTIPS,
    VALUE_TOOLTIPS,
    chosen,
    heading,
    same_axis,
    select_box,
    undefined_marks,
    value_domain,
)
from diffbench.report.tables.selectable import Selectable
from diffbench.report.tables.slices import TITLES, Slice

HEIGHT = 230
SHOWN = ["measure", "factor_value", "value", "low", "high", "n", "reason"]


def measures_by_factor(cuts: Sequence[Slice], measures: Sequence[Selectable], width: int) -> Figure | None:
    """A panel for each factor with seeds as points, of the measure that is chosen; nothing where nothing is varied."""
    if not (cuts and measures):
        return None
    offered = measures[: max(1, MAXIMUM_ROWS // _rows_of_each(cuts, measures[0]))]
    seeds, means, floors = (list(_tables(cuts, offered, which)) for which in ("cells", "settings", "floor"))
    titles = [each.measure.title for each in offered]
    ends = {each.measure.title: _ends(each, cuts) for each in offered}
    panel = max(150, min(width, round(2 * width / len(cuts)) - 50))
    by_cut = zip(cuts, seeds, means, floors, strict=True)
    chart = alt.hconcat(
        *(_panel(cut, own, mean, floor, panel) for cut, own, mean, floor in by_cut),
        params=[select_box("measure", titles, "Measure: "), alt.VariableParameter(name="ends", value=ends)],
        spacing=18,
        title="One measure against each factor, the others held",
        description="A measure that the select box chooses against each factor: seeds as points with their intervals, "
        "a line through their means, and the measure's floor where it has one.",
    )
    left_out = f" The first {len(offered)} of {len(measures)} measures." if len(offered) < len(measures) else ""
    caption = (
        "Points: seeds, with their own 95 % intervals over images. Line: mean over seeds. Grey bars: the measure's "
        "floor, where it has one. Crosses: undefined, hover for why. What each measure is stands in the leaderboard "
        f"and on the page of methods; measures of the network alone do not depend on guidance.{left_out}"
    )
    data = pd.concat([table.assign(factor=cut.factor, held=cut.held) for cut, table in zip(cuts, seeds, strict=True)])
    return Figure("measures-by-factor", caption, chart, data)


def _rows_of_each(cuts: Sequence[Slice], measure: Selectable) -> int:
    """Rows that a measure takes: of seeds, of means and of floors."""
    column = measure.column
    return max(1, sum(len(cut.rows(column.cells)) + 2 * len(cut.rows(column.settings)) for cut in cuts))


def _ends(measure: Selectable, cuts: Sequence[Slice]) -> list[float]:
    """Where the upright axis of all panels ends: shares have one of their own."""
    if measure.measure.unit:
        return [0.0, 1.0]
    columns = [measure.column.cells, *([measure.floor.settings] if measure.floor else [])]
    table = pd.concat([cut.rows(rows)[["value", "low", "high"]] for cut in cuts for rows in columns])
    known = table.to_numpy(float)[np.isfinite(table.to_numpy(float))]
    return value_domain(table, *((float(known.min()), float(known.max())) if known.size else (0.0, 1.0)))


def _tables(cuts: Sequence[Slice], measures: Sequence[Selectable], which: str) -> Iterator[pd.DataFrame]:
    """For each slice the rows of all measures, of seeds, means or floors, under the title of the measure."""
    for cut in cuts:
        parts = []
        for each in measures:
            column = each.floor if which == "floor" else each.column
            if column:
                rows = column.cells if which == "cells" else column.settings
                parts.append(cut.with_values(rows).assign(measure=each.measure.title))
        yield pd.concat(parts) if parts else pd.DataFrame(columns=[*SHOWN, "seeds"])


def _panel(cut: Slice, cells: pd.DataFrame, means: pd.DataFrame, floors: pd.DataFrame, width: int) -> Chart:
    x = factor_axis(cut)
    domain = [alt.ExprRef(f"ends[measure][{end}]") for end in (0, 1)]  # of the measure that is chosen
    scale = alt.Scale(domain=domain, nice=False)
    y = alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=6, format=".4~g"))
    seeds = alt.Chart(placed(cells, [*SHOWN, "seed"], cut)).encode(x=x)
    mean = alt.Chart(placed(means, [*SHOWN, "seeds"], cut)).encode(x=x)
    value = alt.Tooltip("factor_value:N", title=TITLES[cut.factor])
    of_seed = [value, alt.Tooltip("seed:N")]
    known = "isValid(datum.value)"
    layers = [
        *(floor_bars(placed(floors, SHOWN, cut), x) if len(floors) else []),
        seeds.mark_rule(color=OKABE_ITO[0], opacity=0.55).encode(y=same_axis(y, "low"), y2="high:Q"),
        mean.mark_line(color=OKABE_ITO[1], strokeWidth=1.6).encode(y=y),
        mean.transform_filter(known)
        .mark_point(color=OKABE_ITO[1], shape="diamond", size=44, filled=True)
        .encode(y=y, tooltip=[value, *MEAN_TOOLTIPS]),
        seeds.transform_filter(known)
        .mark_circle(size=30, color=OKABE_ITO[0], opacity=1)
        .encode(y=y, tooltip=[*of_seed, *VALUE_TOOLTIPS]),
        undefined_marks(seeds, HEIGHT, of_seed),
    ]
    # Each layer has the choice for itself: a layer's transforms reach only what shares its data.
    parts = [alt.layer(layer, transform=[chosen("measure")]) for layer in layers]
    return alt.layer(*parts, width=width, height=HEIGHT, title=heading(TITLES[cut.factor], cut.held))
