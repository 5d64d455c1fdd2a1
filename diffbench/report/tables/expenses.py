"""What a cell cost, as measures of it: size of its model, seconds of training and of sampling."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from diffbench.report.tables.estimates import FIELDS
from diffbench.report.tables.results import Results
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.layout import CHECKPOINT, COST, SAMPLES
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS

SIZES = ("parameters", "flops_per_image")
UNTRAINED = "this model is not trained"
UNTOLD = "not every job told what it took"


def expenses(results: Results) -> pd.DataFrame:
    """FACTORS, measure, FIELDS, sigma: a row per cell for each of SIZES, train_seconds and sample_seconds.

    They have no interval; n: 1 for sizes, else the jobs behind the sum.
    """
    sizes = results.table("models").set_index("model")
    seconds = dict(zip(results.costs["job"], results.costs["seconds"].astype(float), strict=True))
    tables = [_rows(results, name, [_size(sizes, name, cell) for cell in results.study.cells]) for name in SIZES]
    training = _training(results.study, seconds)
    tables.append(_rows(results, "train_seconds", [training[cell.checkpoint] for cell in results.study.cells]))
    tables.append(_rows(results, "sample_seconds", [_sampling(seconds, cell) for cell in results.study.cells]))
    return pd.concat(tables, ignore_index=True)


Told = tuple[float, int, str]
"""Value, n and reason."""


def _rows(results: Results, measure: str, told: list[Told]) -> pd.DataFrame:
    values = pd.DataFrame(told, columns=["value", "n", "reason"])
    rows = pd.concat([results.cells, values], axis=1).assign(measure=measure, low=np.nan, high=np.nan, sigma=np.nan)
    return rows[[*FACTORS, "measure", *FIELDS, "sigma"]]


def _size(sizes: pd.DataFrame, name: str, cell: Cell) -> Told:
    size = sizes[name].get(cell.checkpoint.run.model, np.nan)
    return (np.nan, 0, "could not be counted") if pd.isna(size) else (float(size), 1, "")


def _training(study: Study, seconds: Mapping[str, float]) -> dict[Checkpoint, Told]:
    """Of every checkpoint: all milestones up to it, since each job trained from the one before."""
    told: dict[Checkpoint, Told] = {}
    for run, steps in study.milestones.items():
        trained, jobs = study.definition(run.model).trained, []
        for step in steps:
            checkpoint = Checkpoint(run, step)
            jobs.append(CHECKPOINT.cost.format(**checkpoint.factors).removesuffix(COST))
            told[checkpoint] = _sum(seconds, jobs) if trained else (np.nan, 0, UNTRAINED)
    return told


def _sampling(seconds: Mapping[str, float], cell: Cell) -> Told:
    return _sum(seconds, [SAMPLES.cost.format(**cell.factors).removesuffix(COST)])


def _sum(seconds: Mapping[str, float], jobs: list[str]) -> Told:
    took = [seconds[job] for job in jobs if job in seconds]
    return (sum(took), len(took), "") if len(took) == len(jobs) else (np.nan, len(took), UNTOLD)
