"""What Snakemake takes to plan a study of many cells: CPU and wall seconds, memory and jobs of a dry run.

python benchmarks/dry_run.py [--cells 10000] [--finished] [--smoke]

Beside it stands Snakemake's own floor: as many jobs without parameters, functions or resources, each made from the one
before it in a cell. With --finished every result is there already, empty but sealed, and nothing is left to do.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from diffbench import conventions
from diffbench.files.sealed import seal
from diffbench.planning.jobs import jobs
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary import TABLES

ROOT = Path(__file__).parent.parent

SWEEP = {"train_size": [64, 128, 256, 512, 1024], "granularity": ["classes", "unique"], "guidance": list(range(10))}
PER_SEED = 1000
"""Cells of a seed: the sweep at ten milestones."""

FLOOR = """
rule all:
    input: expand("cells/{cell}/done", cell=range(CELLS))
rule first:
    output: "cells/{cell}/first"
    shell: "true"
rule second:
    input: "cells/{cell}/first"
    output: "cells/{cell}/second"
    shell: "true"
rule third:
    input: "cells/{cell}/second"
    output: "cells/{cell}/done"
    shell: "true"
"""


def main() -> None:
    """Plan the study and print what it took, beside the floor."""
    options = argparse.ArgumentParser()
    options.add_argument("--cells", type=int, default=10_000, help="cells of the study, rounded to thousands")
    options.add_argument("--finished", action="store_true", help="plan a study of which every result is there")
    options.add_argument("--smoke", action="store_true", help="1,000 cells, to see that the script runs")
    given = options.parse_args()
    study = study_of(1000 if given.smoke else given.cells)
    planned = parse_study(study, "large.yaml")
    print(f"{len(planned.cells)} cells, {sum(jobs(planned).values())} jobs{', all done' if given.finished else ''}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "large.yaml").write_text(yaml.safe_dump(study))
        if given.finished:
            pretend_finished(planned, folder / conventions.RESULTS / planned.name)
        own = dry_run(folder, ROOT / "Snakefile", "--configfile", "large.yaml")
        (folder / "floor.smk").write_text(FLOOR.replace("CELLS", str(sum(jobs(planned).values()) // 3)))
        floor = dry_run(folder, folder / "floor.smk", "--workflow-profile", "none")
    for line, (cpu, wall, memory) in {"diffbench": own, "Snakemake's floor": floor}.items():
        print(f"{line:<18} {cpu:7.1f} s CPU {wall:7.1f} s wall {memory:7.0f} MB")
    print(f"ratio              {own[0] / floor[0]:7.2f}       {own[1] / floor[1]:7.2f}        {own[2] / floor[2]:7.2f}")


def study_of(cells: int) -> dict[str, Any]:
    """A study file of so many cells, rounded to a multiple of PER_SEED."""
    center = {"model": "mlp-small", "train_size": 64, "granularity": "classes", "guidance": 0}
    seeds = list(range(max(1, round(cells / PER_SEED))))
    return {
        "name": "large",
        "seeds": seeds,
        "steps": list(range(100, 1100, 100)),
        "center": center,
        "sweeps": [SWEEP],
    }


def dry_run(folder: Path, snakefile: Path, *options: str) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and MB of a dry run in `folder`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory", str(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, *options, "--dry-run", "--quiet"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr
    error = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(error)
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024


def pretend_finished(study: Study, results: Path) -> None:
    """Leave every file of a finished study, empty but sealed, in the order in which jobs make them."""
    lineage = Lineage(study)
    for kind, factors in files(study):
        path = results / kind.of(factors)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        seal(content, lineage.fingerprint(kind, factors))
        path.write_bytes(content.getvalue())
    tables = [layout.TABLE.of({"table": table, "suffix": suffix}) for table in TABLES for suffix in ("csv", "h5")]
    summaries = [layout.table(table) for table in layout.SUMMARIES]
    pages = [layout.page("index"), layout.page("claims"), layout.UNFINISHED]
    for name in (*tables, *summaries, layout.CLAIMS, layout.LAWS, layout.MANIFEST, *pages):
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("empty")
    (results / layout.MANIFEST).write_text(json.dumps({"made_by": lineage.summary_spec.fingerprint}))
    for page in pages:
        (results / page).touch()


def files(study: Study) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """Kinds and factors of all results that stay, those of a kind together."""
    for kind in (layout.DATA, layout.FEATURES):
        yield kind, {}
    for kind in (layout.CONDITIONS, layout.OPTIMUM):
        subsets = {kind.of(cell.factors): cell.factors for cell in study.cells}
        yield from ((kind, factors) for factors in subsets.values())
    for kind in (layout.CHECKPOINT, layout.DENOISE):
        yield from ((kind, checkpoint.factors) for checkpoint in study.checkpoints)
    for kind in (layout.SAMPLES, layout.MEMORIZATION, layout.OVERLAP):
        yield from ((kind, cell.factors) for cell in study.cells)


if __name__ == "__main__":
    main()
