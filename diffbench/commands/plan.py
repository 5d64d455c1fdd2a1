"""Plan: what a study means, and about what it costs, without doing anything."""

import os
from pathlib import Path
from typing import Annotated, Any

from diffbench.data.catalog import outlook
from diffbench.planning.cost import cost
from diffbench.planning.jobs import jobs
from diffbench.study.file import load_study
from diffbench.study.study import Study


def run(study: Annotated[Path, "study file"] = Path("config/config.yaml")) -> None:
    """Print the factors, runs, checkpoints, cells and jobs of a study file, and an estimate of its cost."""
    plan = load_study(study)
    print("\n".join(describe(plan)), flush=True)
    print("\n".join(estimate(plan)))


def describe(study: Study) -> list[str]:
    """What the study varies, and how many runs, checkpoints, cells and jobs that means."""
    values: dict[str, set[Any]] = {}
    for cell in study.cells:
        for factor, value in cell.factors.items():
            values.setdefault(factor, set()).add(value)
    lines = [f"study {study.name}: data set {study.data.name}", *(f"  {line}" for line in outlook(study.data))]
    for factor, taken in values.items():
        known = list(study.guidances) if factor == "guidance" else []  # the others in the order of their values
        lines.append(f"  {factor:<12} {', '.join(map(str, known or sorted(taken)))}")
    lines.append(f"{len(study.runs)} runs, {len(study.checkpoints)} checkpoints, {len(study.cells)} cells")
    lines.append(f"{sum(jobs(study).values())} jobs: " + ", ".join(f"{n} {stage}" for stage, n in jobs(study).items()))
    return lines


def estimate(study: Study) -> list[str]:
    """The cost by stage, and what it was measured by."""
    expected, cores = cost(study), os.cpu_count() or 1
    lines = [
        f"estimate: {_duration(expected.total)} of one core; {_duration(expected.wall(cores))} on the {cores} cores"
        " here if nothing else runs on them"
    ]
    stages = expected.stages | {"start and end": expected.alone}
    lines += [f"  {name:<15} {seconds / 60:8.1f} min" for name, seconds in stages.items() if seconds]
    lines += [f"measured here: {name}: {note}" for name, note in expected.notes.items()]
    external = sorted(name for name, model in study.models.items() if model.kind == "external")
    lines += [f"not measured, and not in the estimate: evaluations of {name}" for name in external]
    return lines


def _duration(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 60:.0f} minutes" if seconds < 5 * 3600 else f"{seconds / 3600:.0f} hours"
