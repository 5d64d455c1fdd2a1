"""Where a study stands, told by its files and by the processes of this machine: nothing is run and nothing written."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from diffbench.files.cost import Cost
from diffbench.planning.processes import RunningJob, running_jobs
from diffbench.planning.remaining import Left, Progress, work_left
from diffbench.settings.granularity import TWIN
from diffbench.study import layout
from diffbench.study.inventory import is_made_by, known_contents
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.planned import planned_for
from diffbench.summary.reasons import last_line

DONE, RUNNING, FAILED, OUTDATED, LEFT = "done", "running", "failed", "outdated", "left"
"""States of a job: its file is what the study asks for; it runs here; there is no file, but last words of a job that
did not make it; the file is damaged or of other settings, and the next run makes it anew; to be done."""

STATES = (DONE, RUNNING, FAILED, OUTDATED, LEFT)


@dataclass(frozen=True)
class Job:
    """A job of a study, and how it stands."""

    stage: str
    file: str  # inside the results
    state: str
    log: str = ""  # where it failed: inside the results
    words: str = ""  # the last line of that log


@dataclass(frozen=True)
class Standing:
    """How a study stands."""

    study: Study
    results: Path
    jobs: tuple[Job, ...]
    running: tuple[RunningJob, ...]
    seconds: Mapping[str, list[float]]  # CPU seconds of jobs that are done, by stage

    @cached_property
    def done(self) -> frozenset[str]:
        """Files that are done."""
        return frozenset(job.file for job in self.jobs if job.state == DONE)

    @property
    def stages(self) -> dict[str, dict[str, int]]:
        """Jobs of each stage by state."""
        counts: dict[str, dict[str, int]] = {}
        for job in self.jobs:
            counts.setdefault(job.stage, dict.fromkeys(STATES, 0))[job.state] += 1
        return counts

    @property
    def failed(self) -> list[Job]:
        """Jobs that failed, or were stopped, the last time they ran."""
        return [job for job in self.jobs if job.state == FAILED]

    @property
    def left(self) -> Left:
        """CPU seconds of work that is left, by what was measured and planned."""
        progress = {}
        for stage, counts in self.stages.items():
            known = self.seconds.get(stage, [])
            spent = counts[DONE] * sum(known) / len(known) if known else 0.0
            done = counts[DONE] if known else 0
            progress[stage] = Progress(sum(counts.values()) - counts[DONE] + done, done, spent)
        planned = planned_for(self.study, self.results / layout.PLAN)
        return work_left(progress, planned.per_job() if planned else None)

    @property
    def grid(self) -> dict[str, tuple[int, int]]:
        """Runs, checkpoints and cells: how many are done, of how many."""
        study, done = self.study, self.done
        trained = {c for c in study.checkpoints if study.definition(c.run.model).trained}
        made = {c for c in trained if layout.CHECKPOINT.of(c.factors) in done}
        runs = {checkpoint.run for checkpoint in trained}
        whole = [cell for cell in study.cells if done.issuperset(study.files_of(cell))]
        return {
            "runs": (len(runs - {checkpoint.run for checkpoint in trained - made}), len(runs)),
            "checkpoints": (len(made), len(trained)),
            "cells": (len(whole), len(study.cells)),
        }

    @property
    def report(self) -> Path | None:
        """The page of the report, if there is one."""
        page = self.results / layout.page("index")
        return page if page.exists() else None

    @property
    def bytes(self) -> int:
        """Size of all files of the results."""
        return sum(
            os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(self.results) for name in names
        )

    def as_record(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        left = self.left
        return {
            "study": self.study.name,
            "results": str(self.results),
            "report": str(self.report) if self.report else None,
            **{name: {"done": done, "total": total} for name, (done, total) in self.grid.items()},
            "stages": self.stages,
            "running": [asdict(job) for job in self.running],
            "failed": [
                {"stage": job.stage, "file": job.file, "log": job.log, "words": job.words} for job in self.failed
            ],
            "cpu_seconds_left": round(left.seconds, 1),
            "at_least": left.at_least,
            "bytes": self.bytes,
        }


def standing_of(study: Study, results: Path) -> Standing:
    """Look at the files of a study's results."""
    lineage = Lineage(study, known_contents(study, results / layout.CONTENTS))
    running = running_jobs(results)
    writing = {job.file for job in running}
    jobs, seconds = [], dict[str, list[float]]()
    for kind, factors in files_of(study):
        job = _job(lineage, results, kind, factors, writing)
        jobs.append(job)
        if job.state == DONE and (cost := _cost(results / kind.cost.format(**factors))) is not None:
            seconds.setdefault(kind.stage, []).append(cost)
    return Standing(study, results, tuple(jobs), tuple(running), seconds)


def files_of(study: Study) -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    """Kind and factors of each file that a study needs, by which stage makes them; trajectories are not kept."""
    twins = [cell.factors | {"granularity": f"{cell.factors['granularity']}{TWIN}"} for cell in study.paired_cells]
    guides = study.guides_of(study.paired_cells)
    twins += [each.factors | {"granularity": f"{each.run.granularity}{TWIN}"} for each in guides]
    factors: list[Mapping[str, Any]] = [cell.factors for cell in study.cells]
    factors += [each.factors for each in study.guides_of(study.cells)]
    found: dict[str, tuple[Kind, Mapping[str, Any]]] = {}
    for each in [*factors, *twins]:
        kinds = [layout.DATA, layout.CONDITIONS, layout.FEATURES]
        kinds += [layout.CHECKPOINT] * study.definition(each["model"]).trained + [layout.SAMPLES] * ("guidance" in each)
        kinds += [kind for kind in study.decoded_kinds if set(kind.fields) <= each.keys() and each not in twins]
        found |= {kind.of(each): (kind, each) for kind in kinds}
    for path in study.files:
        place = layout.place_of(path)
        assert place
        found[path] = place
    yield from found.values()


def _job(lineage: Lineage, results: Path, kind: Kind, factors: Mapping[str, Any], writing: set[str]) -> Job:
    file = kind.of(factors)
    stage = kind.stage
    if file in writing:
        return Job(stage, file, RUNNING)
    if is_made_by(results / file, lineage.fingerprint(kind, factors)):
        return Job(stage, file, DONE)
    if (results / file).exists():
        return Job(stage, file, OUTDATED)
    planted = kind is layout.SAMPLES and not lineage.study.denoises(factors["model"])
    log = kind.log("plant" if planted else "").format(**factors)
    words = last_line(results / log)
    return Job(stage, file, FAILED, log, words) if words else Job(stage, file, LEFT)


def _cost(path: Path) -> float | None:
    try:
        return Cost.read(path).cpu_seconds
    except (OSError, ValueError):
        return None
