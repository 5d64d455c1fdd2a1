"""Time scales of a study: when it starts to memorize, when its samples are best, up to which training size it recalls.

Each needs several cells: all milestones of a run, or all training sizes beside which the other factors are held.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate
from diffbench.measures.gap import onset
from diffbench.measures.timescales import effective_memorization, tau_gen, tau_mem
from diffbench.study.grid import Cell
from diffbench.study.layout import DENOISE
from diffbench.study.study import Study
from diffbench.summary.lookup import Lookup
from diffbench.summary.reading import Reader

QUALITY = "fd"
"""The quality by which the best step is chosen: lower is better, against validation images."""


def timescales(study: Study, lookup: Lookup, reader: Reader) -> pd.DataFrame:
    """Tidy rows; factors that a time scale runs over (step, train_size, guidance) are empty."""
    return pd.DataFrame(
        [*_rows_of_runs(study, lookup), *_rows_of_sizes(study, lookup), *_rows_of_onsets(study, reader)]
    )


def _row(factors: dict[str, Any], measure: str, estimate: Estimate) -> dict[str, Any]:
    numbers = {name: getattr(estimate, name) for name in ("value", "low", "high", "n", "reason")}
    return factors | {"measure": measure} | numbers


def _grouped(cells: Sequence[Cell], over: str) -> Iterator[tuple[dict[str, Any], list[Cell]]]:
    """Cells that differ in one factor alone, in its order, with the factors that they share."""
    groups: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[tuple(value for name, value in cell.factors.items() if name != over)].append(cell)
    for members in groups.values():
        ordered = sorted(members, key=lambda cell: cell.factors[over])
        yield {name: value for name, value in ordered[0].factors.items() if name != over}, ordered


def _complete(cells: Sequence[Cell], lookup: Lookup, measure: str) -> list[tuple[Cell, Estimate]]:
    measured = ((cell, lookup.of_cell(cell, measure)) for cell in cells)
    return [(cell, estimate) for cell, estimate in measured if estimate is not None]


def _rows_of_runs(study: Study, lookup: Lookup) -> Iterator[dict[str, Any]]:
    for factors, cells in _grouped(study.cells, "step"):
        memorized = _complete(cells, lookup, "memorized_fraction")
        floors = _complete(cells, lookup, "memorized_floor")
        quality = _complete(cells, lookup, QUALITY)
        if len(memorized) > 1 and len(memorized) == len(floors):
            steps = [cell.checkpoint.step for cell, _ in memorized]
            yield _row(factors, "tau_mem", tau_mem(steps, [e for _, e in memorized], [e for _, e in floors]))
        if len(quality) > 1:
            steps = [cell.checkpoint.step for cell, _ in quality]
            yield _row(factors, "tau_gen", tau_gen(steps, [e for _, e in quality]))


def _rows_of_sizes(study: Study, lookup: Lookup) -> Iterator[dict[str, Any]]:
    for factors, cells in _grouped(study.cells, "train_size"):
        memorized = _complete(cells, lookup, "memorized_fraction")
        if len(memorized) > 1:
            sizes = [cell.checkpoint.run.train_size for cell, _ in memorized]
            estimate = effective_memorization(sizes, [e for _, e in memorized])
            yield _row(factors, "effective_memorization", estimate)


def _rows_of_onsets(study: Study, reader: Reader) -> Iterator[dict[str, Any]]:
    """Per noise level: the milestone at which the validation loss is least."""
    for run, checkpoints in groupby(study.checkpoints, key=lambda checkpoint: checkpoint.run):
        losses, sigmas, steps = [], np.array([]), []
        for checkpoint in checkpoints:
            try:
                file = reader.read(DENOISE, checkpoint.factors)
            except DiffbenchError:
                continue
            sigmas = file["sigma"]
            losses.append(file["loss_validation"])
            steps.append(checkpoint.step)
        if len(steps) < 2:
            continue
        factors = {"model": run.model, "train_size": run.train_size, "granularity": run.granularity, "seed": run.seed}
        for level, sigma in enumerate(sigmas):
            estimate = onset(np.array(steps), np.stack([loss[level] for loss in losses]), seed=0)
            yield _row(factors, "gap_onset", estimate) | {"sigma": sigma}
