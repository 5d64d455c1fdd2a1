"""Planning costs what a study has of jobs: no more than its cells need, and parts of a study can be planned alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from diffbench.files.sealed import seal
from diffbench.planning.jobs import jobs
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.inventory import outdated
from diffbench.study.lineage import Lineage
from tests.snakemake_runs import TINY, planned_jobs, snakemake

SEEDS, STEPS, SIZES, GUIDANCES = [0, 1, 2], [4, 8], [10, 20], [0, 1, 2]
GRID: dict[str, Any] = TINY | {
    "seeds": SEEDS,
    "steps": STEPS,
    "sweeps": [{"train_size": SIZES, "guidance": GUIDANCES}],
}
CHECKPOINTS = len(SEEDS) * len(STEPS) * len(SIZES)
CELLS = CHECKPOINTS * len(GUIDANCES)
PER_CELL = {"sample": CELLS, "memorization": CELLS, "overlap": CELLS}
PER_CHECKPOINT = {"train": CHECKPOINTS, "denoise": CHECKPOINTS}
SHARED = {"data": 1, "features": 1, "conditions": len(SIZES), "optimum": len(SIZES)}
END = {"summary": 1, "report": 1, "all": 1}


@pytest.mark.pipeline
def test_a_cell_is_three_jobs_and_a_checkpoint_two(tmp_path: Path) -> None:
    assert planned_jobs(tmp_path, GRID) == PER_CELL | PER_CHECKPOINT | SHARED | END
    counted = jobs(parse_study(GRID, "study"))
    assert {stage: counted[stage] for stage in PER_CELL | PER_CHECKPOINT} == PER_CELL | PER_CHECKPOINT


@pytest.mark.pipeline
def test_the_measures_are_the_input_of_the_summary_alone(tmp_path: Path) -> None:
    done = snakemake(tmp_path, GRID, "--dry-run")
    asked = re.findall(r"rule (\w+):\n +input: (.*)", done.stdout + done.stderr)
    many = {rule for rule, files in asked if len(files.split(", ")) > CELLS}
    assert "all" in {rule for rule, _ in asked}
    assert many == {"summary"}


@pytest.mark.pipeline
def test_a_study_can_be_planned_in_parts(tmp_path: Path) -> None:
    """By Snakemake's batches of the summary's input; all parts but the last leave out what comes after the measures."""
    part = planned_jobs(tmp_path, GRID, "--batch", "summary=1/3")
    assert not {"summary", "report"} & set(part)
    assert 0 < part["memorization"] <= CELLS // 3 + 1
    assert part["train"] < CHECKPOINTS


def test_a_summary_is_outdated_while_a_measure_is_missing(tmp_path: Path) -> None:
    lineage = Lineage(parse_study(TINY, "study"))
    for name in lineage.study.files:
        place = layout.place_of(name)
        assert place
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w+b") as file:
            seal(file, lineage.fingerprint(*place))
    manifest = tmp_path / layout.MANIFEST
    manifest.parent.mkdir()
    manifest.write_text(json.dumps({"made_by": lineage.summary_spec.fingerprint}))
    assert list(outdated(lineage, tmp_path)) == []
    (tmp_path / lineage.study.files[0]).unlink()
    assert list(outdated(lineage, tmp_path)) == [layout.MANIFEST]
    manifest.unlink()
    assert list(outdated(lineage, tmp_path)) == [], "the workflow asks for the summary itself"


@pytest.mark.pipeline
def test_the_scheduler_wakes_when_a_job_ends_and_only_then(tmp_path: Path) -> None:
    """With Snakemake's limit of starts it also wakes by the clock, once more a second for every job that has ended."""
    done = snakemake(tmp_path, TINY | {"seeds": [0, 1, 2]}, "--cores", "1", "--verbose")
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob(".snakemake/log/*.log")
    rounds, ended = (len(re.findall(words, log.read_text())) for words in ("Ready jobs: ", "Finished jobid: "))
    assert 0 < rounds <= ended + 1
