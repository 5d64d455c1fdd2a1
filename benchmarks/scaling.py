"""What large studies take, on paper: jobs, planning, files and bytes of 10^3 to 10^5 cells, and of ImageNet.

python benchmarks/scaling.py [--planned 1000] [--smoke]

Planning is measured by dry runs of 1,000 cells and of as many as --planned says, and carried on along a line. ImageNet
stands here as files of its sizes without content: plan, disk and memory read none. GPU hours are those of the rates in
diffbench/planning/runtime.py, which are assumed.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import yaml
from dry_run import ROOT, dry_run, study_of

from diffbench.conventions import DiffbenchError
from diffbench.planning.disk import room
from diffbench.planning.jobs import jobs
from diffbench.planning.memory import Memory
from diffbench.planning.runtime import GPU_RATES, Runtime
from diffbench.settings.models import TrainedDefinition
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.flops import flops_per_image, weights
from diffbench.study.study import Study

CELLS = (1000, 10_000, 100_000)
LEAST = 1000
ON_GPU = ("train", "denoise", "sample", "optimum")
IMAGES, CLASSES = 1_281_167, 1000
"""Of ImageNet's training images."""
SHAPES = {"ImageNet-64": (3, 64, 64), "latents": (4, 32, 32)}
MODELS = {
    "edm2-s": {"kind": "unet", "channels": 192, "multipliers": [1, 2, 3, 4], "blocks": 3, "attention_levels": 2},
    "dit-xl": {"kind": "dit", "width": 1152, "depth": 28, "heads": 16},
}
"""Of the sizes of EDM2-S and DiT-XL/2; of pixels a patch is 4 wide, so that tokens are as many as of latents."""
PATCHES = {"ImageNet-64": 4, "latents": 2}


class Job(NamedTuple):
    """What a job takes, in seconds and in MB of the host's memory."""

    rule: str
    seconds: float
    megabytes: float


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--planned", type=int, default=LEAST, help="cells of the larger of two dry runs")
    options.add_argument("--smoke", action="store_true", help="no dry run, to see that the script runs")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = {} if given.smoke else {cells: planning(folder, cells) for cells in sorted({LEAST, given.planned})}
        for cells in CELLS[:1] if given.smoke else CELLS:
            print(" ".join(of_cells(cells, measured)), flush=True)
        for data, shape in SHAPES.items():
            try:
                study = parse_study(imagenet(folder, data), f"{data}.yaml")
            except DiffbenchError as error:
                print(f"{data} left out: {error}")
                continue
            print(f"{data}, {'x'.join(map(str, shape))}, {IMAGES} images")
            for line in of_imagenet(study, shape):
                print(f"  {line}", flush=True)


def planning(folder: Path, cells: int) -> tuple[float, float]:
    """CPU seconds and MB of a dry run."""
    (folder / "large.yaml").write_text(yaml.safe_dump(study_of(cells)))
    seconds, _, megabytes = dry_run(folder, ROOT / "Snakefile", "--configfile", "large.yaml")
    return seconds, megabytes


def of_cells(cells: int, measured: dict[int, tuple[float, float]]) -> Iterator[str]:
    """What a study of small networks and so many cells takes."""
    study = parse_study(study_of(cells), "large.yaml")
    taken = room(study)
    yield f"{cells} cells: {sum(jobs(study).values())} jobs,"
    if measured:
        seconds, megabytes = (along(cells, {at: each[place] for at, each in measured.items()}) for place in (0, 1))
        yield f"planned in {seconds:.0f} CPU s and {megabytes:.0f} MB{'' if cells in measured else ' (carried on)'},"
    files = sum(taken.files.values()) + 2 * sum(jobs(study).values())
    yield f"{files} files, {taken.kept / 1e9:.1f} GB, of which weights {taken.bytes['train'] / 1e9:.1f} GB"
    yield f"and tables {taken.bytes['summary and report'] / 1e9:.1f} GB"


def along(cells: int, measured: dict[int, float]) -> float:
    """The value on the line through the measured ones; of one alone in proportion."""
    at, values = list(measured), list(measured.values())
    if len(at) == 1:
        return values[0] * cells / at[0]
    return values[0] + (values[1] - values[0]) * (cells - at[0]) / (at[1] - at[0])


