"""Running Snakemake as people do, in a folder of the test's own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {"name": "digits", "validation": 40},
    "seeds": [0],
    "steps": [4, 12],
    "center": {"model": "mlp-small", "train_size": 20, "granularity": "classes", "guidance": 0},
    "training": {"batch": 16},
    "sampling": {"samples": 24, "trajectories": 12, "steps": 5},
    "measures": {"gap": {"levels": 4, "images": 20, "noises": 2}},
}


def command(folder: Path, study: dict[str, Any], *arguments: str) -> list[str]:
    """The command line that runs a study with its results under `folder`."""
    config = folder / f"{study['name']}.yaml"
    config.write_text(yaml.safe_dump(study))
    base = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    return [*base, *profile, "--directory", str(folder), "--configfile", str(config), *arguments]


def snakemake(folder: Path, study: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake to its end."""
    return subprocess.run(command(folder, study, *arguments), capture_output=True, text=True, timeout=600)


def planned_jobs(folder: Path, study: dict[str, Any], *arguments: str) -> dict[str, int]:
    """Rule -> number of jobs of a dry run."""
    done = snakemake(folder, study, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)\s*$", table, re.MULTILINE)}
