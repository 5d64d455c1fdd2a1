"""What the jobs of each stage took, beside what they were expected to take when the run began."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from diffbench.report.tables.results import Results
from diffbench.report.tables.work import NOTHING, Work
from diffbench.study.layout import PLAN, WHOLE, stage_of_job
from diffbench.summary.planned import Planned, planned_for


@dataclass(frozen=True)
class StageCost:
    """A stage; None: not known."""

    stage: str
    jobs: int  # that told what they took
    planned_jobs: int | None
    seconds: float
    cpu_seconds: float
    planned_seconds: float | None  # CPU seconds of all planned jobs
    max_rss_mb: float
    work: Work | None = None  # of jobs that told what they took and have a network; None: none has
    worked: float = 0.0  # their wall seconds

    @property
    def flops_per_second(self) -> float:
        """Achieved by these jobs; nan where it is not known."""
        return self.work.flops / self.worked if self.work and self.worked else math.nan

    @property
    def images_per_second(self) -> float:
        """The same of images."""
        return self.work.images / self.worked if self.work and self.worked else math.nan

    @property
    def ratio(self) -> float | None:
        """Measured over planned CPU seconds, where both are of all jobs."""
        if not self.planned_seconds or self.jobs != self.planned_jobs:
            return None
        return self.cpu_seconds / self.planned_seconds


@dataclass(frozen=True)
class Costs:
    """The table, dearest stage first, and when its estimate was made; empty where there is none of this study."""

    stages: tuple[StageCost, ...]
    planned_at: str

    @property
    def rows(self) -> tuple[StageCost, ...]:
        """The stages and, where there is an estimate, their sum."""
        return (*self.stages, self.total) if self.planned_at else self.stages

    @property
    def total(self) -> StageCost:
        """All stages that have both a plan and jobs that told."""
        both = [each for each in self.stages if each.planned_seconds is not None and each.jobs]
        return StageCost(
            "all planned",
            sum(each.jobs for each in both),
            sum(each.planned_jobs or 0 for each in both),
            sum(each.seconds for each in both),
            sum(each.cpu_seconds for each in both),
            sum(each.planned_seconds or 0.0 for each in both),
            max((each.max_rss_mb for each in both), default=0.0),
        )


def costs_of(results: Results, works: Mapping[str, Work]) -> Costs:
    """Costs by stage of a study's results; works: by job, of `Protocol`."""
    planned = planned_for(results.study, results.folder / PLAN)
    stages = stage_costs(results.costs, planned, works)
    return Costs(tuple(stages), planned.made if planned else "")


def stage_costs(
    costs: pd.DataFrame, planned: Planned | None, works: Mapping[str, Work] = MappingProxyType({})
) -> list[StageCost]:
    """Dearest stage first. costs: a row per job with job, seconds, cpu_seconds and max_rss_mb; works: by job."""
    jobs = planned.jobs if planned else {}
    seconds = planned.seconds if planned else {}
    stages = costs["job"].map(stage_of_job) if len(costs) else pd.Series(dtype=object)
    names = dict.fromkeys([*stages, *(stage for stage, count in jobs.items() if count and stage not in WHOLE)])
    rows = [_row(name, costs[stages == name] if len(costs) else costs, jobs, seconds, works) for name in names]
    return sorted(rows, key=lambda row: -row.cpu_seconds)


def _row(
    stage: str,
    costs: pd.DataFrame,
    jobs: Mapping[str, int],
    seconds: Mapping[str, float],
    works: Mapping[str, Work],
) -> StageCost:
    counted = costs[costs["job"].isin(list(works))] if len(costs) else costs
    return StageCost(
        stage,
        len(costs),
        jobs.get(stage),
        float(costs["seconds"].sum()),
        float(costs["cpu_seconds"].sum()),
        seconds.get(stage) if stage in jobs else None,
        float(costs["max_rss_mb"].max()) if len(costs) else 0.0,
        sum((works[job] for job in counted["job"]), NOTHING) if len(counted) else None,
        float(counted["seconds"].sum()),
    )
