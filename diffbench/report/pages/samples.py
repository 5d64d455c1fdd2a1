"""The page of samples: pictures beside their nearest training and unseen images, or points of the plane."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.pictures import largest, png, told_of
from diffbench.report.charts.plane import scatters
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables import duplicates
from diffbench.report.tables.choice import choices, texts
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.galleries import SPREAD, Gallery, Pictured, galleries, pictured_cells
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import short_name
from diffbench.settings.report import ReportSettings

MAXIMUM_CELLS = 200
"""Cells pictured, where pictures are small."""

MAXIMUM_SCATTERS = 16
"""The same of points in the plane, each a chart."""

MAXIMUM_BYTES = 5_000_000
"""Of all galleries together, so that the page stays below 8 MB."""

MARKUP = 1_500
"""Bytes of what stands around the pictures of a sample."""


class Tile(NamedTuple):
    """A sample with its pictures: data URIs, empty where images cannot be pictured."""

    of: Pictured
    sample: str
    train: str
    validation: str


class Sheet(NamedTuple):
    """What is shown of one cell: tiles, or a scatter for data in the plane."""

    name: str
    factors: dict[str, str]
    tiles: tuple[Tile, ...] = ()
    gallery: Gallery | None = None
    measured: dict[str, Shown] | None = None
    figure: Figure | None = None

    @property
    def nearer(self) -> tuple[int, int]:
        """Samples of spread ranks whose nearest image is a training image, and all of these."""
        spread = [tile.of for tile in self.tiles if SPREAD in tile.of.views]
        return sum(each.nearer_to_training for each in spread), len(spread)


def write_samples(findings: Findings, settings: ReportSettings) -> None:
    """Write the page; the results remember files that it lacks."""
    results = findings.results
    shape = _image_shape(results)
    sheets = list(_sheets(findings, settings, shape)) if shape else []
    write_study_page(
        results,
        "samples",
        [sheet.figure for sheet in sheets if sheet.figure],
        sheets=sheets,
        choices=choices(results, [sheet.factors for sheet in sheets]),
        told=told_of(results.study.data, shape) if shape else "",
        decoded=bool(results.study.decoded_kinds),
        notes=duplicates.notes(results, findings.means),
    )


def _image_shape(results: Results) -> tuple[int, ...] | None:
    """Shape of an image as it is looked at; none where the file of images cannot be read."""
    try:
        with results.stored(min(run.train_size for run in results.study.runs)) as splits:
            return splits["train"].image_shape
    except DiffbenchError:
        return None


def _sheets(findings: Findings, settings: ReportSettings, shape: tuple[int, ...]) -> Iterator[Sheet]:
    results, count = findings.results, settings.pictured_samples
    if shape == (2,):
        cells = pictured_cells(results, findings.means, MAXIMUM_SCATTERS)
        for cell, figure in scatters(results, cells, settings.chart_width):
            yield Sheet(_name(shown_factors(cell)), texts(shown_factors(cell)), figure=figure)
        return
    room = max(1, MAXIMUM_BYTES // (2 * (3 * largest(shape) + MARKUP)))  # samples in a view, of all cells together
    count = min(count, room)
    cells = pictured_cells(results, findings.means, min(MAXIMUM_CELLS, room // count))
    for gallery in galleries(results, cells, count):
        measured = {name: show(pd.Series(vars(each))) for name, each in gallery.measured.items()}
        tiles = tuple(_tile(gallery, each) for each in gallery.pictured)
        yield Sheet(_name(gallery.factors), texts(gallery.factors), tiles, gallery, measured)


def _tile(gallery: Gallery, of: Pictured) -> Tile:
    images = (of.image, of.train.image, of.validation.image)
    uris = (png(image, *gallery.extent) if image.ndim == 3 else "" for image in images)
    return Tile(of, *uris)


def _name(factors: Mapping[str, Any]) -> str:
    return f"{short_name(factors)} · seed {factors['seed']}"
