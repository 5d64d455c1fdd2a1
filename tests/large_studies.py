"""Studies of thousands of cells as a report finds them: their summary, and the files of the cells that pages picture.

The estimates of a cell lie between those of two made-up cells, of which one hardly memorizes and the other does, so
that the summary of 10,000 cells takes seconds, and has the measures, reasons and noise levels of a small study's.
"""

import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import log_sigmas
from diffbench.data.catalog import facts
from diffbench.files.output import atomic, write_csv
from diffbench.files.table import table
from diffbench.files.training_losses import write_losses
from diffbench.report.tables.slices import spread_over_ranks
from diffbench.stages.summary import described
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.grid import Cell
from diffbench.study.layout import CONSISTENCY, DENOISE, MEMORIZATION, OVERLAP, Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.claims.judge import judge
from diffbench.summary.laws.judge import judge_laws
from diffbench.summary.lookup import Lookup
from diffbench.summary.manifest import write_manifest
from diffbench.summary.models import model_sizes
from diffbench.summary.reading import DONE, Reader
from diffbench.summary.rows import Rows, rows_of
from diffbench.summary.tables import NOTHING, STATUS, Table
from diffbench.summary.timescales import timescales
from diffbench.summary.verdicts import as_records
from tests.report_studies import PROVENANCE, make_study, strength, write_files

SIZES, WEIGHTS = [32 + 2 * place for place in range(40)], [place / 4 for place in range(40)]
STEPS = [100 * (place + 1) for place in range(30)]
GRID: dict[str, Any] = {
    "name": "large",
    "data": {"name": "digits", "validation": 64},
    "seeds": [0, 1, 2, 3, 4, 5],
    "steps": STEPS,
    "center": {"model": "mlp-small", "train_size": SIZES[0], "granularity": "classes", "guidance": 0.0},
    "sweeps": [
        {"train_size": SIZES, "guidance": WEIGHTS, "step": STEPS[-1:]},
        {"train_size": SIZES[::13]},
        {"granularity": ["classes", "unique"]},
    ],
}
"""10,476 cells: 1,746 settings of six seeds, with 40 values of two factors and 30 milestones."""

PICTURED = 16
"""Settings whose files are there, beside the first of the leaderboard."""

FIRST = 8
SEEDS = 5
"""Of which pictured settings have files, and runs losses over steps."""

TABLES = {"denoise": DENOISE, "memorization": MEMORIZATION, "overlap": OVERLAP, "consistency": CONSISTENCY}


class _Between:
    """Estimates of files of one kind, between those of a weak and of a strong cell."""

    def __init__(self, ends: Sequence[Rows]) -> None:
        self._weak, self._strong = ends
        assert self._weak.labels.measures == self._strong.labels.measures
        names = self._weak.labels.measures
        self._measure = np.unique(names, return_inverse=True)[1]
        self._ranked = np.array([name in ("memorized_fraction", "extracted_images", "peak_gap") for name in names])

    def rows(self, path: str, share: float) -> Rows:
        """Of the file at `path`, `share` of the way from weak to strong: more or less so for each measure."""
        rng = np.random.default_rng(zlib.crc32(path.encode()))
        beside = rng.normal(0, 0.15, self._measure.max() + 1)[self._measure]
        at = np.where(self._ranked, share, np.clip(share + beside, 0, 1))
        numbers = self._weak.numbers * (1 - at) + self._strong.numbers * at
        reasons = {row: self._reason(row) for row in np.flatnonzero(np.isnan(numbers[0])).tolist()}
        return Rows(self._weak.labels, numbers, self._weak.counts, reasons, self._weak.made)

    def _reason(self, row: int) -> str:
        return self._weak.reasons.get(row) or self._strong.reasons.get(row, "made up without a value")


def _between() -> dict[Kind, _Between]:
    """By kind of file."""
    changes = {"seeds": [0], "steps": [100, 102400], "sweeps": [{"train_size": [32, 320]}], "pairs": True}
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), changes)
        reader = Reader(Lineage(study), Path(folder))
        small, large = (sorted(size) for size in _by_size(study.cells))
        ends = [large[0], small[-1]]
        return {
            kind: _Between([rows_of(reader.estimates(kind, cell.factors)) for cell in ends]) for kind in TABLES.values()
        }


