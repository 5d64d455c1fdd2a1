"""SIGKILL at random instants: the next run ends with the bytes of one that nothing disturbed, and nothing is left over.

`FAULTS=30 pytest -s tests/faults/test_kills.py` is the long form; without FAULTS there are three kills.
"""

import random
import shutil
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import Undisturbed
from tests.faults.study import LONG, begun, command_of, completed, kill, spent, still_running, stopped_at_once, wrong

pytestmark = pytest.mark.pipeline

KILLS = LONG or 3
DRAWN = random.Random(0)
INSTANTS = [round((number + DRAWN.random()) / KILLS, 3) for number in range(KILLS)]
"""One in each of as many equal parts of a run, as shares of what it takes."""


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_run_whose_processes_are_all_killed_at_once_comes_to_the_same(
    instant: float, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    seconds = instant * undisturbed.seconds
    while (at := killed_at(tmp_path / "run", seconds)) is None:  # it took less, and had ended
        shutil.rmtree(tmp_path / "run")
        seconds *= 0.9
    print(f"killed after {seconds:.1f} CPU seconds, at {at}")
    completed(tmp_path / "run")
    assert wrong(tmp_path / "run", undisturbed.folder) == []


def killed_at(folder: Path, seconds: float) -> str | None:
    """Begin a run and kill all of it when it has taken so much. Returns what it was at, None if it had ended."""
    with begun(folder) as process:
        while spent(process.pid) < seconds:
            if process.poll() is not None:
                return None
            time.sleep(0.1)
        stopped = stopped_at_once(process.pid)
        at = at_work(stopped)
        kill(stopped)
    assert still_running(stopped, 10) == []
    return at


def at_work(processes: list[psutil.Process]) -> str:
    """Stages of the jobs that run, by the command lines of their clients."""
    lines = [line for each in processes if (line := command_of(each))[1:3] == ["-m", "diffbench"]]
    return ", ".join(sorted(line[3] for line in lines)) or "none"
