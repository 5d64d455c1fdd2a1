"""How long Snakemake takes to plan a study of 10,000 cells: seconds, jobs and memory of a dry run.

python benchmarks/dry_run.py
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from diffbench.commands.plan import jobs
from diffbench.study.file import parse_study

ROOT = Path(__file__).parent.parent

STUDY = {
    "name": "large",
    "seeds": list(range(10)),
    "steps": list(range(100, 1100, 100)),
    "center": {"model": "mlp-small", "train_size": 64, "granularity": "classes", "guidance": 0},
    "sweeps": [
        {"train_size": [64, 128, 256, 512, 1024], "granularity": ["classes", "unique"], "guidance": list(range(10))}
    ],
}


def main() -> None:
    """Plan the study and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "large.yaml")
        study.write_text(yaml.safe_dump(STUDY))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        start = time.perf_counter()
        subprocess.run([*command, "--configfile", str(study), "--dry-run", "--quiet"], capture_output=True, check=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    planned = parse_study(STUDY, "large.yaml")
    print(f"{len(planned.cells)} cells, {sum(jobs(planned).values())} jobs: {seconds:.1f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
