"""Differences between sides of a comparison, paired by what their files show to be shared: images, noises or seeds."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffbench.comparison.sides import STUDY, Side
from diffbench.conventions import DiffbenchError
from diffbench.data.raw_images import digests
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import read_first
from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.measures.intervals import student_difference
from diffbench.measures.memorization import ratios_of
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.measures.paired import gap_differences, loss_ratios, mean_difference, share_difference
from diffbench.report.tables.board import Board
from diffbench.report.tables.slices import SETTING, short_name
from diffbench.settings.granularity import TWIN
from diffbench.study.grid import Cell
from diffbench.study.layout import CONSISTENCY, DATA, DENOISE, MEMORIZATION, OVERLAP, SAMPLES, Kind
from diffbench.verification.numbers import differences, same_bytes

LARGEST = 200
"""Pairs of settings that are compared: their files are read anew."""

SEED = 0
"""Of the bootstrap, as in the stage `denoise`."""

NOISE_BY = ("diffbench", "numpy")
"""Packages that draw noise: of the same versions, the same noise."""

CURVES = {
    "gap": "relative gap, other − first",
    "mse_validation": "loss on unseen images, other / first − 1",
    "mse_train": "loss on training images, other / first − 1",
}
"""What is compared at each noise level."""

FIELDS = ["value", "low", "high", "n", "reason"]


@dataclass(frozen=True)
class Pair:
    """A setting of one side, and that of another which is held against it."""

    first: Side
    other: Side
    settings: tuple[tuple[Any, ...], tuple[Any, ...]]

    @property
    def name(self) -> str:
        """Both settings in short; once where they are equal."""
        names = (short_name(dict(zip(SETTING, setting, strict=True))) for setting in self.settings)
        return " and ".join(dict.fromkeys(names))

    @cached_property
    def cells(self) -> tuple[list[Cell], list[Cell]]:
        """Cells of either side, by seed."""
        return self.first.of(self.settings[0]), self.other.of(self.settings[1])

    @property
    def labels(self) -> dict[str, Any]:
        """What tells its rows apart in tables."""
        return {STUDY: self.other.name, "first": self.first.name, **dict(zip(SETTING, self.settings[1], strict=True))}


class Difference(NamedTuple):
    """Of a measure, at a noise level or none: other minus first, and what was paired, or why nothing was."""

    measure: str
    sigma: float | None
    estimate: Estimate
    units: str


def pairs_of(sides: Sequence[Side]) -> list[Pair]:
    """Each other side against the first: settings that agree in all factors but those of `across`."""
    first, *others = sides
    pairs = []
    for other in others:
        apart = across(first, other)
        places = [place for place, name in enumerate(SETTING) if name not in apart]
        known = {tuple(setting[place] for place in places): setting for setting in other.settings}
        for setting in first.settings:
            if match := known.get(tuple(setting[place] for place in places)):
                pairs.append(Pair(first, other, (setting, match)))
    return pairs


def across(first: Side, other: Side) -> dict[str, tuple[Any, Any]]:
    """Factors of which either side has one value, and not the same: what the sides are held against each other for."""
    values = {name: (first.values(name), other.values(name)) for name in SETTING}
    return {name: (one[0], two[0]) for name, (one, two) in values.items() if len(one) == len(two) == 1 and one != two}


Places = Mapping[Hashable, np.ndarray]
"""Rows of a board's cells by STUDY and SETTING."""


def places_of(board: Board) -> Places:
    """Where the cells of each setting stand."""
    found = board.cells.groupby([STUDY, *SETTING], sort=False).indices
    return {setting: np.asarray(rows) for setting, rows in found.items()}


def differences_of(pair: Pair, board: Board, places: Places) -> list[Difference]:
    """All that can be told: over images and noises where files hold them one by one, else over seeds."""
    found = {(each.measure, each.sigma): each for each in [*_of_losses(pair), *_of_samples(pair)]}
    single = {name for name, sigma in found if sigma is None}
    same = _same_numbers(pair)
    own = [places[side.name, *setting] for side, setting in _sides(pair)]
    for column in board.columns:
        if column.measure.name not in single or np.isnan(found[column.measure.name, None].estimate.value):
            cells = [column.cells.iloc[rows] for rows in own]
            told = _over_seeds(pair, column.measure.name, cells, same)
            if column.measure.name in single:
                told = told._replace(units=f"{told.units}; {found[column.measure.name, None].units}")
            found[column.measure.name, None] = told
    return list(found.values())


def _same_numbers(pair: Pair) -> bool:
    """Whether the files of both hold the same numbers throughout: what is one has no difference, in any units."""
    one, two = pair.cells
    if [cell.checkpoint.run.seed for cell in one] != [cell.checkpoint.run.seed for cell in two]:
        return False
    kinds = (DENOISE, MEMORIZATION, OVERLAP, CONSISTENCY)
    try:
        return all(_alike(pair, cells, kind) for kind in kinds for cells in zip(one, two, strict=True))
    except DiffbenchError:  # a file that cannot be read is like none
        return False


