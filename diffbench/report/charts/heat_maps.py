"""Heat maps of any measure where two factors were varied together, one for each such pair."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import AREAS, NEUTRAL
from diffbench.report.charts.toolkit import REASON_TOOLTIP, chosen, heading, rounded, select_box
from diffbench.report.tables.format import interval, number
from diffbench.report.tables.products import Product
from diffbench.report.tables.selectable import Selectable, against_floor
from diffbench.report.tables.slices import TITLES

LARGEST = 500
"""Combinations that one map may have: all pairs of factors then have room."""
CELL = 40
"""Height of a cell in pixels."""
PLACES = ["first", "second", "first_place", "second_place"]
SHOWN = [*PLACES, "measure", "value", "text", "interval", "floor", "against_floor", "n", "seeds", "of", "reason"]


def heat_maps(products: Sequence[Product], measures: Sequence[Selectable], width: int) -> Figure | None:
    """A map for each product, of the measure that is chosen; nothing where no two factors were varied together."""
    drawn = [product for product in products if product.size <= LARGEST]
    known = [each for each in measures if any(product.rows(_means(each))["value"].notna().any() for product in drawn)]
    if not known:
        return None
    offered = known[: max(1, MAXIMUM_ROWS // sum(product.size for product in drawn))]
    tables = [pd.concat([_of_measure(product, each) for each in offered]) for product in drawn]
    panel = round(0.85 * width)
    chart = alt.concat(
        *(_map(product, table, panel) for product, table in zip(drawn, tables, strict=True)),
        columns=2,
        params=[select_box("measure", [each.measure.title for each in offered], "Measure: ")],
        title="Two factors together: a measure where both were varied, the others held",
        description="Heat maps of a measure that the select box chooses, one for each pair of factors of which every "
        "combination was run: the mean over seeds as colour and as number; crosses where it is undefined.",
    )
    data = pd.concat(
        [
            table.drop(columns=["first_place", "second_place", "text", "interval"]).assign(
                first_factor=product.factors[0], second_factor=product.factors[1], held=product.held
            )
            for product, table in zip(drawn, tables, strict=True)
        ]
    )
    return Figure("heat-maps", _caption(len(products) - len(drawn), len(offered), len(known)), chart, data)


def without_maps(products: Sequence[Product]) -> str:
    """Why there are none."""
    if not products:
        return "No two factors were varied together: a sweep of several factors means their product."
    if all(product.size > LARGEST for product in products):
        return f"Factors were varied together, but in more than {LARGEST} combinations, too many to draw."
    return "Factors were varied together, but no measure offered here has a finite value there."


def _caption(too_large: int, offered: int, measures: int) -> str:
    words = (
        "Colour and number: mean over seeds. The tooltip has the span of the seeds' own 95 % intervals, the floor, and "
        "whether the interval lies beyond that of the floor. Crosses in dashed cells: undefined, hover for why. Of "
        "products that are part of larger ones the largest is drawn; of equals that nearest to the centre."
    )
    words += f" {too_large} products of more than {LARGEST} combinations are not drawn." if too_large else ""
    return words + (f" The first {offered} of {measures} measures." if offered < measures else "")


def _means(measure: Selectable) -> pd.DataFrame:
    """Of each setting; unbounded values, which have no colour, as undefined."""
    rows = measure.column.settings
    return rows.assign(value=rows["value"].where(np.isfinite(rows["value"].astype(float))))


def _of_measure(product: Product, measure: Selectable) -> pd.DataFrame:
    """A row of SHOWN for each combination: also those without a value."""
    rows = product.rows(_means(measure))
    floors = product.rows(measure.floor.settings) if measure.floor else None
    places = {
        f"{name}_place": rows[name].map(product.texts(which).index) for which, name in enumerate(("first", "second"))
    }
    return rows.assign(
        **places,
        measure=measure.measure.title,
        text=rows["value"].map(number),
        interval=[interval(low, high) for low, high in zip(rows["low"], rows["high"], strict=True)],
        floor="none" if floors is None else floors["value"].map(number),
        against_floor=against_floor(rows, floors),
    )[SHOWN]


def _map(product: Product, table: pd.DataFrame, width: int) -> Chart:
    across, up = (TITLES[factor] for factor in product.factors)
    x = alt.X(
        "first:O",
        sort=alt.EncodingSortField("first_place", op="min"),
        axis=alt.Axis(title=across, labelAngle=-35 if max(map(len, product.texts(0))) > 6 else 0, labelLimit=160),
    )
    y = alt.Y(
        "second:O",
        sort=alt.EncodingSortField("second_place", op="min", order="descending"),
        axis=alt.Axis(title=up, labelLimit=160, grid=False),
    )
    tooltips = [
        alt.Tooltip("first:N", title=across),
        alt.Tooltip("second:N", title=up),
        alt.Tooltip("measure:N"),
        alt.Tooltip("text:N", title="mean over seeds"),
        alt.Tooltip("interval:N"),
        alt.Tooltip("floor:N"),
        alt.Tooltip("against_floor:N", title="against the floor"),
        alt.Tooltip("n:Q", title="n behind it"),
        alt.Tooltip("seeds:Q", title="seeds with a value"),
        alt.Tooltip("of:Q", title="of so many"),
    ]
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(scheme=AREAS, zero=False),
        legend=alt.Legend(title="mean over seeds", format=".4~g", gradientLength=160),
    )
    base = alt.Chart(rounded(table)).encode(x=x, y=y)
    known, unknown = base.transform_filter("isValid(datum.value)"), base.transform_filter("!isValid(datum.value)")
    ink = alt.condition("luminance(scale('color', datum.value)) > 0.3", alt.value("#000000"), alt.value("#ffffff"))
    undefined = [*tooltips, REASON_TOOLTIP]
    layers = [
        known.mark_rect().encode(color=color, tooltip=tooltips),
        known.mark_text(fontSize=11).encode(text="text:N", color=ink, tooltip=tooltips),
        unknown.mark_rect(color=NEUTRAL, opacity=0.18, stroke=NEUTRAL, strokeDash=[3, 3]).encode(tooltip=undefined),
        unknown.mark_point(shape="cross", size=60, filled=True, color=NEUTRAL).encode(tooltip=undefined),
    ]
    # Each layer has the choice for itself: a layer's transforms reach only what shares its data.
    parts = [alt.layer(layer, transform=[chosen("measure")]) for layer in layers]
    height = max(80, CELL * len(product.values[1]))
    return alt.layer(*parts, width=width, height=height, title=heading(f"{across} and {up}", product.held))
