"""Faults on a cluster, a real Slurm of two nodes on this host: Ctrl-C, and a node that dies.

A cell that fails: tests/test_clusters.py.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.study import begun, command_of, family, kill, still_running, stopped_at_once
from tests.moved_studies import CELL_FOLDER, NAME, finished
from tests.same_results import differences
from tests.snakemake_runs import ROOT, TINY
from tests.test_clusters import running_slurm

pytestmark = [pytest.mark.pipeline, pytest.mark.slurm]

PROFILE = ("--profile", str(ROOT / "profiles/slurm"))
CHECKPOINT = os.path.dirname(CELL_FOLDER)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a Slurm."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as folder:
        yield folder


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the study on this machine."""
    return finished(tmp_path_factory) / NAME


@pytest.fixture
def study(local: Path, tmp_path: Path) -> Path:
    """A copy of the study's folder, in which others may go on."""
    shutil.copytree(local.parents[1], tmp_path / "study")
    return tmp_path / "study"


def test_jobs_are_cancelled_with_the_run(slurm: Path, study: Path) -> None:
    shutil.rmtree(study / NAME / CHECKPOINT)
    with begun(study, *PROFILE, study=TINY) as process:
        running_node()
        processes = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert still_running(processes, 10) == []
        assert process.wait() == 1
    wait_for(lambda: not queue("%T"), 30)
    assert "diffbench: ended by SIGINT, with all its jobs" in (study / "output").read_text()
    assert not (study / NAME / CHECKPOINT / "checkpoint.pt").exists()


def test_jobs_of_a_node_that_dies_are_done_by_the_other(slurm: Path, local: Path, study: Path) -> None:
    shutil.rmtree(study / NAME / CHECKPOINT)
    shutil.copytree(local / CELL_FOLDER, study / NAME / CELL_FOLDER)
    with begun(study, *PROFILE, f"{NAME}/{CHECKPOINT}/denoise.h5", study=TINY) as process:
        node = running_node()
        kill_node(slurm, node)
        assert process.wait(timeout=300) == 0, (study / "output").read_text()
    assert f"due to failure of node {node}" in (slurm / "log/slurmctld.log").read_text()
    assert differences(local, study / NAME) == []


def queue(what: str) -> list[str]:
    """A column of the jobs in the queue that have not ended."""
    words = ["squeue", "--noheader", "--format", what, "--states", "PENDING,RUNNING,COMPLETING"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def running_node() -> str:
    """The node of a job that runs, once one does."""
    wait_for(lambda: any(line.startswith("RUNNING:") for line in queue("%T:%N")), 120)
    return next(line.partition(":")[2] for line in queue("%T:%N") if line.startswith("RUNNING:"))


def kill_node(slurm: Path, node: str) -> None:
    """Kill the daemon of a node and all that runs there, as the end of its machine would."""
    daemon = psutil.Process(int((slurm / f"slurmd.{node}.pid").read_text()))
    steps = [each for each in psutil.process_iter() if each.name() == "slurmstepd" and runs_in(each, slurm, node)]
    assert steps
    kill([each for process in (daemon, *steps) for each in stopped_at_once(process.pid)])


def runs_in(step: psutil.Process, slurm: Path, node: str) -> bool:
    """Whether a step of Slurm's runs a script that this node has got."""
    return any(f"{slurm}/spool/{node}/" in " ".join(command_of(each)) for each in family(step.pid))
