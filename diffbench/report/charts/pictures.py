"""Samples beside their nearest training images, as PNG data URIs, or as a scatter in the plane."""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import Images, TrainingSet, read_images
from diffbench.files.faults import BrokenFileError
from diffbench.measures.memorization import ratios_of
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.tables.outcomes import ranked, spread_over_ranks
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.slices import SETTING, short_name
from diffbench.shapes import Real
from diffbench.study.grid import Cell
from diffbench.study.layout import DATA, MEMORIZATION, SAMPLES

MAXIMUM_CELLS = 16
"""Cells pictured: enough to see the range, few enough to choose among."""

MAXIMUM_BYTES = 4_000_000
"""Of all pictures together, so that the page stays below 10 MB."""

MAXIMUM_POINTS = 300
"""Points of each kind in a scatter of the plane."""


@dataclass(frozen=True)
class Pair:
    """A sample and its nearest training image, as data URIs."""

    sample: str
    nearest: str
    ratio: float  # d1 / d2
    memorized: bool


@dataclass(frozen=True)
class Sheet:
    """The pictures of one cell: pairs of images, or a scatter for data in the plane."""

    name: str
    pairs: tuple[Pair, ...] = ()
    figure: Figure | None = None


def sheets(results: Results, means: pd.DataFrame, width: int, count: int) -> list[Sheet]:
    """Pictures of cells spread over the ranks of the leaderboard: the most memorizing first, the least last."""
    cells = list(_with_samples(results, means))
    sizes = {cell.checkpoint.run.train_size for cell in cells}
    try:
        sets = {size: _images(results, size) for size in sizes}
    except DiffbenchError:
        return []  # without the images there is nothing to picture; the tables stand on their own
    if not sets:
        return []
    pixels = math.prod(next(iter(sets.values())).shape)
    limit = max(2, min(MAXIMUM_CELLS, MAXIMUM_BYTES // (count * 2 * (pixels + 120))))
    pictured = [cells[rank] for rank in spread_over_ranks(len(cells), limit)]
    return list(_readable(results, pictured, sets, width, count))


def _images(results: Results, train_size: int) -> TrainingSet:
    """A training subset; what is wrong with the data file is remembered."""
    with results.reader.noting(DATA, {}) as path:
        try:
            return read_images(path, train_size, made_by=results.reader.lineage.fingerprint(DATA, {}))
        except KeyError as error:
            raise BrokenFileError(path, f"holds no {error}") from None


def _readable(
    results: Results, cells: Sequence[Cell], sets: Mapping[int, TrainingSet], width: int, count: int
) -> Iterator[Sheet]:
    """Sheets of the cells whose files can be read; the results remember the others."""
    for index, cell in enumerate(cells):
        try:
            yield _sheet(results, cell, sets[cell.checkpoint.run.train_size], index, width, count)
        except DiffbenchError:
            continue


def _with_samples(results: Results, means: pd.DataFrame) -> Iterator[Cell]:
    """Of each setting, in ranked order, the first seed's cell whose samples and distances are there.

    Where a setting's distances are there but its samples are not, the results remember that.
    """
    by_setting: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results.study.cells:
        by_setting.setdefault(tuple(shown_factors(cell)[name] for name in SETTING), []).append(cell)
    known = results.known_faults
    for setting in ranked(means)[SETTING].itertuples(index=False, name=None):
        measured = [each for each in by_setting[setting] if MEMORIZATION.of(each.factors) not in known]
        there = (each for each in measured if (results.folder / SAMPLES.of(each.factors)).exists())
        if cell := next(there, next(iter(measured), None)):
            yield cell


def _sheet(results: Results, cell: Cell, training_set: TrainingSet, index: int, width: int, count: int) -> Sheet:
    samples = results.read(SAMPLES, cell.factors)["samples"]
    memorization = results.read(MEMORIZATION, cell.factors)
    first, second = memorization["distance"].T
    ratio = ratios_of(first, second)
    name = f"{short_name(shown_factors(cell))} · seed {cell.checkpoint.run.seed}"
    if training_set.shape == (2,):
        return Sheet(name, figure=_scatter(samples, ratio, training_set, name, index, width))
    order = np.argsort(ratio, kind="stable")[spread_over_ranks(len(ratio), count)]
    low, high = float(training_set.train.min()), float(training_set.train.max())
    pairs = (
        Pair(
            png(samples[sample], low, high),
            png(training_set.train[memorization["nearest"][sample]], low, high),
            float(ratio[sample]),
            bool(ratio[sample] < THRESHOLD),
        )
        for sample in order
    )
    return Sheet(name, tuple(pairs))


def data_uris(images: Images) -> list[str]:
    """Images (n, c, h, w) as PNG data URIs between their least and largest value; empty for points of the plane."""
    if images.ndim != 4:
        return [""] * len(images)
    low, high = float(images.min()), float(images.max())
    return [png(image, low, high) for image in images]


def png(image: Real[np.ndarray, "c h w"], low: float, high: float) -> str:
    """An image with one or three channels as a PNG data URI; `low` is black, `high` white."""
    pixels = np.clip((image.astype(np.float64) - low) / (high - low or 1.0) * 255, 0, 255).round().astype(np.uint8)
    pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[:3], 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


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