def imagenet(folder: Path, name: str) -> dict[str, Any]:
    """A study of the paper's questions on ImageNet: on a file of its shape, whose images were never written."""
    path = folder / f"{name}.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (IMAGES, *SHAPES[name]), np.uint8)
        file["y"] = np.arange(IMAGES) % CLASSES
    models = {key: dict(model) for key, model in MODELS.items()}
    models["dit-xl"]["patch"] = PATCHES[name]
    return {
        "name": "imagenet",
        "data": {"name": "file", "path": str(path), "images": "x", "labels": "y", "validation": 50_000},
        "seeds": [0, 1, 2],
        "steps": [50_000, 200_000, 500_000],
        "models": models,
        "center": {"model": "edm2-s", "train_size": 100_000, "granularity": "classes", "guidance": 0},
        "sweeps": [
            {"model": list(MODELS), "train_size": [10_000, 100_000, 1_200_000]},
            {"guidance": [0, 0.5, 1, 2], "step": [500_000]},
            {"granularity": ["none", "classes", "kmeans-100"], "step": [500_000]},
        ],
        "training": {"batch": 1024, "learning_rate": 0.0001, "precision": "bf16"},
        "sampling": {"samples": 50_000, "trajectories": 2048, "steps": 32},
        "measures": {"gap": {"levels": 32, "images": 8192, "noises": 2}},
        "device": "cuda",
    }


def of_imagenet(study: Study, shape: tuple[int, ...]) -> Iterator[str]:
    """What such a study takes: its networks, its hours by stage, its disk, and the largest jobs."""
    yield f"{len(study.runs)} runs, {len(study.checkpoints)} checkpoints, {len(study.cells)} cells"
    for name in MODELS:
        definition = study.definition(name)
        assert isinstance(definition, TrainedDefinition)
        of = weights(definition, shape), flops_per_image(definition, shape)
        yield f"{name}: {of[0] / 1e6:.0f} million weights, {of[1] / 1e9:.0f} GFLOP an image"
    found = list(work(study))
    hours, most, longest = (
        defaultdict[str, float](float),
        defaultdict[str, float](float),
        defaultdict[str, float](float),
    )
    for job in found:
        hours[job.rule] += job.seconds / 3600
        most[job.rule] = max(most[job.rule], job.megabytes / 1000)
        longest[job.rule] = max(longest[job.rule], job.seconds / 3600)
    for rule, total in sorted(hours.items(), key=lambda each: -each[1]):
        where = "GPU" if rule in ON_GPU else "core"
        longest_job = f"the longest {longest[rule]:6.1f}"
        yield f"{rule:<13} {total:6.0f} {where} hours, {longest_job}; {most[rule]:4.0f} GB of host memory"
    on_gpus = sum(total for rule, total in hours.items() if rule in ON_GPU)
    rates = ", ".join(f"{precision} {rate:.0e}" for precision, rate in GPU_RATES.items())
    yield f"{on_gpus:.0f} GPU hours at {rates} operations a second"
    taken = room(study)
    parts = sorted(taken.bytes.items(), key=lambda each: -each[1])[:3]
    said = ", ".join(f"{stage} {size / 1e9:.0f}" for stage, size in parts)
    yield f"{taken.kept / 1e9:.0f} GB on disk ({said}), and states of trainings {taken.states / 1e9:.0f} GB"


def work(study: Study) -> Iterator[Job]:
    """What each job takes. Milestones of a run share its training."""
    runtime, memory = Runtime(study), Memory(study)
    for path in study.files:
        place = layout.place_of(path)
        assert place
        yield _job(runtime, memory, place[0].stage, place[1])
    for cell in study.cells:
        yield _job(runtime, memory, "sample", _text(cell.factors))
    for run, milestones in study.milestones.items():
        last = next(each for each in study.checkpoints if each.run == run and each.step == milestones[-1])
        yield _job(runtime, memory, "train", _text(last.factors))
    for rule in ("data", "features"):
        yield _job(runtime, memory, rule, {})


def _job(runtime: Runtime, memory: Memory, rule: str, factors: dict[str, str]) -> Job:
    return Job(rule, runtime.seconds(rule, factors), memory.used(rule, factors))


def _text(factors: Any) -> dict[str, str]:
    return {name: str(value) for name, value in factors.items()}


if __name__ == "__main__":
    sys.exit(main())
