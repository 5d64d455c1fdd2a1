"""A few sampling trajectories of some cells, from noise to sample, beside the noised images nearest to their states."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.pictured import KINDS, kept, spread_over_ranks
from diffbench.data.training_set import read_images
from diffbench.files.estimates import Estimate, curve
from diffbench.files.store import StageFile
from diffbench.measures.intervals import proportion
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.measures.overlap import BALL
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.paths import paths_figure
from diffbench.report.charts.pictures import png, told_of_latents
from diffbench.report.tables.choice import texts
from diffbench.report.tables.format import level, number
from diffbench.report.tables.galleries import cells_with
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import short_name
from diffbench.settings.data import LATENTS
from diffbench.study.grid import Cell
from diffbench.study.layout import DATA, OVERLAP

MAXIMUM_CELLS = 16
"""Cells pictured: enough to see the range, few enough to choose among."""

MAXIMUM_BYTES = 5_000_000
"""Of all cells together, so that the page stays below 8 MB."""

OUTSIDE = 1 - BALL
"""A state of which fewer noised training images lie as far out is outside the ball that holds 95 % of them."""


@dataclass(frozen=True)
class Step:
    """A state of a trajectory at one noise level."""

    sigma: str
    pictures: dict[str, str]  # data URIs by kind
    train: int  # rows of the nearest images
    validation: int
    radius: str
    radius_validation: str
    beyond_train: Shown
    beyond_validation: Shown
    ratio: str
    likeness: Shown  # of all of the cell's trajectories
    outside: bool  # of the ball that holds 95 % of noised training images


@dataclass(frozen=True)
class Journey:
    """A trajectory from noise to sample."""

    sample: int
    ratio: str
    memorized: bool
    words: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Sheet:
    """The trajectories of one cell; of points in the plane a chart of their paths."""

    name: str
    factors: dict[str, str]
    journeys: tuple[Journey, ...] = ()
    figure: Figure | None = None


@dataclass(frozen=True)
class Sheets:
    """What can be pictured, and in words what cannot."""

    sheets: tuple[Sheet, ...]
    told: str
    """What is to be said of the pictures."""
    earlier: int
    """Cells among those chosen whose file was made before trajectories were kept."""
    why: str
    """Why nothing is pictured."""


def journeys(results: Results, means: pd.DataFrame, width: int) -> Sheets:
    """Trajectories of cells spread over the ranks of the leaderboard, as many as the page may hold."""
    denoise = results.study.denoises
    found = (cells[0] for cells in cells_with(results, means, OVERLAP, OVERLAP))
    cells = [cell for cell in found if denoise(cell.checkpoint.run.model)]
    files = list(_readable(results, [cells[rank] for rank in spread_over_ranks(len(cells), MAXIMUM_CELLS)]))
    pictured = [(cell, file) for cell, file in files if "pictures" in file.arrays]
    why = "" if pictured else _why_none(results, bool(files))
    if not pictured:
        return Sheets((), "", len(files), why)
    shape = pictured[0][1]["pictures"].shape
    limit = max(2, min(MAXIMUM_CELLS, MAXIMUM_BYTES // _bytes(shape)))
    shown = [pictured[rank] for rank in spread_over_ranks(len(pictured), limit)]
    sheets = tuple(_sheets(results, shown, width))
    return Sheets(sheets, _told(results, shape[3:]), len(files) - len(pictured), why)


def _readable(results: Results, cells: list[Cell]) -> Iterator[tuple[Cell, StageFile]]:
    """Cells whose overlap can be read; the results remember the others."""
    for cell in cells:
        try:
            yield cell, results.read(OVERLAP, cell.factors)
        except DiffbenchError:
            continue


def _sheets(results: Results, shown: list[tuple[Cell, StageFile]], width: int) -> Iterator[Sheet]:
    """Of cells with kept trajectories; points in the plane need the images, too, and the results remember a fault."""
    for index, (cell, file) in enumerate(shown):
        factors = shown_factors(cell)
        name, told = f"{short_name(factors)} · seed {factors['seed']}", texts(factors)
        if file["pictures"].ndim != 4:
            yield Sheet(name, told, tuple(_journeys(file)))
            continue
        try:
            with results.reader.noting(DATA, {}) as path:
                made_by = results.reader.lineage.fingerprint(DATA, {})
                images = read_images(path, cell.checkpoint.run.train_size, made_by=made_by)
        except DiffbenchError:
            continue
        yield Sheet(name, told, figure=paths_figure(file, images, name, index, width))


def _journeys(file: StageFile) -> Iterator[Journey]:
    for place, sample in enumerate(file["pictured"].tolist()):
        steps = tuple(_steps(file, place))
        ratio = float(file["pictured_ratio"][-1, place])
        yield Journey(sample, number(ratio), ratio < THRESHOLD, _words(steps, ratio), steps)


def _steps(file: StageFile, place: int) -> Iterator[Step]:
    sigmas = file["pictured_sigma"].tolist()
    populations = {split: curve(file, f"shell_radius_{split}", sigmas) for split in ("train", "validation")}
    likeness = curve(file, "train_likeness", sigmas)
    for at, sigma in enumerate(sigmas):

        def at_state(name: str, at: int = at) -> float:
            return file[name][at, place].item()

        beyond = {
            split: _share(at_state(f"pictured_beyond_{split}"), populations[split][at].n) for split in populations
        }
        yield Step(
            level(sigma),
            dict(zip(KINDS, (png(picture, 0, 255) for picture in file["pictures"][at, place]), strict=True)),
            file["neighbor_train"][at, place].item(),
            file["neighbor_validation"][at, place].item(),
            number(at_state("pictured_radius")),
            number(at_state("pictured_radius_validation")),
            beyond["train"],
            beyond["validation"],
            number(at_state("pictured_ratio")),
            _shown(likeness[at]),
            beyond["train"].value < OUTSIDE,
        )


def _share(share: float, n: int) -> Shown:
    return _shown(proportion(round(share * n), n))


def _shown(estimate: Estimate) -> Shown:
    return show(pd.Series(asdict(estimate)))


def _words(steps: tuple[Step, ...], ratio: float) -> str:
    """Where a trajectory leaves the noised training data, what is nearest to it, and how it ends."""
    last = steps[-1].train
    since = next(step for place, step in enumerate(steps) if {each.train for each in steps[place:]} == {last})
    when = "throughout" if since is steps[0] else f"from σ = {since.sigma} on"
    end = f"as a copy of it (d1/d2 = {number(ratio)})" if ratio < THRESHOLD else f"at d1/d2 = {number(ratio)}: no copy"
    return f"{_places(steps)} Nearest to them is training image {last} {when}. It ends {end}."


def _places(steps: tuple[Step, ...]) -> str:
    """At which levels its states lie among noised training images, and at which further out."""
    runs = [(outside, [step.sigma for step in group]) for outside, group in groupby(steps, lambda step: step.outside)]
    parts = [f"{'outside' if outside else 'among'} them {_span(sigmas)}" for outside, sigmas in runs]
    parts[0] = parts[0].replace("them", "noised training images", 1)
    return f"Its states lie {' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))}."


def _span(sigmas: list[str]) -> str:
    return f"at σ = {sigmas[0]}" if len(sigmas) == 1 else f"from σ = {sigmas[0]} to {sigmas[-1]}"


def _bytes(shape: tuple[int, ...]) -> int:
    """Of a cell on a page, about: noise does not compress, Base64 takes four bytes for three, and there are tags."""
    levels, trajectories, kinds, *image = shape
    return levels * trajectories * kinds * round(4 / 3 * (math.prod(image) + 90) + 170)


def _told(results: Results, shape: tuple[int, ...]) -> str:
    data = results.study.data
    if data.decoding:
        return f"Samplers work on latents, which are not decoded here: their {shape[0]} channels stand side by side. "
    return told_of_latents(shape, data.name == LATENTS)


def _why_none(results: Results, files: bool) -> str:
    """Why there are no pictures at all; empty where the files were made before trajectories were kept."""
    if not any(results.study.denoises(run.model) for run in results.study.runs):
        return "No model of this study has trajectories that were measured."
    if not files:
        return "No trajectories can be pictured: the files of their overlap are missing, or cannot be read."
    with suppress(DiffbenchError):
        shape = results.reader.header(DATA, {})["pool"].shape[1:]
        if not kept(shape, 1, 1).trajectories:
            return "Vectors are not pictured. The page of noise levels has what was measured of their trajectories."
    return ""
