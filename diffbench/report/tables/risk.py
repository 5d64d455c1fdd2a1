"""Which training images samples extract, setting by setting: how often, by how many seeds, and what is known of them.

All seeds of a study train on the same images, so their counts of an image are of one image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import Images, read_classes
from diffbench.files.store import StageFile
from diffbench.measures.extraction import times_extracted
from diffbench.measures.intervals import placements
from diffbench.measures.memorization import ratios_of
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.measures.risk import share_bounds
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.slices import SETTING, short_name
from diffbench.settings.models import CONTROLS
from diffbench.shapes import Float64, Int64
from diffbench.study.grid import Cell
from diffbench.study.layout import DATA, DENOISE, MEMORIZATION
from diffbench.summary.lookup import center_cells

EXTRACTED, MATCHED, FLOOR, CHAO1, BY_ISOLATION, BY_JACOBIAN = (
    "extracted_images",
    "extracted_images_matched",
    "extracted_images_floor",
    "extraction_chao1",
    "isolation_extraction_spearman",
    "jacobian_auc",
)
SCALARS = (EXTRACTED, MATCHED, FLOOR, CHAO1, BY_ISOLATION, BY_JACOBIAN)
"""Of a cell, that the page shows."""

SETTINGS = 12
"""Settings on the page: the centre, then those that extract most."""

IMAGES = 24
"""Training images of each that are pictured."""

ATTACK = "attack_fpr"
"""Array of a checkpoint's losses: for each of the first training images, the least false positive rate of an attack."""


@dataclass(frozen=True)
class Risk:
    """The training images that samples of one setting extract."""

    factors: Mapping[str, Any]  # SETTING
    seeds: int
    samples: int  # of all seeds together
    images: pd.DataFrame  # of `_images`, and the class of each; worst first
    evenly: float  # how often each image would be extracted, were all alike
    held_out: int  # held-out images that are compared with the same training images; 0 where that is not known
    pictures: Images  # of the first IMAGES of them, scaled
    curves: (
        pd.DataFrame
    )  # seed, curve, size, value, low, high, n, reason: extraction over the number of images, and its floor

    @property
    def name(self) -> str:
        """The setting in one line."""
        return short_name(self.factors)


def extraction_over_seeds(results: Results) -> pd.DataFrame:
    """The scalars of all settings, mean over seeds: SETTING, measure, the columns of `aggregate_seeds`."""
    rows = results.estimates.of(SCALARS)
    return aggregate_seeds(rows[rows["sigma"].isna()], [*SETTING, "measure"])


def settings_by_extraction(results: Results, means: pd.DataFrame) -> pd.DataFrame:
    """SETTING of those that extract anything, most images first, models whose truth is known last."""
    found = means[(means["measure"] == EXTRACTED) & (means["value"] > 0)]
    known = [truth_known(results, row) for row in found.to_dict("records")]
    order = found.assign(known=known).sort_values(["known", "value"], ascending=[True, False], kind="stable")
    return order[SETTING].reset_index(drop=True)


def truth_known(results: Results, factors: Mapping[Any, Any]) -> bool:
    """Whether a setting is one of a control, which extracts what it is made to."""
    return isinstance(results.study.definition(factors["model"]), CONTROLS)


def center_setting(results: Results) -> dict[str, Any]:
    """SETTING of the study's centre at its last step."""
    center = results.study.center
    step = max((cell.checkpoint.step for cell in center_cells(results.study)), default=max(results.study.steps))
    known = dict(center) | {"guidance": center.guidance.text, "step": step}
    return {name: known[name] for name in SETTING}


def risks(results: Results, extracting: pd.DataFrame) -> list[Risk]:
    """At most SETTINGS of `extracting`, the centre first; those whose files cannot be read are left out."""
    center = center_setting(results)
    at_center = np.logical_and.reduce([extracting[name] == center[name] for name in SETTING])
    chosen = pd.concat([extracting[at_center], extracting[~at_center]]).head(SETTINGS)
    cells = _cells_by_setting(results)
    found = (_risk(results, factors, cells[tuple(factors.values())]) for factors in chosen.to_dict("records"))
    return [risk for risk in found if risk]


def _cells_by_setting(results: Results) -> dict[tuple[Any, ...], list[Cell]]:
    by_setting: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results.study.cells:
        factors = cell.factors | {"guidance": cell.guidance.text}
        by_setting.setdefault(tuple(factors[name] for name in SETTING), []).append(cell)
    return by_setting


@dataclass(frozen=True)
class _Extracted:
    """What the files of one cell say of the n training images."""

    seed: int
    samples: int
    held_out: int
    times: Int64[np.ndarray, " n"]
    held_out_times: Int64[np.ndarray, " n"]  # held-out images that would be copies of each, were they generated
    isolation: Float64[np.ndarray, " n"]  # nan where it is not known
    attack: Float64[np.ndarray, " n"]  # nan where it was not measured
    curves: pd.DataFrame


