"""Planning a study while its run begins, so that progress and report can tell what was expected."""

import os
import subprocess
import sys
from pathlib import Path

from diffbench.files.surroundings import THREAD_VARIABLES
from diffbench.study import layout
from diffbench.study.study import Study
from diffbench.summary.planned import planned_for

STEPS = 5000
"""Steps of training in the whole study from which on it is planned: a smaller one is over before that pays."""

_processes: list["subprocess.Popen[bytes]"] = []
"""Kept, so that nothing waits for them."""


def plan_ahead(study: Study, results: Path) -> None:
    """Start `diffbench plan` beside the first jobs, unless its estimate is there or the study is small.

    What it prints goes to a log; where it fails, only the estimate is missing.
    """
    trained = (steps[-1] for run, steps in study.milestones.items() if study.definition(run.model).trained)
    if sum(trained) < STEPS or planned_for(study, results / layout.PLAN):
        return
    log = results / layout.log_of("plan")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "diffbench", "plan", "--study", "/dev/stdin", "--out", str(results / layout.PLAN)]
    with log.open("wb") as file:
        # As jobs do: threads beside them would wait for each other, which counts as CPU time.
        threads = dict.fromkeys(THREAD_VARIABLES, str(study.threads))
        process = subprocess.Popen(  # fixed words  # nosec B603
            command, stdin=subprocess.PIPE, stdout=file, stderr=file, env=os.environ | threads
        )
    assert process.stdin
    with process.stdin as pipe:
        pipe.write(study.model_dump_json().encode())
    _processes.append(process)