def _by_size(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    for size in sorted({cell.checkpoint.run.train_size for cell in cells}):
        yield [cell for cell in cells if cell.checkpoint.run.train_size == size]


def share_of(cell: Cell) -> float:
    """How far a cell memorizes, between 0 and 1, and no two settings alike."""
    size = strength(cell.checkpoint) * (1 + 0.1 * cell.guidance.weight)
    return size / (size + 6)


def make_large_study(results: Path, changes: Mapping[str, Any] | None = None) -> Study:
    """Write the summary of a large study, GRID but for `changes`, and the files of the cells that its pages picture."""
    study = parse_study(GRID | dict(changes or {}), "large.yaml")
    made = {path for cell in _pictured(study) for path in study.files_of(cell)}
    write_files(results, study, made)
    for run in (run for run in study.runs if run.seed < SEEDS):
        last = study.milestones[run][-1]
        checkpoint = layout.CHECKPOINT.of(run.factors | {"step": last})
        losses = 0.2 + np.exp(-np.linspace(0, 6, min(last, 5000)) * (1 + run.train_size / 400))
        path = layout.losses_beside(results / checkpoint)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_losses(path, losses)
    rows = _rows_by_path(study)
    _write_tables(results, rows)
    _write_summary(results, study, rows)
    return study


def _pictured(study: Study) -> set[Cell]:
    """Cells of all seeds, of settings spread over the ranks of the leaderboard, of its first, and of the centre."""
    by_setting: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in study.cells:
        factors = cell.factors
        by_setting.setdefault(tuple(value for name, value in factors.items() if name != "seed"), []).append(cell)
    settings = sorted(by_setting.values(), key=lambda cells: -float(np.mean([*map(share_of, cells)])))
    chosen = [*range(FIRST), *spread_over_ranks(len(settings), PICTURED)]
    return {cell for rank in chosen if rank < len(settings) for cell in settings[rank][:SEEDS]}


def _rows_by_path(study: Study) -> dict[str, Rows]:
    """Estimates of all files."""
    between, paired = _between(), frozenset(study.paired_cells)
    rows: dict[str, Rows] = {}
    for cell in study.cells:
        share, factors = share_of(cell), cell.factors
        for kind, own in between.items():
            path = kind.of(factors)
            if path not in rows and (kind is not CONSISTENCY or cell in paired):
                rows[path] = own.rows(path, share)
    return rows


def _write_tables(results: Path, rows: Mapping[str, Rows]) -> None:
    """The tables of estimates, as HDF5 alone: a report does not read their CSV."""
    for name, kind in TABLES.items():
        with table(results / layout.table(name, "h5"), "table", {}) as writer, Path(os.devnull).open("wb") as nowhere:
            filled = Table(nowhere, writer)
            for path, own in rows.items():
                place = layout.place_of(path)
                if place and place[0] == kind:
                    filled.append(own, b"", place[1])
            filled.finish()


def _write_summary(results: Path, study: Study, rows: Mapping[str, Rows]) -> None:
    """The other tables, the verdicts and the manifest."""
    lookup, reader, known = Lookup(rows.get), Reader(Lineage(study), results), facts(study.data)
    scales = timescales(study, lookup, _onsets(study))
    sizes = model_sizes(study, reader)
    status = pd.DataFrame(
        {"file": study.files, "stage": map(layout.stage_of, study.files), "state": DONE, "reason": ""}
    )
    jobs = [kind.cost.format(**cell.factors) for cell in study.cells for kind in (layout.SAMPLES, MEMORIZATION)]
    costs = pd.DataFrame({"job": [job.removesuffix(layout.COST) for job in jobs]})
    frames = {
        "timescales": scales.reindex(columns=NOTHING.columns),
        "consistency": NOTHING,
        "models": sizes,
        "status": status.assign(**PROVENANCE)[STATUS],
        "costs": costs.assign(seconds=3.0, cpu_seconds=1.5, max_rss_mb=150.0),
    }
    for name, frame in frames.items():
        write_csv(results / layout.table(name), frame)
    parameters = dict(zip(sizes["model"], sizes["parameters"], strict=True))
    verdicts = {
        layout.CLAIMS: as_records(judge(study, lookup, parameters, known)),
        layout.LAWS: as_records(judge_laws(study, lookup, scales, known), "law"),
    }
    for path, records in verdicts.items():
        with atomic(results / path) as temporary:
            temporary.write_text(json.dumps(records))
    vouched = [*map(layout.table, frames), *(layout.table(name, "h5") for name in TABLES), *verdicts]
    unsaid = {"made_by": "", "contents": {}, "images": None, "feature_space": None}
    write_manifest(results, described(study, status) | unsaid, vouched)


def _onsets(study: Study) -> Iterator[dict[str, Any]]:
    """The milestone of least loss by noise level: earlier at low levels."""
    sigmas = log_sigmas(24)
    for run in study.runs:
        steps = study.milestones[run]
        for place, sigma in enumerate(sigmas.tolist()):
            step = float(steps[place * len(steps) // len(sigmas)])
            estimate = {"value": step, "low": step, "high": step, "n": 64, "reason": "", "sigma": sigma}
            yield run.factors | {"measure": "gap_onset"} | estimate
