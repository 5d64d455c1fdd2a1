"""A run that is told to end is gone in seconds with all it started, whichever signal told it; the next one goes on."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Undisturbed
from tests.faults.study import LONG, begun, command_of, completed, family, spent, still_running, wrong
from tests.snakemake_runs import TINY

pytestmark = pytest.mark.pipeline

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
ENDLESS = TINY | {"steps": [10**9]}
SECONDS = 10.0
"""In which all of a run must have ended."""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_snakemake_alone_ends_all_that_it_started(number: signal.Signals, tmp_path: Path) -> None:
    with begun(tmp_path, study=ENDLESS) as process:
        while not trains(tmp_path):
            time.sleep(0.1)
        processes = family(process.pid)
        assert any("diffbench.forkserver" in command_of(each) for each in processes)
        process.send_signal(number)
        assert still_running(processes, SECONDS) == []
        assert process.wait() != 0
    output = (tmp_path / "output").read_text()
    assert output.endswith(f"\ndiffbench: ended by {number.name}, with all its jobs\n")
    assert "Traceback" not in output
    assert "Report:" not in output
    assert not list(tmp_path.rglob(".*.tmp"))


def trains(folder: Path) -> bool:
    """Whether a training that would go on for days has begun."""
    return any(path.stat().st_size for path in folder.glob("results/tiny/logs/train/**/*.log"))


@pytest.mark.parametrize("number", SIGNALS * 3 if LONG else SIGNALS[1:2])
def test_a_run_that_was_told_to_end_comes_to_the_same(
    number: signal.Signals, undisturbed: Undisturbed, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    instant = random.Random(request.node.name).random()
    with begun(tmp_path) as process:
        while spent(process.pid) < instant * undisturbed.seconds:
            time.sleep(0.1)
        processes = family(process.pid)
        process.send_signal(number)
        assert still_running(processes, SECONDS) == []
    completed(tmp_path)
    assert wrong(tmp_path, undisturbed.folder) == []
