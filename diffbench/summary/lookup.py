"""Looking values up in tidy tables by cell and measure."""

from typing import Any

import pandas as pd

from diffbench.files.estimates import Estimate
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.study import Study


class Lookup:
    """Values of a study's tables (stage -> tidy frame), by checkpoint or cell."""

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        self._scalars: dict[tuple[Any, ...], Estimate] = {}
        self._curves: dict[tuple[Any, ...], dict[float, Estimate]] = {}
        for stage, table in tables.items():
            for row in table.to_dict("records"):
                self._add(stage, {str(name): value for name, value in row.items()})

    def _add(self, stage: str, row: dict[str, Any]) -> None:
        guidance = None if pd.isna(row["guidance"]) else row["guidance"]
        factors = (row["model"], row["train_size"], row["granularity"], row["seed"], row["step"])
        key = (stage, *factors, guidance, row["measure"])
        estimate = Estimate(row["value"], row["low"], row["high"], int(row["n"]), row["reason"] or "")
        if pd.isna(row["sigma"]):
            self._scalars[key] = estimate
        else:
            self._curves.setdefault(key, {})[float(row["sigma"])] = estimate

    def of_checkpoint(self, checkpoint: Checkpoint, measure: str) -> Estimate | None:
        """A scalar of the denoise stage, None where it is missing."""
        return self._scalars.get(("denoise", *_factors(checkpoint), None, measure))

    def curve_of_checkpoint(self, checkpoint: Checkpoint, measure: str) -> dict[float, Estimate]:
        """A curve of the denoise stage by noise level, empty where it is missing."""
        return self._curves.get(("denoise", *_factors(checkpoint), None, measure), {})

    def of_cell(self, cell: Cell, measure: str) -> Estimate | None:
        """A scalar of the memorization stage, None where it is missing."""
        return self._scalars.get(("memorization", *_factors(cell.checkpoint), cell.guidance.label, measure))

    def curve_of_cell(self, cell: Cell, measure: str) -> dict[float, Estimate]:
        """A curve of the overlap stage by noise level, empty where it is missing."""
        return self._curves.get(("overlap", *_factors(cell.checkpoint), cell.guidance.label, measure), {})


def _factors(checkpoint: Checkpoint) -> tuple[Any, ...]:
    run = checkpoint.run
    return run.model, run.train_size, run.granularity, run.seed, checkpoint.step


def center_cells(study: Study, **changes: Any) -> list[Cell]:
    """The study's cells at its centre but for `changes`, at all steps and seeds, sorted."""
    wanted = study.center.factors | changes
    return [cell for cell in study.cells if all(cell.factors[name] == value for name, value in wanted.items())]


def values_at_center(study: Study, factor: str) -> list[Any]:
    """Values that a factor takes while all others are at the centre, sorted."""
    others = {name: value for name, value in study.center.factors.items() if name != factor}
    values = {
        cell.factors[factor]
        for cell in study.cells
        if all(cell.factors[name] == value for name, value in others.items())
    }
    return sorted(values)
