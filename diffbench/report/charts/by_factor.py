"""Figures of curves over the noise level, one panel per factor of the study, all with the same axes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
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

    def figure(self, cuts: Iterable[Slice], means: pd.DataFrame, width: int) -> Figure | None:
        """A panel for each slice on which `means`, of `curves_over_seeds`, has rows; nothing if none has."""
        tables = [(cut, table) for cut in cuts if len(table := cut.with_values(means))]
        if not tables:
            return None
        data = pd.concat([table.assign(factor=cut.factor) for cut, table in tables])
        chart = self._chart(tables, value_domain(data, *self.holds, self.limits), width)
        return Figure(self.name, self.caption, chart, data)

    def _chart(self, tables: Sequence[tuple[Slice, pd.DataFrame]], domain: Sequence[float], width: int) -> Chart:
        columns = 2 if len(tables) in (1, 2, 4) else 3
        y = value_axis(self.y_title, domain)
        panel = round(width * (0.92 if columns == 2 else 0.58))
        panels = [self._panel(cut, table, y, panel) for cut, table in tables]
        return alt.concat(
            *panels, columns=columns, resolve=OWN_LEGENDS, title=self.heading, description=self.description
        )

    def _panel(self, cut: Slice, table: pd.DataFrame, y: alt.Y, width: int) -> Chart:
        tooltips = [alt.Tooltip("factor_value:N", title=TITLES[cut.factor]), SIGMA_TOOLTIP]
        data = rounded(table[["sigma", "factor_value", "value", "low", "high", "n", "seeds", "reason"]])
        color, dash = factor_lines(cut.factor, cut.texts, cut.numbers)
        layers = curves(data, y, color, dash, HEIGHT, tooltips)
        one = data.head(1)[["sigma"]]
        named = [layer for at, text in self.references for layer in reference_line(one, at, text, width)]
        title = heading(f"by {TITLES[cut.factor]}", cut.held)
        return alt.layer(*named, *layers, width=width, height=HEIGHT, title=title)
