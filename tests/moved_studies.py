"""A small study that was run for real, once for all tests of moving results, and copies of it."""

import shutil
from pathlib import Path

import pytest

from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.study import Study
from tests.snakemake_runs import TINY, command, snakemake

STUDY: Study = parse_study(TINY, "tiny.yaml")
NAME = "results/tiny"
CELL = {"model": "mlp-small", "train_size": 20, "granularity": "classes", "seed": 0, "step": 12, "guidance": "0"}
EARLIER = CELL | {"step": 4}
SAMPLES, EARLIER_SAMPLES = layout.SAMPLES.of(CELL), layout.SAMPLES.of(EARLIER)
CHECKPOINT, MEMORIZATION = layout.CHECKPOINT.of(CELL), layout.MEMORIZATION.of(CELL)
CELL_FOLDER = str(Path(SAMPLES).parent)


def finished(factory: pytest.TempPathFactory) -> Path:
    """The folder in which the study was run, once a session; its results are in NAME."""
    folder = factory.getbasetemp() / "moved"
    if not folder.exists():
        folder.mkdir()
        done = snakemake(folder, TINY, "--cores", "2")
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def copied(factory: pytest.TempPathFactory, folder: Path) -> Path:
    """A copy of the results alone, with the times of their files and the study's file beside them."""
    results = folder / NAME
    shutil.copytree(finished(factory) / NAME, results)
    command(folder, TINY)
    return results