def _risk(results: Results, factors: dict[Any, Any], cells: list[Cell]) -> Risk | None:
    of_seeds = [found for cell in cells if (found := _extracted(results, cell))]
    if not any(each.times.any() for each in of_seeds):
        return None
    images = _images(of_seeds)
    try:
        with results.reader.noting(DATA, {}) as path:
            made_by = results.reader.lineage.fingerprint(DATA, {})
            names = read_classes(path, factors["train_size"], made_by)
        pictures = results.pictures(factors["train_size"], images["image"].to_numpy()[:IMAGES])
    except DiffbenchError:
        return None
    images.insert(1, "class", [names[row] for row in images["image"]])
    curves = pd.concat([each.curves.assign(seed=each.seed) for each in of_seeds])
    times = sum(int(each.times.sum()) for each in of_seeds)
    samples, held_out = sum(each.samples for each in of_seeds), of_seeds[0].held_out
    evenly = times / factors["train_size"]
    return Risk(factors, len(of_seeds), samples, images, evenly, held_out, pictures, curves)


def _extracted(results: Results, cell: Cell) -> _Extracted | None:
    """Nothing where the cell's samples were not measured; the results remember files that lack something."""
    size = cell.checkpoint.run.train_size
    isolation, attack = np.full(size, np.nan), np.full(size, np.nan)
    try:
        file = results.read(MEMORIZATION, cell.factors)
        first, second = file["distance"].T
        times = times_extracted(file["nearest"], ratios_of(first, second) < THRESHOLD, size)
        isolation[file["neighbor_of"]] = file["isolation"]
        curves = _curves(file)
        held_out = int(file["extraction_floor_size"][-1]) if "near_copy" in file.arrays else 0
    except DiffbenchError:
        return None
    scores = _attack(results, cell)
    attack[: len(scores)] = scores
    near = file.arrays.get("near_copy", np.empty((0, 2), np.int64))
    beside = np.bincount(near[:, 1], minlength=size)
    return _Extracted(cell.checkpoint.run.seed, len(first), held_out, times, beside, isolation, attack, curves)


def _attack(results: Results, cell: Cell) -> Float64[np.ndarray, " a"]:
    """The attack scores of the first training images of a cell's checkpoint; of none where they were not measured."""
    if not results.study.denoises(cell.checkpoint.run.model):
        return np.empty(0)
    try:
        return results.read(DENOISE, cell.factors).arrays.get(ATTACK, np.empty(0))
    except DiffbenchError:
        return np.empty(0)


def _images(of_seeds: list[_Extracted]) -> pd.DataFrame:
    """A row for each training image that any seed extracts, most often first.

    times, low, high: samples of all seeds that are copies of it, and the interval of the mean of that, for all images
    at once: spans the seeds' own intervals. Seeds share the noise that samples start from, so they are no repeats.
    held_out: held-out images that would be copies of it, were they generated.
    """
    times, attacks = (np.array([getattr(each, name) for each in of_seeds]) for name in ("times", "attack"))
    rows = np.flatnonzero(times.any(axis=0))
    isolation = pd.DataFrame([each.isolation for each in of_seeds]).max().to_numpy()  # alike wherever it is known
    rank = placements(isolation, isolation) if np.isfinite(isolation).all() else np.full(len(isolation), np.nan)
    scores = pd.DataFrame(attacks[:, rows])
    ends = np.array([share_bounds(each.times, each.samples) for each in of_seeds])[:, :, rows]
    samples = sum(each.samples for each in of_seeds)
    table = pd.DataFrame(
        {
            "image": rows,
            "times": times[:, rows].sum(axis=0),
            "low": samples * ends[:, 0].min(axis=0),
            "high": samples * ends[:, 1].max(axis=0),
            "seeds": (times[:, rows] > 0).sum(axis=0),
            "held_out": of_seeds[0].held_out_times[rows],
            "isolation": isolation[rows],
            "more_isolated_than": rank[rows],
            "attack_fpr": scores.mean().to_numpy(),
            "attacked": scores.count().to_numpy(),
        }
    )
    return table.sort_values(["times", "seeds"], ascending=False, kind="stable").reset_index(drop=True)


def _curves(file: StageFile) -> pd.DataFrame:
    """The curves of a cell: of its samples, and of validation images as if generated."""
    return pd.concat([_curve(file, "extraction", "samples"), _curve(file, "extraction_floor", "floor")])


def _curve(file: StageFile, name: str, of: str) -> pd.DataFrame:
    fields = {"size": file[f"{name}_size"]} | {field: file[f"{name}_{field}"] for field in ("value", "low", "high")}
    return pd.DataFrame(fields).assign(curve=of, n=int(file[f"{name}_size"][-1]), reason="")


def table(risk_of_settings: list[Risk]) -> Iterator[pd.DataFrame]:
    """All extracted training images of the settings, at full precision, with the settings' factors."""
    for risk in risk_of_settings:
        rows = risk.images.rename(columns={"seeds": "seeds_hit"})
        yield rows.assign(**risk.factors, seeds=risk.seeds, samples=risk.samples, evenly=risk.evenly)
