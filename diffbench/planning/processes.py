"""Jobs of a study that run on this machine now, by the processes that are there."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from diffbench.study.layout import STAGES
from diffbench.study.lineage import SAME_SPEC


@dataclass(frozen=True)
class RunningJob:
    """A process that makes a file of the results."""

    pid: int
    stage: str
    file: str  # inside the results; empty for stages that make several
    seconds: float  # since it was started


def running_jobs(results: Path) -> list[RunningJob]:
    """Those that write into `results`, the first started first; processes that one may not look at are passed over."""
    found, place = [], results.resolve()
    for process in psutil.process_iter(["cmdline", "cwd", "create_time"]):
        stage, file = _job(process.info["cmdline"] or [], process.info["cwd"], place)
        if stage:
            found.append(RunningJob(process.pid, stage, file, time.time() - process.info["create_time"]))
    return sorted(found, key=lambda job: -job.seconds)


def _job(command: list[str], folder: str | None, results: Path) -> tuple[str, str]:
    """Stage and file of a command of diffbench that writes into `results`, empty of any other."""
    start = command.index("diffbench") + 1 if command[1:3] == ["-m", "diffbench"] else 0
    if not start or folder is None or len(command) <= start or command[start] not in (*STAGES, *SAME_SPEC):
        return "", ""
    if out := _value(command, "--out"):
        path = Path(os.path.realpath(Path(folder, out)))
        return (command[start], path.relative_to(results).as_posix()) if path.is_relative_to(results) else ("", "")
    given = _value(command, "--results")
    return (command[start], "") if given and Path(folder, given).resolve() == results else ("", "")


def _value(command: list[str], option: str) -> str:
    """What stands after an option; empty if it is not there."""
    return command[command.index(option) + 1] if option in command[:-1] else ""
