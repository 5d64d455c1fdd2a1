"""Profiles: each key has its reason, and a scheduler, which other commands stand in for, is asked as it should be."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.snakemake_runs import ROOT, TINY, snakemake

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/profile.yaml"))
GENERIC = ROOT / "profiles/cluster-generic/profile.yaml"

RESULTS = "results/tiny"
CHECKPOINT = f"{RESULTS}/mlp-small/n20/classes/seed0/step4/checkpoint.pt"

QSUB = """#!/bin/sh
for script; do :; done
printf "%s " "$@" >"$SAID"
bash "$script" >&2
echo 17.server
"""
BSUB = """#!/bin/sh
printf "%s " "$@" >"$SAID"
bash >&2
echo "Job <17> is submitted to default queue <normal>."
"""
KUBECTL = """#!{python}
import json, os, subprocess, sys
from pathlib import Path

folder, verb = Path(os.environ["SAID"]), sys.argv[1]
if verb == "create":
    job = json.load(sys.stdin)
    name = f"{{job['metadata'].pop('generateName')}}{{len(list(folder.iterdir()))}}"
    job["metadata"]["name"] = name
    container = job["spec"]["template"]["spec"]["containers"][0]
    done = subprocess.run(container["command"], cwd=container["workingDir"], stdout=sys.stderr)
    (folder / name).write_text(json.dumps(job | {{"succeeded": not done.returncode}}))
    print(f"job.batch/{{name}}")
elif verb == "get":
    succeeded = json.loads((folder / sys.argv[2].removeprefix("job.batch/")).read_text())["succeeded"]
    print("job/1/" if succeeded else "job//1", end="")
"""


def needs_cluster_generic() -> None:
    if importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None:
        pytest.skip("no snakemake-executor-plugin-cluster-generic: pip install -e '.[cluster]'")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a program of a scheduler on PATH; what it is told stands at the path that this returns."""

    def put(name: str, program: str) -> Path:
        folder, said = tmp_path / "bin", tmp_path / "said"
        folder.mkdir()
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
        monkeypatch.setenv("SAID", str(said))
        return said

    return put


@pytest.mark.parametrize("name", PROFILES)
def test_every_key_of_a_profile_has_its_reason_above_it(name: str) -> None:
    path = ROOT / "profiles" / name / "profile.yaml"
    lines = path.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert len(keys) == len(yaml.safe_load(path.read_text()))
    assert [lines[number] for number in keys if not re.match(r"# |[a-z]", lines[number - 1])] == []


