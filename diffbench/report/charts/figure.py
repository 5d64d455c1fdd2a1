"""What a page shows of a chart: the chart with its caption and its table."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.fitting import fitted
from diffbench.study.layout import CHART_DATA

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart | alt.HConcatChart | alt.VConcatChart
"""One panel, or several beside or below each other."""

MAXIMUM_ROWS = 5000
"""Rows that one chart shows: more makes pages slow. Charts aggregate, or leave settings out and say which; of what is
still too much `fitting` leaves some out."""

MAXIMUM_POINTS = 2000
"""Points with intervals both ways that one chart shows, each of which is three marks."""


@dataclass(frozen=True)
class Figure:
    """A chart with its caption and the table beside it."""

    name: str  # of the element and of the CSV: letters, digits and dashes
    caption: str  # what is shown, how seeds and intervals are, what is undefined
    chart: Chart  # with title and description
    data: pd.DataFrame  # what the chart shows, at full precision

    @property
    def table(self) -> str:
        """Path of the table's CSV from the page."""
        return CHART_DATA.format(name=self.name)

    @property
    def title(self) -> str:
        """What stands above the chart."""
        given = self.chart.title
        return given if isinstance(given, str) else str(given["text"])  # pyright: ignore[reportIndexIssue] (an alt.Title)

    @property
    def is_empty(self) -> bool:
        """Whether its rows have values, and none can be drawn: pages then say why in place of an empty frame."""
        return "value" in self.data and not np.isfinite(self.data["value"].to_numpy(float)).any()

    @property
    def reasons(self) -> list[str]:
        """Why its values are undefined, the most frequent reason first."""
        told = self.data.get("reason", pd.Series(dtype=object))
        return [str(reason) for reason in told[told != ""].value_counts().index]

    def specification(self) -> dict[str, Any]:
        """The Vega-Lite specification, of at most MAXIMUM_ROWS. ValueError without title or description."""
        return self._fitted[0]

    @property
    def left_out(self) -> str:
        """What of its rows is not drawn, in words: empty where all are."""
        return self._fitted[1]

    @cached_property
    def _fitted(self) -> tuple[dict[str, Any], str]:
        with alt.data_transformers.disable_max_rows():
            specification = self.chart.to_dict()
        if not (specification.get("title") and specification.get("description")):
            raise ValueError(f"{self.name}: a chart needs a title and a description")
        datasets, left_out = fitted(specification.get("datasets", {}), MAXIMUM_ROWS)
        return specification | {"datasets": datasets}, left_out
