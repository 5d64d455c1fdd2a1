"""Samples of some cells beside the images nearest to them: the most suspicious ones, and some of all ranks.

Distances to training images are those of the memorization files. Distances to validation images say how near images lie
that nobody trained on; they are searched here, exactly, for the samples that are pictured alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.stored_images import StoredImages
from diffbench.data.training_set import Images
from diffbench.files.estimates import DECODED, Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.measures.memorization import ratios_of
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.measures.neighbors import nearest
from diffbench.report.tables.outcomes import ranked, spread_over_ranks
from diffbench.report.tables.results import Results, shown_factors
from diffbench.report.tables.slices import SETTING
from diffbench.shapes import Float64, Int64
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.study.layout import MEMORIZATION, SAMPLES
from diffbench.summary.rows import rows_of

SUSPICIOUS, SPREAD = "suspicious", "spread"
"""Views: the samples with the least d1/d2, and samples at equally spaced ranks of it."""

TOLD = ("memorized_fraction", "memorized_floor", "nearest_side_rate")
"""Measures of all samples of a cell that stand above its gallery."""


class Near(NamedTuple):
    """The image of a split that is nearest to a sample."""

    row: int  # in the training subset, or among the validation images
    label: str  # its true class, empty where images have none
    distance: float  # L2, scaled
    image: Images  # of one, (*shape)


@dataclass(frozen=True)
class Pictured:
    """A sample and the images nearest to it."""

    sample: int
    rank: int  # by d1/d2 among all samples of the cell, from 1
    views: tuple[str, ...]
    condition: str  # under which it was drawn, empty where there was none
    image: Images  # (*shape)
    ratio: float  # d1/d2
    train: Near
    validation: Near
    duplicate: int | None  # a training image of which the nearest one is a near duplicate, where one is known

    @property
    def memorized(self) -> bool:
        """Whether it counts as a copy."""
        return self.ratio < THRESHOLD

    @property
    def nearer_to_training(self) -> bool:
        """Whether its nearest training image is nearer than its nearest validation image."""
        return self.train.distance < self.validation.distance


@dataclass(frozen=True)
class Gallery:
    """Some samples of a cell, those with the least d1/d2 first."""

    factors: Mapping[str, Any]  # of the cell, as pages show them
    samples: int  # of the cell
    images: Mapping[str, int]  # of either split
    extent: tuple[float, float]  # values of black and white
    pictured: tuple[Pictured, ...]
    measured: Mapping[str, Estimate]  # TOLD

    @property
    def by_chance(self) -> float:
        """Share of samples whose nearest image is a training image where both splits are alike to a model."""
        return self.images["train"] / sum(self.images.values())


@dataclass(frozen=True)
class _Chosen:
    """Samples of a cell that are to be pictured, and what the files say of them."""

    cell: Cell
    ratios: Float64[np.ndarray, " m"]  # of all samples
    rows: Int64[np.ndarray, " k"]  # of the chosen ones
    ranks: Int64[np.ndarray, " k"]
    views: Sequence[tuple[str, ...]]
    images: Images  # (k, *shape)
    conditions: Sequence[str]
    neighbor: Int64[np.ndarray, " k"]
    distance: Float64[np.ndarray, " k"]
    duplicates: Mapping[int, int]
    measured: Mapping[str, Estimate]


def galleries(results: Results, cells: Sequence[Cell], count: int) -> list[Gallery]:
    """Galleries of cells, with at most `count` samples in each view; the results remember files that cannot be read."""
    chosen = list(_readable(results, cells, count))
    if not chosen:
        return []
    try:
        return list(_beside_their_nearest(results, chosen))
    except DiffbenchError:
        return []  # without the images there is nothing to picture; the tables stand on their own


def _readable(results: Results, cells: Sequence[Cell], count: int) -> Iterator[_Chosen]:
    for cell in cells:
        try:
            yield _chosen(results, cell, count)
        except DiffbenchError:
            continue


def _chosen(results: Results, cell: Cell, count: int) -> _Chosen:
    """Ties of d1/d2 by d1, as in audits."""
    kind, end = (layout.DECODED, DECODED) if results.study.decoded_kinds else (SAMPLES, "")
    samples = results.read(kind, cell.factors)
    file = results.read(MEMORIZATION, cell.factors)
    first, second = file[f"distance{end}"].T
    ratios = ratios_of(first, second)
    order = np.lexsort((first, ratios))
    members = {SUSPICIOUS: range(min(count, len(order))), SPREAD: spread_over_ranks(len(order), count)}
    ranks = np.array(sorted(set().union(*members.values())))
    rows = order[ranks]
    return _Chosen(
        cell,
        ratios,
        rows,
        ranks,
        [tuple(view for view, of_view in members.items() if rank in of_view) for rank in ranks.tolist()],
        samples["samples"][rows],
        _conditions(cell, samples, rows),
        file[f"nearest{end}"][rows],
        first[rows],
        {} if end else dict(file.arrays.get("near_duplicate", np.empty((0, 2), int)).tolist()),
        _measured(file, end),
    )


def _measured(file: StageFile, end: str) -> dict[str, Estimate]:
    rows = rows_of(file)
    return {name: rows.scalar(f"{name}{end}") or undefined("not measured", 0) for name in TOLD}


def _conditions(cell: Cell, samples: StageFile, rows: Int64[np.ndarray, " k"]) -> list[str]:
    """Labels under which samples were drawn, by their numbers; planted ones have none."""
    if cell.checkpoint.run.granularity == "none" or "label" not in samples.arrays:
        return [""] * len(rows)
    return [str(label) for label in samples["label"][rows].tolist()]


def _beside_their_nearest(results: Results, chosen: Sequence[_Chosen]) -> Iterator[Gallery]:
    """All cells' samples are searched among validation images at once, so that these are read once."""
    sizes = {each.cell.checkpoint.run.train_size for each in chosen}
    with results.stored(max(sizes)) as splits:
        held_out = splits["validation"]
        found = nearest(np.concatenate([each.images.reshape(len(each.rows), -1) for each in chosen]), held_out, 1)
        extent = splits["train"].extent
        unseen = dict(_images_at(held_out, found.indices[:, 0]))
        seen = dict(_images_at(splits["train"], np.concatenate([each.neighbor for each in chosen])))
        start = 0
        for each in chosen:
            part = slice(start, start := start + len(each.rows))
            nears = [
                Near(row, held_out.classes[row], distance, unseen[row])
                for row, distance in zip(
                    found.indices[part, 0].tolist(), found.distances[part, 0].tolist(), strict=True
                )
            ]
            yield _gallery(each, splits, extent, seen, nears)