def submit_commands() -> list[str]:
    """The commands of profiles/cluster-generic: that of PBS, and in comments those of SGE and LSF."""
    text = re.sub(r"^# ?(?=cluster-generic-submit-cmd|  )", "", GENERIC.read_text(), flags=re.MULTILINE)
    return re.findall(r"^cluster-generic-submit-cmd: >-\n  (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("place", "program", "number", "asked"),
    [
        (0, ("qsub", QSUB), "17.server", "-V -l select=1:ncpus=2:mem=3000mb -l walltime=5400 {script} "),
        (1, ("qsub", QSUB), "17.server", "-terse -cwd -V -pe smp 2 -l h_vmem=1500M,h_rt=5400 {script} "),
        (2, ("bsub", BSUB), "17", "-n 2 -R span[hosts=1] -M 3000000 -W 90 "),
    ],
    ids=["PBS", "SGE", "LSF"],
)
def test_commands_ask_for_more_than_an_hour_run_the_script_and_print_a_number(
    stand_in: Any, tmp_path: Path, place: int, program: tuple[str, str], number: str, asked: str
) -> None:
    """As the plug-in calls them: by a shell, the script last."""
    said, script = stand_in(*program), tmp_path / "a script"
    script.write_text(f"touch '{tmp_path}/made'\n")
    command = submit_commands()[place].format(threads=2, resources=SimpleNamespace(mem_mb=3000, runtime=90))
    done = subprocess.run(f'{command} "{script}"', shell=True, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == number, done.stderr
    assert said.read_text() == asked.format(script=script)
    assert (tmp_path / "made").exists()


@pytest.mark.pipeline
def test_a_study_asks_pbs_as_the_profile_says(stand_in: Any, tmp_path: Path) -> None:
    needs_cluster_generic()
    said = stand_in("qsub", QSUB)
    limits = ["--set-resources", "data:runtime=90", "data:mem_mb=1000"]
    done = snakemake(tmp_path, TINY, "--profile", str(GENERIC.parent), *limits, "--", f"{RESULTS}/data.h5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert said.read_text().startswith("-V -l select=1:ncpus=1:mem=1000mb -l walltime=5400 /")


@pytest.mark.pipeline
def test_kubernetes_makes_what_this_machine_makes_bit_for_bit(stand_in: Any, tmp_path: Path) -> None:
    """By a kubectl that runs Jobs here: a batch of data and labels, and a training on a GPU that is none."""
    needs_cluster_generic()
    said = stand_in("kubectl", KUBECTL.format(python=sys.executable))
    said.mkdir()
    there = ["--profile", kubernetes(), "--seconds-between-status-checks", "1"]
    there += ["--set-resources", "train:gpu=1", "train:runtime=40"]  # so long that it is by itself
    for folder, options in {"here": ["--cores", "2"], "there": there}.items():
        (tmp_path / folder).mkdir()
        done = snakemake(tmp_path / folder, TINY, *options, "--", CHECKPOINT)
        assert done.returncode == 0, done.stdout + done.stderr
    one, other = (tmp_path / folder / CHECKPOINT for folder in ("here", "there"))
    assert one.read_bytes() == other.read_bytes()
    jobs = {path.name: json.loads(path.read_text())["spec"] for path in sorted(said.iterdir())}
    assert list(jobs) == ["diffbench-0", "diffbench-1"]
    assert all(job["activeDeadlineSeconds"] >= 600 for job in jobs.values())
    resources = [job["template"]["spec"]["containers"][0]["resources"] for job in jobs.values()]
    assert [each["limits"].get("nvidia.com/gpu") for each in resources] == [None, "1"]
    assert all(re.fullmatch(r"\d+M", each["requests"]["memory"]) for each in resources)


@pytest.mark.parametrize(("asked", "gpus"), [({"gpu": 2}, {"nvidia.com/gpu": "2"}), ({"gpu": 0}, {}), ({}, {})])
def test_a_kubernetes_job_asks_for_what_its_script_says(
    stand_in: Any, tmp_path: Path, asked: dict[str, int], gpus: dict[str, str]
) -> None:
    stand_in("kubectl", "#!/bin/sh\ncat\n")
    properties = {"type": "single", "threads": 4, "resources": {"mem_mb": 900, "runtime": 90, **asked}}
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\n# properties = {json.dumps(properties)}\necho\n")
    told = subprocess.run([f"{kubernetes()}/submit.py", script], cwd=tmp_path, capture_output=True, text=True)
    job = json.loads(told.stdout)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["bash", str(script)]
    assert container["workingDir"] == str(tmp_path)
    assert container["resources"] == {
        "requests": {"cpu": "4", "memory": "900M"},
        "limits": {"memory": "900M", **gpus},
    }
    assert job["spec"]["activeDeadlineSeconds"] == 5400


def kubernetes() -> str:
    return str(ROOT / "profiles/kubernetes")


@pytest.mark.parametrize(
    ("kubectl", "status"),
    [
        ("printf job/1/", "success"),
        ("printf job//1", "failed"),
        ("printf job//", "running"),
        ("true", "failed"),  # the Job is gone
        ("false", "running"),  # the cluster cannot be reached
    ],
)
def test_what_kubectl_says_is_what_snakemake_is_told(stand_in: Any, kubectl: str, status: str) -> None:
    stand_in("kubectl", f"#!/bin/sh\n{kubectl}\n")
    told = subprocess.run([f"{kubernetes()}/status.sh", "job.batch/diffbench-1"], capture_output=True, text=True)
    assert told.stdout == f"{status}\n"
