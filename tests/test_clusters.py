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

import pytest

from tests import moved_studies
from tests.same_results import differences
from tests.snakemake_runs import ROOT, TINY, snakemake

pytestmark = pytest.mark.pipeline

SBIN = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")


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
def test_slurm_makes_what_this_machine_makes_bit_for_bit(slurm: None, local: Path, tmp_path: Path) -> None:
    """On GPUs that are none: networks then run on the CPU, but jobs wait for a node that has them."""
    gpus = ["--set-resources", "denoise:gpu=1", "train:gpu=1"]
    results = finished(tmp_path, TINY, "--profile", str(ROOT / "profiles/slurm"), *gpus)
    assert differences(local, results) == []


def test_any_command_that_submits_makes_what_this_machine_makes(local: Path, tmp_path: Path) -> None:
    needs_plugin("cluster_generic")
    submit = ["--cluster-generic-submit-cmd", "bash"]
    results = finished(tmp_path, TINY, "--profile", str(ROOT / "profiles/cluster-generic"), *submit)
    assert differences(local, results) == []


@pytest.mark.slurm
def test_a_training_that_diverged_is_not_repeated(slurm: None, tmp_path: Path) -> None:
    study = TINY | {"steps": [4], "training": {"batch": 16, "learning_rate": 1e30}}
    target = "results/tiny/mlp-small/n20/classes/seed0/step4/checkpoint.pt"
    done = snakemake(tmp_path, study, "--profile", str(ROOT / "profiles/slurm"), "--", target)
    assert done.returncode != 0
    log = tmp_path / "results/tiny/logs/train/mlp-small/n20/classes/seed0/step4.log"
    assert log.read_text().startswith("diffbench train: error: training diverged")  # no bar of steps before it
    assert "Trying to restart" in "".join(each.read_text() for each in (tmp_path / ".snakemake/log").glob("*.log"))


def test_results_that_differ_are_told(local: Path, tmp_path: Path) -> None:
    """The control of the comparison: one bit of a measure, and a file that is not there."""
    shutil.copytree(local, tmp_path / "other")
    assert differences(local, tmp_path / "other") == []
    (tmp_path / "other/claims.json").unlink()
    import h5py

    path = next((tmp_path / "other").rglob("denoise.h5"))
    with h5py.File(path, "r+") as file:
        values: Any = file["value"]
        values[0] = values[0] + 1.0
    told = differences(local, tmp_path / "other")
    assert told == ["claims.json: in one alone", f"{path.relative_to(tmp_path / 'other')}: value"]