def _alike(pair: Pair, cells: tuple[Cell, Cell], kind: Kind) -> bool:
    """Whether the files of a kind of two cells hold the same numbers, or neither is there."""
    sides = (pair.first, pair.other)
    first, other = (side.results.folder / kind.of(cell.factors) for side, cell in zip(sides, cells, strict=True))
    if not (first.is_file() and other.is_file()):
        return first.is_file() == other.is_file()
    return same_bytes(first, other) or not differences(first, other, kind)


def _sides(pair: Pair) -> Iterator[tuple[Side, tuple[Any, ...]]]:
    return zip((pair.first, pair.other), pair.settings, strict=True)


def _over_seeds(pair: Pair, measure: str, cells: Sequence[pd.DataFrame], same: bool) -> Difference:
    own = []
    for (side, _), chosen in zip(_sides(pair), cells, strict=True):
        own.append(chosen[np.isfinite(chosen["value"].to_numpy(float))].set_index("seed"))
        if own[-1].empty:
            reason = next(iter(chosen["reason"]), "") or "infinite"
            return Difference(measure, None, undefined(f"no value of {side.name}: {reason}", 0), "no value on one side")
    first, other = (each["value"].astype(float) for each in own)
    if same and first.equals(other):  # costs differ though files hold the same
        return Difference(
            measure, None, Estimate(0.0, 0.0, 0.0, int(own[0]["n"].sum())), "the same numbers on both sides"
        )
    shared = first.index.intersection(other.index)
    if len(shared) >= 2:
        estimate = mean_difference(first[shared].to_numpy(), other[shared].to_numpy())
        return Difference(measure, None, estimate, f"paired over {len(shared)} seeds")
    if min(len(first), len(other)) >= 2:
        estimate = student_difference(other.to_numpy(), first.to_numpy())
        return Difference(measure, None, estimate, "not paired: no seeds in common")
    value = float(other.mean() - first.mean())
    estimate = Estimate(value, np.nan, np.nan, min(len(first), len(other)))
    return Difference(measure, None, estimate, "no interval: one seed, and files hold no values of single images")


class NotPairedError(DiffbenchError):
    """Why units cannot be paired."""


def _of_losses(pair: Pair) -> Iterator[Difference]:
    """Losses and gap over shared images."""
    try:
        losses = [_losses(side, cells) for side, cells in zip((pair.first, pair.other), pair.cells, strict=True)]
        if not np.array_equal(losses[0].sigmas, losses[1].sigmas):
            raise NotPairedError("losses were measured at other noise levels")
        shared = _shared_images(pair, losses)
    except DiffbenchError as error:
        for measure in (*CURVES, "gap_area"):
            yield Difference(measure, None, undefined(str(error), 0), f"not paired: {error}")
        return
    sigmas, noise = losses[0].sigmas, _noises(losses, shared)
    paired = {
        split: [each.of[split][:, rows] for each, rows in zip(losses, shared[split], strict=True)] for split in shared
    }
    for measure, split in (("mse_validation", "validation"), ("mse_train", "train")):
        n = len(shared[split][0])
        units = f"paired over {n} shared images, {noise}" if n else "not paired: no shared images"
        for sigma, estimate in zip(sigmas, loss_ratios(paired[split][0], paired[split][1], SEED), strict=True):
            yield Difference(measure, float(sigma), estimate, units)
    sides = [(paired["train"][side], paired["validation"][side]) for side in (0, 1)]
    counts = [len(shared[split][0]) for split in ("train", "validation")]
    curve, area = gap_differences(sides[0], sides[1], sigmas, SEED)
    units = f"paired over {counts[0]} training and {counts[1]} unseen images that are shared, {noise}"
    for sigma, estimate in zip(sigmas, curve, strict=True):
        yield Difference("gap", float(sigma), estimate, units)
    yield Difference("gap_area", None, area, units)


class _Losses(NamedTuple):
    sigmas: np.ndarray
    of: Mapping[str, np.ndarray]  # (levels, images) by split, mean over seeds
    versions: Mapping[str, str]
    noises: int  # draws behind each


def _losses(side: Side, cells: Sequence[Cell]) -> _Losses:
    files = [_file(side, DENOISE, cell) for cell in cells]
    if not all({"loss_train", "loss_validation"} <= file.arrays.keys() for file in files):
        raise NotPairedError(f"files of {side.name} hold no losses of single images")
    of = {split: np.mean([file[f"loss_{split}"] for file in files], axis=0) for split in ("train", "validation")}
    noises = side.results.study.measures.gap.noises
    return _Losses(files[0]["sigma"], of, files[0].attributes.get("versions", {}), noises)


def _file(side: Side, kind: Kind, cell: Cell) -> StageFile:
    return side.results.read(kind, cell.factors)


