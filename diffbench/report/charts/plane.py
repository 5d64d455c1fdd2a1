"""Generated points of the plane among training and unseen ones, as scatters."""

from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet, read_images
from diffbench.measures.memorization import ratios_of
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.slices import short_name
from diffbench.shapes import Real
from diffbench.study.grid import Cell
from diffbench.study.layout import DATA, MEMORIZATION, SAMPLES

MAXIMUM_POINTS = 300
"""Points of each kind in a scatter of the plane."""


def scatters(results: Results, cells: Sequence[Cell], width: int) -> Iterator[tuple[Cell, Figure]]:
    """Cells whose files can be read, each with its scatter; the results remember the others."""
    for index, cell in enumerate(cells):
        try:
            samples = results.read(SAMPLES, cell.factors)["samples"]
            first, second = results.read(MEMORIZATION, cell.factors)["distance"].T
            with results.reader.noting(DATA, {}) as path:
                made_by = results.reader.lineage.fingerprint(DATA, {})
                training_set = read_images(path, cell.checkpoint.run.train_size, made_by=made_by)
        except DiffbenchError:
            continue
        name = f"{short_name(shown_factors(cell))} · seed {cell.checkpoint.run.seed}"
        yield cell, _scatter(samples, ratios_of(first, second), training_set, name, index, width)


def _scatter(
    samples: Real[np.ndarray, "n 2"],
    ratio: Real[np.ndarray, " n"],
    training_set: TrainingSet,
    name: str,
    index: int,
    width: int,
) -> Figure:
    """Training, validation and generated points of the plane, in scaled units."""
    kinds = {"training": training_set.train, "unseen": training_set.validation, "generated": samples}
    tables = []
    for kind, points in kinds.items():
        part = pd.DataFrame(points[:MAXIMUM_POINTS], columns=["x", "y"]).assign(kind=kind)
        part["ratio"] = ratio[: len(part)] if kind == "generated" else np.nan
        tables.append(part)
    data = pd.concat(tables, ignore_index=True).astype({"x": float, "y": float})
    shown = data.round(4)
    reach = float(np.abs(data[["x", "y"]].to_numpy()).max()) * 1.05
    axis = {"scale": alt.Scale(domain=[-reach, reach]), "axis": alt.Axis(title=None, tickCount=5)}
    names = list(kinds)
    colors = alt.Scale(domain=names, range=[OKABE_ITO[0], NEUTRAL, OKABE_ITO[1]])
    shapes = alt.Scale(domain=names, range=["circle", "square", "cross"])
    chart = (
        alt.Chart(shown)
        .mark_point(size=34, filled=True, opacity=0.75)
        .encode(
            x=alt.X("x:Q", **axis),
            y=alt.Y("y:Q", **axis),
            color=alt.Color("kind:N", scale=colors, legend=alt.Legend(title=None)),
            shape=alt.Shape("kind:N", scale=shapes, legend=alt.Legend(title=None)),
            tooltip=["kind:N", alt.Tooltip("ratio:Q", title="d1/d2", format=".3~g")],
        )
        .properties(
            width=round(0.8 * width),
            height=round(0.8 * width),
            title="Generated points among training and unseen points",
            description=f"Scatter of generated, training and unseen points in the plane, of {name}.",
        )
    )
    caption = (
        f"At most {MAXIMUM_POINTS} points of each kind, scaled to the standard deviation of the training pool = 0.5."
    )
    return Figure(f"points-{index + 1}", caption, chart, data)
