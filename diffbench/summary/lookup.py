"""Looking values up in what was read of a study's files, by cell and measure."""

from collections.abc import Callable
from typing import Any

from diffbench.files.estimates import Estimate
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.layout import CONSISTENCY, DENOISE, MEMORIZATION, OVERLAP
from diffbench.study.study import Study
from diffbench.summary.rows import Rows


class Lookup:
    """Values of a study, by checkpoint or cell."""

    def __init__(self, rows: Callable[[str], Rows | None]) -> None:
        """rows: those of a file by its path, None where it is missing."""
        self._rows = rows

    def of_checkpoint(self, checkpoint: Checkpoint, measure: str) -> Estimate | None:
        """A scalar of the denoise stage, None where it is missing."""
        rows = self._rows(DENOISE.of(checkpoint.factors))
        return rows.scalar(measure) if rows else None

    def curve_of_checkpoint(self, checkpoint: Checkpoint, measure: str) -> dict[float, Estimate]:
        """A curve of the denoise stage by noise level, empty where it is missing."""
        rows = self._rows(DENOISE.of(checkpoint.factors))
        return rows.curve(measure) if rows else {}

    def of_cell(self, cell: Cell, measure: str) -> Estimate | None:
        """A scalar of the memorization stage, None where it is missing."""
        rows = self._rows(MEMORIZATION.of(cell.factors))
        return rows.scalar(measure) if rows else None

    def curve_of_cell(self, cell: Cell, measure: str) -> dict[float, Estimate]:
        """A curve of the overlap stage by noise level, empty where it is missing."""
        rows = self._rows(OVERLAP.of(cell.factors))
        return rows.curve(measure) if rows else {}

    def of_pair(self, cell: Cell, measure: str) -> Estimate | None:
        """A scalar of the consistency stage, None where it is missing."""
        rows = self._rows(CONSISTENCY.of(cell.factors))
        return rows.scalar(measure) if rows else None

    def of_stages(self, cell: Cell) -> list[Rows]:
        """All that was measured of a cell, checkpoint and samples alike."""
        found = (self._rows(kind.of(cell.factors)) for kind in (DENOISE, MEMORIZATION, OVERLAP))
        return [rows for rows in found if rows]


SETTING = ("model", "train_size", "granularity", "guidance")
"""Factors that a centre has a value of, in the order of `Study.cells_by_setting`."""


def center_cells(study: Study, **changes: Any) -> list[Cell]:
    """The study's cells at its centre but for `changes`, at all steps and seeds, sorted."""
    wanted = study.center.factors | changes
    model, train_size, granularity, guidance = (wanted[name] for name in SETTING)
    return study.cells_by_setting.get((model, train_size, granularity, guidance), [])


def values_at_center(study: Study, factor: str, **changes: Any) -> list[Any]:
    """Values that a factor takes while all others are at the centre but for `changes`, sorted."""
    wanted = study.center.factors | changes
    if factor not in SETTING:
        return sorted({cell.factors[factor] for cell in center_cells(study, **changes)})
    place = SETTING.index(factor)
    others = [index for index in range(len(SETTING)) if index != place]
    settings = study.cells_by_setting
    return sorted({key[place] for key in settings if all(key[index] == wanted[SETTING[index]] for index in others)})
