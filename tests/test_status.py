"""Where a study stands, with the truth planted: files of the right and of another spec, logs, costs and processes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from diffbench import cli
from diffbench.files import store
from diffbench.files.cost import Cost
from diffbench.planning.jobs import jobs
from diffbench.planning.remaining import Progress, work_left
from diffbench.planning.standing import files_of, standing_of
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from diffbench.summary.planned import Planned, fingerprint_of

STUDY = {
    "name": "t",
    "data": {"name": "digits", "validation": 50},
    "seeds": [0, 1],
    "steps": [10, 40],
    "pairs": True,
    "models": {"copies": {"kind": "planted", "copies": 0.5}},
    "center": {"model": "mlp-small", "train_size": 20, "granularity": "classes", "guidance": 0},
    "sweeps": [{"guidance": [0, 1], "step": [40]}, {"model": ["optimal", "copies"]}],
}
CELL = {"model": "mlp-small", "train_size": 20, "granularity": "classes", "seed": 0, "step": 40, "guidance": "0"}
EARLIER = CELL | {"step": 10}
PLANTED = CELL | {"model": "copies", "step": 0}
BYTES = {"x": store.Variable(np.zeros(3), ("x",), "nothing")}


@pytest.fixture
def study():
    return parse_study(STUDY, "t.yaml")


@pytest.fixture
def results(tmp_path, study, monkeypatch):
    """A whole study: every file ends as one that its spec made; each job took 2 seconds."""
    monkeypatch.chdir(tmp_path)
    lineage, folder = Lineage(study), Path("results/t")
    for kind, factors in files_of(study):
        store.write(folder / kind.of(factors), kind.stage, BYTES, {}, lineage.fingerprint(kind, factors))
        Cost(2.0, 2.0, 100.0).write(folder / kind.cost.format(**factors))
    return folder


def log(results: Path, text: str, name: str) -> None:
    path = results / layout.log_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_job_is_looked_for_wherever_the_plan_counts_one(study):
    counted = Counter(kind.stage for kind, _ in files_of(study))
    assert all(counted[stage] == count for stage, count in jobs(study).items())
    assert counted["data"] == counted["features"] == 1
    assert counted["conditions"] == 2  # and that of the twins


def test_a_whole_study_is_done(study, results):
    standing = standing_of(study, results)
    assert len(standing.done) == len(standing.jobs)
    assert standing.grid == {"runs": (2, 2), "checkpoints": (4, 4), "cells": (8, 8)}
    assert standing.left.seconds == 0
    assert standing.bytes == sum(path.stat().st_size for path in results.rglob("*") if path.is_file())


def test_every_state_is_told_as_it_was_planted(study, results):
    (results / layout.OVERLAP.of(CELL)).unlink()
    log(results, "10%\rdiffbench overlap: error: no room\n", "overlap/mlp-small/n20/classes/seed0/step40/w0")
    (results / layout.SAMPLES.of(PLANTED)).unlink()
    log(results, "Killed\n", "plant/copies/n20/classes/seed0/step0/w0")
    (results / layout.DENOISE.of(EARLIER)).unlink()
    log(results, "", "denoise/mlp-small/n20/classes/seed0/step10")
    store.write(results / layout.MEMORIZATION.of(EARLIER), "memorization", BYTES, {}, "0" * 16)
    standing = standing_of(study, results)
    states = {job.file: job.state for job in standing.jobs if job.state != "done"}
    assert states == {
        layout.OVERLAP.of(CELL): "failed",
        layout.SAMPLES.of(PLANTED): "failed",
        layout.DENOISE.of(EARLIER): "left",
        layout.MEMORIZATION.of(EARLIER): "outdated",
    }
    assert {job.words for job in standing.failed} == {"diffbench overlap: error: no room", "Killed"}
    assert standing.grid["cells"] == (6, 8)  # the planted cell's own measures are there
    assert standing.left.seconds == pytest.approx(4 * 2.0)


def test_a_process_that_makes_a_file_is_running(study, results, tmp_path):
    """A stand-in for the command: what it is called with is looked at, not what it does."""
    (results / layout.OVERLAP.of(CELL)).unlink()
    log(results, "diffbench overlap: error: the last time\n", "overlap/mlp-small/n20/classes/seed0/step40/w0")
    package = tmp_path / "stand-in/diffbench"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("print(flush=True)\ninput()\n")
    command = [sys.executable, "-m", "diffbench", "overlap", "--spec", "{}", "--empty", "--out"]
    places = {layout.OVERLAP.of(CELL): results, "else.h5": tmp_path}
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    processes = [
        subprocess.Popen([*command, str(folder / name)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name, folder in places.items()
    ]
    try:
        for process in processes:
            assert process.stdout
            process.stdout.readline()
        standing = standing_of(study, results)
    finally:
        for process in processes:
            process.communicate(b"\n")
    (running,) = standing.running
    assert (running.stage, running.file) == ("overlap", layout.OVERLAP.of(CELL))
    assert standing.stages["overlap"]["running"] == 1
    assert standing.failed == []


def test_one_json_object_is_printed(study, results, tmp_path, capsys):
    (results / layout.OVERLAP.of(CELL)).unlink()
    (tmp_path / "t.yaml").write_text(json.dumps(STUDY))
    assert cli.main(["status", "--study", "t.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cells"] == {"done": 7, "total": 8}
    assert told["stages"]["overlap"] == {"done": 6, "running": 0, "failed": 0, "outdated": 0, "left": 1}
    assert told["report"] is None
    assert told["cpu_seconds_left"] == 2.0
    assert cli.main(["status", "--study", "t.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "study t: 2 of 2 runs, 4 of 4 checkpoints, 7 of 8 cells done"
    assert lines[1].startswith("time: 1 s left, on the ")


def test_a_study_without_results_has_all_left(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    standing = standing_of(study, Path("results/t"))
    assert {job.state for job in standing.jobs} == {"left"}
    assert standing.left.at_least
    assert not Path("results").exists()


def test_status_imports_neither_torch_nor_pandas():
    program = "import sys, diffbench.cli, diffbench.commands.status; print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_is_left_is_the_plan_at_first_and_the_mean_of_what_was_measured_at_last():
    stages = {"train": Progress(10)}
    assert work_left(stages, {"train": 5.0}).seconds == 50
    assert work_left({"train": Progress(10, 5, 10.0)}, {"train": 5.0}).seconds == pytest.approx(
        0.5 * (50 - 10) + 0.5 * 5 * 2.0
    )
    assert work_left({"train": Progress(100, 99, 198.0)}, {"train": 5.0}).seconds == pytest.approx(
        0.01 * (500 - 198) + 0.99 * 2.0
    )
    assert work_left({"train": Progress(10, 10, 90.0)}, {"train": 5.0}).seconds == 0


def test_without_a_plan_stages_of_which_nothing_is_known_make_it_a_lower_bound():
    known = work_left({"train": Progress(10, 5, 10.0)})
    assert (known.seconds, known.at_least) == (10.0, False)
    partly = work_left({"train": Progress(10, 5, 10.0), "report": Progress(1)})
    assert (partly.seconds, partly.text(2)) == (10.0, "at least 5 s left")
    assert not work_left({"report": Progress(1)}, {"train": 5.0}).at_least


def test_an_estimate_is_that_of_its_study_alone(study, results):
    path = results / layout.PLAN
    Planned(fingerprint_of(study), "2026-01-01T00:00:00+00:00", {"overlap": 8}, {"overlap": 80.0}).write(path)
    (results / layout.OVERLAP.of(CELL)).unlink()
    share = 6 / 7  # of seven overlaps, the planted cell has none
    expected = (1 - share) * (7 * 10.0 - 6 * 2.0) + share * 2.0
    assert standing_of(study, results).left.seconds == pytest.approx(expected)
    other = parse_study(STUDY | {"seeds": [0]}, "t.yaml")
    assert standing_of(other, results).left.seconds == pytest.approx(2.0)
