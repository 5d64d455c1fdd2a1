#!/usr/bin/env python3
"""Make a Kubernetes Job of a job of Snakemake's, and print its name: submit.py JOBSCRIPT.

The Job is job.yaml beside this script; cores, MB, minutes and GPUs are those that the job script says itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PROPERTIES = "# properties = "
MINUTE = 60


def main(script: Path) -> None:
    """Hand the script to kubectl as a Job."""
    job = yaml.safe_load(Path(__file__).with_name("job.yaml").read_text())
    lines = script.read_text().splitlines()
    asked = json.loads(next(line for line in lines if line.startswith(PROPERTIES)).removeprefix(PROPERTIES))
    fill(job, script, asked["threads"], asked["resources"])
    command = ["kubectl", "create", "--filename", "-", "--output", "name"]
    subprocess.run(command, input=json.dumps(job), text=True, check=True)  # fixed words  # nosec B603


def fill(job: dict[str, Any], script: Path, threads: int, resources: dict[str, Any]) -> None:
    """Add what one job asks for. Kubernetes takes GPUs under limits alone."""
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    asked = {"cpu": str(threads), "memory": f"{resources['mem_mb']}M"}
    gpus = {"nvidia.com/gpu": str(resources["gpu"])} if resources.get("gpu") else {}
    container["command"] = ["bash", str(script)]
    container["workingDir"] = os.getcwd()
    container["resources"] = {"requests": asked, "limits": {"memory": asked["memory"], **gpus}}
    job["spec"]["activeDeadlineSeconds"] = resources["runtime"] * MINUTE


if __name__ == "__main__":
    main(Path(sys.argv[1]))