Rows = tuple[np.ndarray, np.ndarray]
"""Of shared units, where they stand on the first side and on the other."""


def _shared_images(pair: Pair, losses: Sequence[_Losses]) -> dict[str, Rows]:
    """Which images of either split have losses on both sides, by what the data files hold."""
    headers = [side.results.reader.header(DATA, {}) for side in (pair.first, pair.other)]
    if len({Scaling.of(header.attributes) for header in headers}) > 1:
        raise NotPairedError("images are scaled otherwise, and losses with them")
    found: list[dict[str, list[bytes]]] = []
    for side, cells, own in zip((pair.first, pair.other), pair.cells, losses, strict=True):
        run = cells[0].checkpoint.run
        count = max(each.shape[1] for each in own.of.values())
        known = _digests(side.results.folder, run.train_size, count, run.granularity.endswith(TWIN))
        found.append({split: known[split][: own.of[split].shape[1]] for split in own.of})
    return {split: shared_rows(found[0][split], found[1][split]) for split in found[0]}


@lru_cache(maxsize=64)
def _digests(folder: Any, train_size: int, count: int, twin: bool) -> dict[str, list[bytes]]:
    images = read_first(folder / DATA.pattern, train_size, count, twin)
    return {split: list(digests(own)) for split, own in images.items()}


def shared_rows(first: Sequence[bytes], other: Sequence[bytes]) -> Rows:
    """Where the digests that both have stand in either."""
    places = {digest: place for place, digest in enumerate(other)}
    rows = [(place, places[digest]) for place, digest in enumerate(first) if digest in places]
    one, two = np.array(rows, np.int64).reshape(-1, 2).T
    return one, two


def _noises(losses: Sequence[_Losses], shared: Mapping[str, Rows]) -> str:
    """Whether the noises under both were the same, as files tell: drawn alike for the same place in the set."""
    in_place = all(np.array_equal(*rows) for rows in shared.values())
    alike = losses[0].noises == losses[1].noises and _drawn_alike(losses[0].versions, losses[1].versions)
    return "on the same noises" if in_place and alike else "on noises of their own"


def _drawn_alike(first: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(name in first and first[name] == other.get(name) for name in NOISE_BY)


def _of_samples(pair: Pair) -> Iterator[Difference]:
    """The memorized fraction over the noises that samples start from."""
    measure = "memorized_fraction"
    try:
        drawn = [_drawn(side, cells) for side, cells in zip((pair.first, pair.other), pair.cells, strict=True)]
        if not _drawn_alike(drawn[0].versions, drawn[1].versions):
            raise NotPairedError("noises that samples start from were drawn by other versions, or files tell of none")
        if drawn[0].shape != drawn[1].shape:
            raise NotPairedError("samples are of other shapes")
        n = min(len(each.ratios) for each in drawn)
        if not np.array_equal(drawn[0].labels[:n], drawn[1].labels[:n]):
            raise NotPairedError("samples from the same noise are of other labels")
    except DiffbenchError as error:
        yield Difference(measure, None, undefined(str(error), 0), f"not paired: {error}")
        return
    units = f"paired over {n} noises that samples start from"
    if np.array_equal(drawn[0].ratios, drawn[1].ratios):
        yield Difference(measure, None, Estimate(0.0, 0.0, 0.0, n), f"{units}; the same samples")
        return
    copied = [(each.ratios[:n] < THRESHOLD).mean(axis=1) for each in drawn]
    yield Difference(measure, None, share_difference(copied[0], copied[1], SEED), units)


class _Drawn(NamedTuple):
    ratios: np.ndarray  # (samples, seeds): distance to the nearest training image over that to the next
    labels: np.ndarray  # (samples,)
    shape: tuple[int, ...]
    versions: Mapping[str, str]


def _drawn(side: Side, cells: Sequence[Cell]) -> _Drawn:
    samples = [side.results.reader.header(SAMPLES, cell.factors) for cell in cells]
    if not all("label" in header.arrays for header in samples):
        raise NotPairedError(f"files of {side.name} hold no labels of samples: these were not drawn from noises")
    distances = [_file(side, MEMORIZATION, cell)["distance"].astype(np.float64) for cell in cells]
    ratios = np.stack([ratios_of(each[:, 0], each[:, 1]) for each in distances], axis=1)
    first = samples[0]
    return _Drawn(ratios, first["label"][:], first["samples"].shape[1:], first.attributes.get("versions", {}))


def table(pair: Pair, found: Sequence[Difference]) -> pd.DataFrame:
    """Rows of differences: what tells them apart, measure, sigma, the fields of an estimate, and units."""
    rows = [
        pair.labels
        | {"pair": pair.name, "measure": each.measure, "sigma": each.sigma}
        | {name: getattr(each.estimate, name) for name in FIELDS}
        | {"units": each.units}
        for each in found
    ]
    return pd.DataFrame(rows).astype({"sigma": float})
