"""What a cell cost, as measures of it: size, training and sampling, recorded by jobs or counted from the protocol."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffbench.report.tables.estimates import FIELDS
from diffbench.report.tables.results import Results
from diffbench.report.tables.work import Protocol, job_of
from diffbench.study.grid import Cell, Checkpoint
from diffbench.study.layout import CHECKPOINT, SAMPLES
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS

SIZES = ("parameters", "flops_per_image")
UNTRAINED = "this model is not trained"
UNTOLD = "not every job told what it took"
UNCOUNTED = "its operations could not be counted"
CLOSED = "this model has no network"
Told = tuple[float, int, str]
"""Value, n and reason."""


def expenses(results: Results) -> pd.DataFrame:
    """FACTORS, measure, FIELDS, sigma: a row per cell for each of SIZES, and for each cost of training and sampling.

    They have no interval; n: 1 for sizes and what the protocol tells, else the jobs behind the number.
    """
    sizes = results.table("models").set_index("model")
    cells = results.study.cells
    tables = [_rows(results, name, [_size(sizes, name, cell) for cell in cells]) for name in SIZES]
    protocol, jobs = Protocol(results), _Jobs.of(results.costs)
    training = _of_checkpoints(results.study, protocol, jobs)
    each = [training[cell.checkpoint] | _sampling(protocol, jobs, cell) for cell in cells]
    names = each[0] if each else {}
    tables += [_rows(results, name, [told[name] for told in each]) for name in names]
    return pd.concat(tables, ignore_index=True)


def _rows(results: Results, measure: str, told: list[Told]) -> pd.DataFrame:
    values = pd.DataFrame(told, columns=["value", "n", "reason"])
    rows = pd.concat([results.cells, values], axis=1).assign(measure=measure, low=np.nan, high=np.nan, sigma=np.nan)
    return rows[[*FACTORS, "measure", *FIELDS, "sigma"]]


def _size(sizes: pd.DataFrame, name: str, cell: Cell) -> Told:
    size = sizes[name].get(cell.checkpoint.run.model, np.nan)
    return (np.nan, 0, "could not be counted") if pd.isna(size) else (float(size), 1, "")


@dataclass(frozen=True)
class _Jobs:
    """Seconds and largest memory in MB of each job that told them, by its name."""

    seconds: dict[str, float]
    memory: dict[str, float]

    @classmethod
    def of(cls, costs: pd.DataFrame) -> "_Jobs":
        names = ("seconds", "max_rss_mb")
        return cls(*(dict(zip(costs["job"], costs[name].astype(float), strict=True)) for name in names))

    def took(self, jobs: Sequence[str]) -> Told:
        """Sum of their seconds."""
        found = [self.seconds[job] for job in jobs if job in self.seconds]
        return (sum(found), len(found), "") if len(found) == len(jobs) else (math.nan, len(found), UNTOLD)

    def largest(self, jobs: Sequence[str]) -> Told:
        """The most memory that one of them held."""
        found = [self.memory[job] for job in jobs if job in self.memory]
        return (max(found), len(found), "") if len(found) == len(jobs) else (math.nan, len(found), UNTOLD)


def _of_checkpoints(study: Study, protocol: Protocol, jobs: _Jobs) -> dict[Checkpoint, dict[str, Told]]:
    """Of every checkpoint: all milestones up to it, since each job trained from the one before."""
    told: dict[Checkpoint, dict[str, Told]] = {}
    for run, steps in study.milestones.items():
        names: list[str] = []
        for step in steps:
            checkpoint = Checkpoint(run, step)
            names.append(job_of(CHECKPOINT, checkpoint))
            told[checkpoint] = dict(_training(protocol, jobs, checkpoint, names))
    return told


def _training(
    protocol: Protocol, jobs: _Jobs, checkpoint: Checkpoint, names: Sequence[str]
) -> Iterator[tuple[str, Told]]:
    trained = protocol.study.definition(checkpoint.run.model).trained
    work, seconds = protocol.trained(checkpoint), jobs.took(names)
    told = {
        "train_images": _counted(work.images),
        "train_flops": _counted(work.flops),
        "train_seconds": seconds,
        "train_flops_per_second": _rate(work.flops, seconds),
        "train_memory": jobs.largest(names),
    }
    for name, own in told.items():
        yield name, own if trained else (math.nan, 0, UNTRAINED)


def _sampling(protocol: Protocol, jobs: _Jobs, cell: Cell) -> dict[str, Told]:
    model, names = cell.checkpoint.run.model, [job_of(SAMPLES, cell)]
    seconds, whole = jobs.took(names), protocol.jobs.get(names[0])
    told = {
        "sample_seconds": seconds,
        "sample_images_per_second": _rate(protocol.study.sampling.samples, seconds),
        "sample_memory": jobs.largest(names),
    }
    if not protocol.has_network(model):
        counted = dict.fromkeys(
            ("sample_evaluations", "sample_flops", "sample_flops_per_second"), (math.nan, 0, CLOSED)
        )
        return counted | told
    one = protocol.drawn(cell)
    return told | {
        "sample_evaluations": _counted(one.evaluations),
        "sample_flops": _counted(one.flops),
        "sample_flops_per_second": _rate(whole.flops if whole else math.nan, seconds),
    }


def _counted(number: float) -> Told:
    return (math.nan, 0, UNCOUNTED) if math.isnan(number) else (float(number), 1, "")


def _rate(number: float, seconds: Told) -> Told:
    """So much per second."""
    if math.isnan(number):
        return math.nan, 0, UNCOUNTED
    took, n, reason = seconds
    return (number / took, n, "") if took > 0 else (math.nan, n, reason or "the clock showed no time")