def _images_at(images: StoredImages, rows: Int64[np.ndarray, " r"]) -> Iterator[tuple[int, Images]]:
    distinct = np.unique(rows)
    return zip(distinct.tolist(), images.images(distinct), strict=True)


def _gallery(
    chosen: _Chosen,
    splits: Mapping[str, StoredImages],
    extent: tuple[float, float],
    seen: Mapping[int, Images],
    unseen: Sequence[Near],
) -> Gallery:
    classes, size = splits["train"].classes, chosen.cell.checkpoint.run.train_size
    pictured = tuple(
        Pictured(
            int(chosen.rows[place]),
            int(chosen.ranks[place]) + 1,
            chosen.views[place],
            chosen.conditions[place],
            chosen.images[place],
            float(chosen.ratios[chosen.rows[place]]),
            Near(row, classes[row], float(chosen.distance[place]), seen[row]),
            validation,
            chosen.duplicates.get(row),
        )
        for place, (row, validation) in enumerate(zip(chosen.neighbor.tolist(), unseen, strict=True))
    )
    images = {"train": size, "validation": splits["validation"].shape[0]}
    return Gallery(shown_factors(chosen.cell), len(chosen.ratios), images, extent, pictured, chosen.measured)


def pictured_cells(results: Results, means: pd.DataFrame, most: int) -> list[Cell]:
    """At most `most` cells whose samples and distances are there: the most memorizing settings first, the least last.

    Of all settings, or of some at equally spaced ranks; of each as many seeds as fit, the same number.
    Where a setting's distances are there but its samples are not, the results remember that.
    """
    settings = list(_with_samples(results, means))
    chosen = [settings[rank] for rank in spread_over_ranks(len(settings), most)] if settings else []
    seeds = max(1, most // max(1, len(chosen)))
    return [cell for cells in chosen for cell in cells[:seeds]]


def _with_samples(results: Results, means: pd.DataFrame) -> Iterator[list[Cell]]:
    """Of each setting, in ranked order, the cells whose distances are there: those with samples first."""
    by_setting: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results.study.cells:
        by_setting.setdefault(tuple(shown_factors(cell)[name] for name in SETTING), []).append(cell)
    known = results.known_faults
    kind = layout.DECODED if results.study.decoded_kinds else SAMPLES
    for setting in ranked(means)[SETTING].itertuples(index=False, name=None):
        measured = [each for each in by_setting[setting] if MEMORIZATION.of(each.factors) not in known]
        there = [each for each in measured if (results.folder / kind.of(each.factors)).exists()]
        if cells := there or measured[:1]:
            yield cells
