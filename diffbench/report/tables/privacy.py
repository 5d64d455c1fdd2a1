"""What an auditor asks of one model, from the files of its only cell: attacks, the set as a whole, images at risk."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffbench.data.training_set import Images, read_classes
from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.measures.attacks import ATTACKS
from diffbench.report.tables.results import Results
from diffbench.shapes import Float64, Int64
from diffbench.study.grid import Cell
from diffbench.study.layout import DATA, DENOISE, MEMORIZATION
from diffbench.summary.rows import Rows, rows_of

NAMES = {
    "loss": "denoising loss",
    "sima": "SimA",
    "pia": "PIA",
    "secmi": "SecMI",
}
"""Attacks as pages show them."""

EXPOSED = 24
"""Training images that attacks name first, as many as are pictured."""


@dataclass(frozen=True)
class AttackFigures:
    """What one attack reaches on the images that did not choose its level."""

    name: str
    best: bool  # of all, on the images that choose
    auc: Estimate
    tpr_at_1_percent: Estimate
    tpr_at_01_percent: Estimate
    sigma: Estimate


@dataclass(frozen=True)
class Exposed:
    """Training images that the best attack names first."""

    rows: Int64[np.ndarray, " r"]
    rates: Float64[np.ndarray, " r"]  # false positive rates at which it names them
    classes: list[str]
    pictures: Images
    measured: int  # training images that were attacked
    least: float  # least rate that so many held-out images can tell
    at_least_rate: int  # training images that are named there

    @property
    def by_chance(self) -> float:
        """How many would be named there, were they like the unseen ones."""
        return self.measured * self.least


@dataclass(frozen=True)
class Privacy:
    """The findings of one cell."""

    attacks: tuple[AttackFigures, ...]
    scalars: Mapping[str, Estimate]  # of the checkpoint and of the cell, by name
    exposed: Exposed | None  # where no attack is defined
    noises: int
    measured: Mapping[str, int]  # images of each split behind losses and attacks

    def of(self, measure: str) -> Estimate:
        """A scalar; undefined if there is none of that name."""
        return self.scalars.get(measure) or undefined("not measured", 0)

    @property
    def best(self) -> AttackFigures:
        """The attack that is best on the images that choose."""
        return next(attack for attack in self.attacks if attack.best)


def inspected_cell(results: Results) -> Cell | None:
    """The cell of an inspection."""
    return results.study.cells[0] if results.inspects else None


def privacy_of(results: Results, cell: Cell) -> Privacy:
    """Findings of a cell. DiffbenchError if one of its files cannot be read."""
    checkpoint = results.read(DENOISE, cell.factors)
    of_checkpoint, of_cell = rows_of(checkpoint), rows_of(results.read(MEMORIZATION, cell.factors))
    best = checkpoint.attributes["best_attack"]
    return Privacy(
        tuple(_figures(of_checkpoint, name, name == best) for name in ATTACKS),
        dict(of_checkpoint.scalars) | dict(of_cell.scalars),
        _exposed(results, cell, checkpoint, best),
        results.study.measures.gap.noises,
        {split: checkpoint[f"loss_{split}"].shape[1] for split in ("train", "validation")},
    )


def _figures(rows: Rows, name: str, best: bool) -> AttackFigures:
    fields = ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "sigma")
    values = (rows.scalar(f"attack_{name}_{field}") or undefined("not measured", 0) for field in fields)
    return AttackFigures(NAMES[name], best, *values)


def _exposed(results: Results, cell: Cell, checkpoint: StageFile, best: str) -> Exposed | None:
    """Those with the least rate, of equal ones those with the lowest score."""
    rates, scores = checkpoint["attack_fpr"], checkpoint[f"score_{best}_train"]
    if not np.isfinite(rates).any():
        return None
    rows = np.lexsort((scores, rates))[:EXPOSED]
    size, least = cell.checkpoint.run.train_size, 1 / (1 + checkpoint["loss_validation"].shape[1])
    with results.reader.noting(DATA, {}) as path:
        made_by = results.reader.lineage.fingerprint(DATA, {})
        names = read_classes(path, size, made_by)
    pictures = results.pictures(size, rows)
    named = int((rates <= least * (1 + 1e-9)).sum())
    return Exposed(rows, rates[rows], [names[row] for row in rows], pictures, len(rates), least, named)
