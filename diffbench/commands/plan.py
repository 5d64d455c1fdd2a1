"""Plan: what a study means, and about what it costs, without doing anything."""

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

from diffbench.data.catalog import facts
from diffbench.denoisers.definitions import TrainedDefinition
from diffbench.study import Study, load_study

FLOPS_PER_SECOND = 4.0e10
"""Of one core in float32: what mlp-medium's training reaches on a 2.45 GHz EPYC (benchmarks/training.py)."""

START_SECONDS = {"torch": 1.9, "numpy": 0.9}
"""CPU seconds of a job apart from the network: start-up, reading, measuring, writing (summary/costs.csv)."""

EVALUATIONS_PER_STEP = 3
"""A training step costs about three evaluations: forward, and backward with respect to inputs and weights."""


def run(study: Annotated[Path, "study file"] = Path("config/config.yaml")) -> None:
    """Print the factors, runs, checkpoints, cells and jobs of a study file, and an estimate of its cost."""
    plan = load_study(study)
    print("\n".join([*describe(plan), *cost(plan)]))


def describe(study: Study) -> list[str]:
    """What the study varies, and how many runs, checkpoints, cells and jobs that means."""
    values: dict[str, set[object]] = {}
    for cell in study.cells:
        for factor, value in cell.factors.items():
            values.setdefault(factor, set()).add(value)
    lines = [f"study {study.name}: data set {study.data.name}"]
    for factor, found in values.items():
        ordered = sorted(found, key=lambda value: (isinstance(value, str), value))
        lines.append(
            f"  {factor:<12} {', '.join(f'{value:g}' if isinstance(value, float) else str(value) for value in ordered)}"
        )
    lines.append(f"{len(study.runs)} runs, {len(study.checkpoints)} checkpoints, {len(study.cells)} cells")
    lines.append(f"{sum(jobs(study).values())} jobs: " + ", ".join(f"{n} {stage}" for stage, n in jobs(study).items()))
    return lines


def _order(value: object) -> tuple[bool, object]:
    return isinstance(value, str), value


def jobs(study: Study) -> Counter[str]:
    """Jobs by stage that the whole study takes when nothing of it exists."""
    twins = {cell.checkpoint for cell in study.paired_cells}
    trained = [c for c in study.checkpoints if study.definition(c.run.model).trained]
    return Counter(
        train=len(trained) + len(twins),
        sample=len(study.cells) + len(study.paired_cells),
        **Counter(_stage(Path(name)) for name in study.files),
    )


def _stage(file: Path) -> str:
    return file.parts[0] if file.parts[0] in ("optimum", "lab") else file.stem


def cost(study: Study) -> list[str]:
    """Estimated CPU time. The networks' share follows from their FLOPs, that of processes from measured times."""
    from diffbench.denoisers.build import describe as network_size
    from diffbench.denoisers.build import fresh_network

    known = facts(study.data)
    shape = known.shape
    per_image = {}
    for model in {run.model for run in study.runs}:
        definition = study.definition(model)
        if isinstance(definition, TrainedDefinition):
            per_image[model] = network_size(fresh_network(definition, shape, 1, seed=0), shape)["flops_per_image"]
    seconds: dict[str, float] = defaultdict(float)
    gap, sampling = study.measures.gap, study.sampling
    for run in study.runs:
        images = study.milestones[run][-1] * study.training.batch if run.model in per_image else 0
        seconds["training"] += EVALUATIONS_PER_STEP * images * per_image.get(run.model, 0) / FLOPS_PER_SECOND
    for checkpoint in study.checkpoints:
        size = checkpoint.run.train_size
        splits = (size, size if known.equidistant else study.data.validation)
        images = gap.levels * gap.noises * sum(min(gap.images, split) for split in splits)
        seconds["denoising losses"] += images * per_image.get(checkpoint.run.model, 0) / FLOPS_PER_SECOND
    for cell in study.cells:
        images = 2 * sampling.steps * (sampling.samples + sampling.trajectories) * (2 if cell.guidance else 1)
        seconds["sampling"] += images * per_image.get(cell.checkpoint.run.model, 0) / FLOPS_PER_SECOND
    for stage, count in jobs(study).items():
        kind = "torch" if stage in ("train", "sample", "denoise", "optimum") else "numpy"
        seconds["processes"] += count * START_SECONDS[kind]
    total, cores = sum(seconds.values()), os.cpu_count() or 1
    lines = [f"about {total / 60:.0f} core-minutes, {total / 60 / cores:.0f} minutes on the {cores} cores here:"]
    return lines + [f"  {name:<17} {value / 60:6.1f} core-minutes" for name, value in seconds.items()]
