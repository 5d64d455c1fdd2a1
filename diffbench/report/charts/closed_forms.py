"""Chart of which closed form explains a network, over the noise level, by training size and by training step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.linked import CHOSEN_STEP, at_step, emphasis, lacking, offered_steps, titled
from diffbench.report.charts.theme import DASHES, NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import (
    SEEDS,
    SIGMA_TOOLTIP,
    curves,
    heading,
    line_legend,
    rounded,
    value_domain,
)
from diffbench.report.tables.closed_forms import CROSSING
from diffbench.report.tables.format import interval, number
from diffbench.report.tables.outcomes import spread_over_ranks
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds, curves_over_seeds
from diffbench.report.tables.slices import TITLES, short_name, slices, value_text

FORMS = {
    "r2_wiener": "linear filter (Wiener)",
    "r2_labelled_optimum": "optimum for the label",
    "r2_optimum": "optimum without labels",
    "r2_locality": "PCA-locality",
}
CHECKPOINT = ["model", "train_size", "granularity", "step"]
FACTORS = ("train_size", "step")
WIDTHS = {1: 0.92, 2: 0.92, 3: 0.58, 4: 0.42}
"""Panels beside each other, values of a factor with the first and the last among them, and their share of the width."""
HEIGHT = 170


@dataclass(frozen=True)
class _Row:
    """Panels beside each other: checkpoints that differ in one factor, `by`, or a single one."""

    by: str
    held: str
    checkpoints: list[dict[str, Any]]
    steps: list[int]  # that the reader can choose; none where the step is what differs
    means: pd.DataFrame
    crossing: pd.DataFrame

    def over(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """What the curves of a panel have in common: all but the step, where the reader can choose it."""
        return {name: value for name, value in checkpoint.items() if not (self.steps and name == "step")}

    def curves(self, checkpoint: dict[str, Any]) -> pd.DataFrame:
        """Those of a panel."""
        return _once(_at(self.means, self.over(checkpoint)))


def closed_forms(results: Results, width: int) -> Figure | None:
    """R^2 of each closed form over sigma: a row of panels per factor, one for the centre if none varies."""
    rows = _rows(results)
    if not rows:
        return None
    data = pd.concat(row.curves(each).assign(by=row.by) for row in rows for each in row.checkpoints)
    scale = alt.Scale(domain=value_domain(data, 0.6, 1.0, (0.0, 1.0)), clamp=True, nice=False)
    y = alt.Y("value:Q", title="R²", scale=scale)
    panel = round(width * WIDTHS[max(len(row.checkpoints) for row in rows)])
    bands = [alt.hconcat(*(_panel(row, each, y, panel) for each in row.checkpoints), spacing=22) for row in rows]
    chart = alt.vconcat(
        *bands,
        params=[CHOSEN_STEP],
        spacing=26,
        title=alt.Title(
            "Which closed form explains the network?",
            subtitle=_words(rows[-1]),
            subtitleFontSize=12,
            subtitleColor=NEUTRAL,
        ),
        description="Share of the network's estimates of noised validation images that closed forms of its training "
        "images explain, against the noise level, one line for each closed form, a panel for each training-set size "
        "and training step; an upright line where the optimum for the label overtakes the linear filter.",
    )
    caption = (
        f"{SEEDS} R² = 1 − ‖reference − D‖² / ‖D − its mean over pixels‖² on noised validation images, median over "
        "images: 1 = the same, 0 = no nearer than a grey image; the axis ends at 0. Upright: from here on the optimum "
        "for the label explains it better than the linear filter, with the span of the seeds' intervals. Where all "
        "images have one label, the optimum for it is the optimum, and stands once."
    )
    return Figure("closed-forms", caption, chart, data)


def _rows(results: Results) -> list[_Row]:
    cuts = [(cut.factor, cut.fixed) for cut in slices(results.study) if cut.factor in FACTORS]
    center = results.study.center.model_dump() | {"step": results.study.steps[-1]}
    return [row for by, fixed in cuts or [("", center)] if (row := _row(results, by, fixed))]


def _row(results: Results, by: str, fixed: Mapping[str, Any]) -> _Row | None:
    """The checkpoints that differ in `by`, fewer where they have many levels; nothing if none was measured."""
    held = {name: fixed[name] for name in CHECKPOINT if name != by}
    named = short_name({name: value for name, value in held.items() if name != "step"})
    steps = [] if by == "step" else sorted({*offered_steps(results.study), held["step"]})
    measured = results.estimates.of([*FORMS, CROSSING], [held | {"step": step} for step in steps] or [held])
    means = curves_over_seeds(measured, list(FORMS), CHECKPOINT)
    if _at(means, held).empty:
        return None
    crossing = aggregate_seeds(measured[measured["measure"] == CROSSING], [*CHECKPOINT, "measure"])
    if not by:
        return _Row(by, named, [held], steps, means, crossing)
    values = sorted(_at(means, held)[by].unique().tolist())
    most = MAXIMUM_ROWS // (len(FACTORS) * len(FORMS) * means["sigma"].nunique() * max(1, len(steps)))
    chosen = [values[rank] for rank in spread_over_ranks(len(values), min(len(WIDTHS), max(1, most)))]
    return _Row(by, named, [held | {by: value} for value in chosen], steps, means, crossing)


def _at(table: pd.DataFrame, checkpoint: dict[str, Any]) -> pd.DataFrame:
    return table[(table[list(checkpoint)] == pd.Series(checkpoint)).all(axis=1)]


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """The curves of a checkpoint, that without labels only where it differs from that for the label."""
    alone, labelled = (table.loc[table["measure"] == f"r2_{name}optimum", "value"] for name in ("", "labelled_"))
    same = np.array_equal(alone, labelled, equal_nan=True)
    return table[table["measure"] != "r2_optimum"] if same else table


def _words(row: _Row) -> str:
    """Where the optimum overtakes the filter, at the last checkpoint of a row."""
    checkpoint = row.checkpoints[-1]
    found, name = _at(row.crossing, checkpoint), short_name(checkpoint)
    if found.empty or pd.isna(found["value"].iloc[0]):
        return f"{name}: {found['reason'].iloc[0] if len(found) else 'no crossing was measured'}."
    value, low, high, seeds, of = found[["value", "low", "high", "seeds", "of"]].iloc[0]
    level = f"{number(value)} {interval(low, high)}".rstrip()
    level += f" ({seeds:g} of {of:g} seeds)" if seeds < of else ""
    return f"{name}: below σ = {level} the linear filter explains it better, above it the optimum for the label."


def _panel(row: _Row, checkpoint: dict[str, Any], y: alt.Y, width: int) -> Chart:
    legend = line_legend("explained by", 4)
    names = list(FORMS.values())
    color = alt.Color("form:N", scale=alt.Scale(domain=names, range=OKABE_ITO[: len(names)]), legend=legend)
    dash = alt.StrokeDash("form:N", scale=alt.Scale(domain=names, range=DASHES[: len(names)]), legend=legend)
    table = row.curves(checkpoint)
    data = rounded(table.assign(form=table["measure"].map(FORMS)))
    data = data[["step", "sigma", "form", "value", "low", "high", "n", "seeds", "reason"]]
    data["line"] = data["form"] + (f", {TITLES[row.by]} {value_text(checkpoint[row.by])}" if row.by else "")
    tooltips = [alt.Tooltip("form:N", title="closed form"), SIGMA_TOOLTIP]
    own = checkpoint["step"]
    faded = None if row.steps else emphasis(each["step"] for each in row.checkpoints)
    layers = curves(data, y, color, dash, HEIGHT, tooltips, faded)
    place = _at(row.crossing, row.over(checkpoint))
    at = alt.Chart(rounded(place.loc[place["value"].notna(), ["step", "value", "low", "high"]]))
    span = at.mark_rect(color=NEUTRAL, opacity=0.2).encode(x="low:Q", x2="high:Q")
    rule = at.mark_rule(color=NEUTRAL, strokeDash=[4, 4]).encode(x="value:Q")
    name = f"{TITLES[row.by]} {value_text(checkpoint[row.by])}" if row.by else short_name(row.over(checkpoint))
    if not row.steps:
        return alt.layer(span, rule, *layers, width=width, height=HEIGHT, title=heading(name, row.held))
    # Each has the choice for itself: a layer's transforms reach only what shares its data.
    parts = [alt.layer(*each, transform=[at_step(own)]) for each in ([span, rule], layers)]
    title = heading(titled(name, own), row.held if row.by else "")
    return alt.layer(
        *parts, *lacking({"step": row.steps}, data, width, HEIGHT), width=width, height=HEIGHT, title=title
    )
