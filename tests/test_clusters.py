"""The study runs unchanged on clusters: on a real Slurm of two nodes on this host, and by any command that submits."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from diffbench.files import store
from tests import moved_studies
from tests.same_results import differences
from tests.snakemake_runs import ROOT, TINY, snakemake

pytestmark = pytest.mark.pipeline

SBIN = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")

SLURM = ["--profile", str(ROOT / "profiles/slurm")]
BY_BASH = ["--profile", str(ROOT / "profiles/cluster-generic"), "--cluster-generic-submit-cmd", "bash"]
"""The plugin for Slurm asks ever less often how jobs fare, so what need not be tried on a Slurm is tried by this."""


def needs_plugin(name: str) -> None:
    if importlib.util.find_spec(f"snakemake_executor_plugin_{name}") is None:
        pytest.skip(f"no snakemake-executor-plugin-{name.replace('_', '-')}: pip install -e '.[cluster]'")


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nothing listens at."""
    for first in range(16817, 60000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        else:
            return first
        finally:
            for each in sockets:
                each.close()
    raise AssertionError("no free ports")


@contextmanager
def running_slurm(folder: Path) -> Iterator[Path]:
    """A Slurm of two nodes whose files lie in `folder`, in the environment of whatever runs next."""
    needs_plugin("slurm")
    if missing := [name for name in NEEDED if shutil.which(name, path=SBIN) is None]:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    try:
        environment = os.environ | {"PORT": str(free_ports(3))}
        subprocess.run([ROOT / "tests/slurm/up.sh", folder], check=True, env=environment, timeout=60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
            yield folder
    finally:
        subprocess.run([ROOT / "tests/slurm/down.sh", folder], check=True, timeout=60)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm for the tests of this file."""
    with running_slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the study on this machine."""
    return moved_studies.finished(tmp_path_factory) / moved_studies.NAME


def finished(folder: Path, study: dict[str, Any], *arguments: str) -> Path:
    done = snakemake(folder, study, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results" / study["name"]


@pytest.mark.parametrize(("device", "gpus"), [("cuda", "1"), ("auto", "0")])
def test_networks_ask_for_a_gpu_where_the_study_says_so(tmp_path: Path, device: str, gpus: str) -> None:
    done = snakemake(tmp_path, TINY | {"device": device}, "--dry-run")
    found = re.findall(r"^rule (\w+):$.*?resources: (.*?)$", done.stdout + done.stderr, re.MULTILINE | re.DOTALL)
    asked = {rule: re.findall(r"\bgpu=(\d)", resources) for rule, resources in found}
    assert {rule for rule, given in asked.items() if given == [gpus]} == {"train", "denoise", "sample", "optimum"}
    assert all(not given for rule, given in asked.items() if rule not in ("train", "denoise", "sample", "optimum"))


@pytest.mark.slurm
def test_slurm_makes_what_this_machine_makes_bit_for_bit_also_after_a_failure(
    slurm: None, local: Path, tmp_path: Path
) -> None:
    """In one batch, of which a job fails; on GPUs that are none, but which it waits for."""
    in_the_way = tmp_path / moved_studies.NAME / moved_studies.CELL_FOLDER / "memorization.h5"
    (in_the_way / "of someone").mkdir(parents=True)
    arguments = [*SLURM, "--retries", "0", "--set-resources", "denoise:gpu=1", "train:gpu=1"]
    failed = snakemake(tmp_path, TINY, *arguments)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "16 jobs in 1 submission\n" in output
    told = set(re.findall(r"failed: (\w+) (\S+)", output))
    assert told == {("memorization", str(in_the_way.relative_to(tmp_path)))}
    others = {path: path.stat().st_mtime_ns for path in (tmp_path / moved_studies.NAME / "mlp-small").rglob("*.h5")}
    assert len(others) == 8  # of two cells, with what is in the way
    report = (tmp_path / moved_studies.NAME / "report/index.html").read_text()
    assert "1 of 2 cells complete" in " ".join(report.split())

    shutil.rmtree(in_the_way)
    del others[in_the_way]
    results = finished(tmp_path, TINY, *arguments)
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert differences(local, results) == []


@pytest.mark.slurm
def test_what_no_partition_takes_is_said_before_anything_is_submitted(slurm: None, tmp_path: Path) -> None:
    done = snakemake(tmp_path, TINY | {"runtime_factor": 10}, *SLURM)
    assert done.returncode == 1
    message = (
        r"^diffbench: error: \w+ results/tiny/\S+ asks for 1\d\d minutes, and partition cpu lets a job run 60: name "
    )
    assert re.search(message, done.stdout + done.stderr, re.MULTILINE)
    assert "submitted with SLURM" not in "".join(log.read_text() for log in (tmp_path / ".snakemake/log").glob("*.log"))


def test_any_command_that_submits_makes_what_this_machine_makes(local: Path, tmp_path: Path) -> None:
    needs_plugin("cluster_generic")
    done = snakemake(tmp_path, TINY, *BY_BASH, "--set-resources", "train:runtime=40")
    assert done.returncode == 0, done.stdout + done.stderr
    # Long trainings have their own, as have cells of each of their checkpoints, what is shared, and the summary.
    assert "16 jobs in 6 submissions\n" in done.stdout + done.stderr
    assert differences(local, tmp_path / "results/tiny") == []


def test_what_waits_for_others_of_a_batch_goes_on_without_what_failed(tmp_path: Path) -> None:
    """Labels fail: what is in their batch is used all the same, and a batch goes without what waits for them."""
    needs_plugin("cluster_generic")
    (tmp_path / "results/tiny/conditions/n20/kmeans-3.h5/of someone").mkdir(parents=True)
    runs = [f"results/tiny/mlp-small/n20/{granularity}/seed0/step4" for granularity in ("classes", "kmeans-3")]
    targets = ["results/tiny/features.h5", *(f"{run}/checkpoint.pt" for run in runs)]
    study = TINY | {"sweeps": [{"granularity": ["kmeans-3"]}]}
    features_alone = ["--set-resources", "features:runtime=40"]
    done = snakemake(tmp_path, study, *BY_BASH, *features_alone, "--", *targets)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "6 jobs in 3 submissions\n" in output
    told = set(re.findall(r"failed: (\w+) (\S+)", output))
    assert told == {("conditions", "results/tiny/conditions/n20/kmeans-3.h5")}
    assert [(tmp_path / target).exists() for target in targets] == [True, True, False]
    assert "2 jobs: 1 conditions, 1 batch" in output  # the second try
    assert re.search(r"4 of 6 jobs done in \d+ s; 1 failed, 1 was not run", output)


def test_without_batches_each_job_has_a_submission_of_its_own(local: Path, tmp_path: Path) -> None:
    needs_plugin("cluster_generic")
    target = "results/tiny/conditions/n20/classes.h5"
    done = snakemake(tmp_path, TINY | {"batch_minutes": 0}, *BY_BASH, "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "submission" not in done.stdout + done.stderr
    one, other = (store.read(folder / target, "conditions").arrays for folder in (local.parents[1], tmp_path))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_training_that_diverged_is_not_repeated(tmp_path: Path) -> None:
    needs_plugin("cluster_generic")
    study = TINY | {"steps": [4], "training": {"batch": 16, "learning_rate": 1e30}}
    target = "results/tiny/mlp-small/n20/classes/seed0/step4/checkpoint.pt"
    long = ["--set-resources", "train:runtime=40"]  # by itself
    done = snakemake(tmp_path, study, *BY_BASH, *long, "--", target)
    assert done.returncode != 0
    log = tmp_path / "results/tiny/logs/train/mlp-small/n20/classes/seed0/step4.log"
    assert log.read_text().startswith("diffbench train: error: training diverged")  # no bar of steps before it
    assert "Trying to restart" in "".join(each.read_text() for each in (tmp_path / ".snakemake/log").glob("*.log"))


def test_results_that_differ_are_told(local: Path, tmp_path: Path) -> None:
    """The control of the comparison: one bit of a measure, and a file that is not there."""
    shutil.copytree(local, tmp_path / "other")
    assert differences(local, tmp_path / "other") == []
    (tmp_path / "other/claims.json").unlink()
    path = next((tmp_path / "other").rglob("denoise.h5"))
    with h5py.File(path, "r+") as file:
        values: Any = file["value"]
        values[0] = values[0] + 1.0
    told = differences(local, tmp_path / "other")
    assert told == ["claims.json: in one alone", f"{path.relative_to(tmp_path / 'other')}: value"]
