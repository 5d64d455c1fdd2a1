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
from diffbench.data.pictured import spread_over_ranks
from diffbench.data.raw_images import are_latents
from diffbench.data.training_set import Images, TrainingSet, read_images
from diffbench.files.estimates import DECODED
from diffbench.files.faults import BrokenFileError
from diffbench.measures.memorization import ratios_of
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.tables.outcomes import ranked
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.slices import SETTING, short_name
from diffbench.settings.data import LATENTS, DataSettings
from diffbench.shapes import Real, UInt8
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.study.layout import MEMORIZATION, SAMPLES, Kind

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
    told: str = ""
    """What is to be said of its pictures."""


def sheets(results: Results, means: pd.DataFrame, width: int, count: int) -> list[Sheet]:
    """Pictures of cells spread over the ranks of the leaderboard: the most memorizing first, the least last."""
    kind = layout.DECODED if results.study.decoded_kinds else SAMPLES
    cells = list(first_with(results, means, kind, MEMORIZATION))
    sizes = {cell.checkpoint.run.train_size for cell in cells}
    try:
        sets = {size: images_of(results, size) for size in sizes}
    except DiffbenchError:
        return []  # without the images there is nothing to picture; the tables stand on their own
    if not sets:
        return []
    pixels = math.prod(next(iter(sets.values())).shape)
    limit = max(2, min(MAXIMUM_CELLS, MAXIMUM_BYTES // (count * 2 * (pixels + 120))))
    pictured = [cells[rank] for rank in spread_over_ranks(len(cells), limit)]
    return list(_readable(results, pictured, sets, width, count))


def images_of(results: Results, train_size: int) -> TrainingSet:
    """A training subset, as it is looked at. DiffbenchError, which is remembered, if the data file cannot be read."""
    kind = results.study.pictured
    with results.reader.noting(kind, {}) as path:
        try:
            made_by = results.reader.lineage.fingerprint(kind, {})
            return read_images(path, train_size, made_by=made_by, stage=kind.stage)
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


def first_with(results: Results, means: pd.DataFrame, kind: Kind, measured: Kind) -> Iterator[Cell]:
    """Of each setting, in ranked order, the first seed's cell that has a file of `kind` beside one of `measured`.

    Where a setting has the latter alone, its first such cell; the results remember the file that it lacks when it is
    read.
    """
    by_setting: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results.study.cells:
        by_setting.setdefault(tuple(shown_factors(cell)[name] for name in SETTING), []).append(cell)
    known = results.known_faults
    for setting in ranked(means)[SETTING].itertuples(index=False, name=None):
        found = [each for each in by_setting[setting] if measured.of(each.factors) not in known]
        there = (each for each in found if (results.folder / kind.of(each.factors)).exists())
        if cell := next(there, next(iter(found), None)):
            yield cell


def name_of(cell: Cell) -> str:
    """What a cell is called among those that a reader chooses from."""
    return f"{short_name(shown_factors(cell))} · seed {cell.checkpoint.run.seed}"


def _sheet(results: Results, cell: Cell, training_set: TrainingSet, index: int, width: int, count: int) -> Sheet:
    decoded = bool(results.study.decoded_kinds)
    kind, end = (layout.DECODED, DECODED) if decoded else (SAMPLES, "")
    samples = results.read(kind, cell.factors)["samples"]
    memorization = results.read(MEMORIZATION, cell.factors)
    first, second = memorization[f"distance{end}"].T
    ratio = ratios_of(first, second)
    name = name_of(cell)
    if training_set.shape == (2,):
        return Sheet(name, figure=_scatter(samples, ratio, training_set, name, index, width))
    order = np.argsort(ratio, kind="stable")[spread_over_ranks(len(ratio), count)]
    low, high = float(training_set.train.min()), float(training_set.train.max())
    pairs = (
        Pair(
            png(samples[sample], low, high),
            png(training_set.train[memorization[f"nearest{end}"][sample]], low, high),
            float(ratio[sample]),
            bool(ratio[sample] < THRESHOLD),
        )
        for sample in order
    )
    told = told_of(results.study.data, training_set.shape) + ("d1/d2 is of pictures. " if decoded else "")
    return Sheet(name, tuple(pairs), told=told)


def data_uris(images: Images) -> list[str]:
    """Images (n, c, h, w) as PNG data URIs between their least and largest value; empty for points of the plane."""
    if images.ndim != 4:
        return [""] * len(images)
    low, high = float(images.min()), float(images.max())
    return [png(image, low, high) for image in images]


def told_of(data: DataSettings, shape: tuple[int, ...]) -> str:
    """What is to be said of pictures of a study's images, of this shape: nothing, where they are plain pictures."""
    if data.decoding:
        return "Pictures are what latents are decoded to. "
    return told_of_latents(shape, data.name == LATENTS)


def told_of_latents(shape: tuple[int, ...], named: bool = False) -> str:
    """The same of latents without a decoder; named: whether they were said to be some."""
    by_channel = are_latents(shape)
    text = "Latents, without a decoder" if named or by_channel else ""
    return text + (f": their {shape[0]} channels side by side, on one scale of grey. " if by_channel else ". " * named)


def png(image: Real[np.ndarray, "c h w"], low: float, high: float) -> str:
    """An image as a PNG data URI; `low` is black, `high` white. Channels other than 1 or 3 are maps side by side."""
    pixels = np.clip((image.astype(np.float64) - low) / (high - low or 1.0) * 255, 0, 255).round().astype(np.uint8)
    match len(pixels):
        case 1:
            pixels = pixels[0]
        case 3:
            pixels = np.moveaxis(pixels, 0, -1)
        case _:
            pixels = _maps(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _maps(channels: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "height width"]:
    """The channels in rows, about as many below each other as beside, with white lines between."""
    count, height, width = channels.shape
    rows = math.isqrt(count)
    columns = math.ceil(count / rows)
    maps = np.full((rows * columns, height + 1, width + 1), 255, np.uint8)
    maps[:count, :-1, :-1] = channels
    grid = maps.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


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
