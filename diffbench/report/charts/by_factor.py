"""Figures of curves over the noise level, one panel per factor of the study, all with the same axes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.linked import CHOSEN_STEP, at_step, emphasis, lacking, offered_steps, titled
from diffbench.report.charts.toolkit import (
    OWN_LEGENDS,
    SIGMA_TOOLTIP,
    curves,
    factor_lines,
    heading,
    reference_line,
    rounded,
    value_axis,
    value_domain,
)
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import TITLES, Slice

HEIGHT = 210


@dataclass(frozen=True)
class CurvesByFactor:
    """What such a figure says, and how far its upright axis reaches at least (`holds`) and at most (`limits`)."""

    name: str
    heading: str
    description: str
    caption: str
    y_title: str
    holds: tuple[float, float]
    limits: tuple[float, float] = (-math.inf, math.inf)
    references: tuple[tuple[float, str], ...] = ()  # grey lines: where, and what they mean

    def of(
        self, results: Results, cuts: Sequence[Slice], measure: str, keys: Sequence[str], width: int
    ) -> Figure | None:
        """A panel for each slice on which a measure was taken, at the training step that the reader chooses.

        keys: what tells settings with the measure apart.
        """
        steps = offered_steps(results.study)
        fixed = [cut.over_steps.fixed | {"step": step} for cut in cuts for step in steps if cut.factor != "step"]
        rows = results.estimates.of([measure], [*fixed, *(cut.fixed for cut in cuts)])
        return self.figure(cuts, curves_over_seeds(rows, [measure], keys), width, steps)

    def figure(
        self, cuts: Iterable[Slice], means: pd.DataFrame, width: int, steps: Sequence[int] = ()
    ) -> Figure | None:
        """A panel for each slice on which `means`, of `curves_over_seeds`, has rows; nothing if none has.

        steps: training steps that the reader can choose, if any.
        """
        tables = [(cut, _at_steps(cut, means, steps)) for cut in cuts if len(cut.rows(means))]
        if not tables:
            return None
        data = pd.concat([table.assign(factor=cut.factor) for cut, table in tables])
        columns = 2 if len(tables) in (1, 2, 4) else 3
        y = value_axis(self.y_title, value_domain(data, *self.holds, self.limits))
        panel = round(width * (0.92 if columns == 2 else 0.58))
        chart = alt.concat(
            *(self._panel(cut, table, y, steps, panel) for cut, table in tables),
            columns=columns,
            params=[CHOSEN_STEP] if steps else [],
            resolve=OWN_LEGENDS,
            title=self.heading,
            description=self.description,
        )
        return Figure(self.name, self.caption, chart, data)

    def _panel(self, cut: Slice, table: pd.DataFrame, y: alt.Y, steps: Sequence[int], width: int) -> Chart:
        by = TITLES[cut.factor]
        tooltips = [alt.Tooltip("factor_value:N", title=by), SIGMA_TOOLTIP]
        fields = ["sigma", "factor_value", "value", "low", "high", "n", "seeds", "reason"]
        data = rounded(table[["step", *fields] if steps else fields])
        data["line"] = by + " " + data["factor_value"]
        color, dash = factor_lines(cut.factor, cut.texts, cut.numbers)
        one = data.head(1)[["sigma"]]
        named = [layer for at, text in self.references for layer in reference_line(one, at, text, width)]
        title = heading(f"by {by}", cut.held)
        if cut.factor == "step":
            layers = curves(data, y, color, dash, HEIGHT, tooltips, emphasis(cut.values))
        else:
            layers = curves(data, y, color, dash, HEIGHT, tooltips)
        if steps and cut.factor != "step":
            own = cut.fixed["step"]
            layers = [
                alt.layer(*layers, transform=[at_step(own)]),
                *lacking({"step": steps}, data, width, HEIGHT),
            ]
            title = heading(titled(f"by {by}", own), cut.over_steps.held)
        return alt.layer(*named, *layers, width=width, height=HEIGHT, title=title)


def _at_steps(cut: Slice, means: pd.DataFrame, steps: Sequence[int]) -> pd.DataFrame:
    """The rows of a slice, also at the steps that can be chosen, unless the step is what varies."""
    if not steps or cut.factor == "step":
        return cut.with_values(means)
    table = cut.over_steps.with_values(means)
    return table[table["step"].isin([*steps, cut.fixed["step"]])]
